// Uploads by the GraphQL multipart request specification: apollo-upload-client, and requests that no client sends.
import { ApolloClient, InMemoryCache, gql } from "@apollo/client/core";
import UploadHttpLink from "apollo-upload-client/UploadHttpLink.mjs";
import { AUTHORIZATION, ENDPOINT, assert, check, createJob } from "./harness.mjs";

const UPLOAD = `mutation Upload($input: UploadInput!) {
  upload(input: $input) { file { path size } userErrors { code message } }
}`;
const job = await createJob();
const link = new UploadHttpLink({
  uri: ENDPOINT,
  headers: { authorization: AUTHORIZATION, "Apollo-Require-Preflight": "true" },
});
const client = new ApolloClient({ cache: new InMemoryCache(), link });

async function upload(file, path) {
  const { data } = await client.mutate({ mutation: gql(UPLOAD), variables: { input: { jobId: job, file, path } } });
  return data.upload;
}

await check("apollo-upload-client: a file under its own name", async () => {
  const done = await upload(new File(["hello"], "in.txt"));
  assert.deepEqual(done.userErrors, []);
  assert.deepEqual([done.file.path, done.file.size], ["in.txt", 5]);
});

await check("apollo-upload-client: a file at a path", async () => {
  assert.equal((await upload(new File(["x".repeat(100_000)], "a"), "deep/er/b.bin")).file.size, 100_000);
});

await check("apollo-upload-client: an empty file", async () => {
  assert.equal((await upload(new File([], "empty"))).file.size, 0);
});

await check("apollo-upload-client: a name that is not ASCII", async () => {
  assert.equal((await upload(new File(["x"], "größe ✓.txt"))).file.path, "größe ✓.txt");
});

await check("apollo-upload-client: a Blob, which has no name of its own", async () => {
  assert.equal((await upload(new Blob(["blob"]), "blob.txt")).file.size, 4);
});

await check("apollo-upload-client: a path that is not allowed is data", async () => {
  assert.equal((await upload(new File(["x"], "x"), "../x")).userErrors[0].code, "PATH_NOT_ALLOWED");
});

await check("apollo-upload-client: two files in two mutations of one request", async () => {
  const mutation = gql(`mutation ($a: UploadInput!, $b: UploadInput!) {
    a: upload(input: $a) { file { size } } b: upload(input: $b) { file { size } }
  }`);
  const variables = {
    a: { jobId: job, file: new File(["1"], "one"), path: "one" },
    b: { jobId: job, file: new File(["22"], "two"), path: "two" }, // Apollo tells fields apart by what is no file
  };
  const { data } = await client.mutate({ mutation, variables });
  assert.deepEqual([data.a.file.size, data.b.file.size], [1, 2]);
});

await check("apollo-upload-client: one file in two places is refused in words", async () => {
  const file = new File(["1"], "one");
  const mutation = gql("mutation ($a: UploadInput!, $b: UploadInput!) { a: upload(input: $a) { file { size } } b: upload(input: $b) { file { size } } }");
  const variables = { a: { jobId: job, file }, b: { jobId: job, file } };
  await assert.rejects(client.mutate({ mutation, variables }), /several places/);
});

// -- requests that no client sends ------------------------------------------------------------------------------

const OPERATIONS = { query: UPLOAD, variables: { input: { jobId: job, file: null } } };
const MAP = { 0: ["variables.input.file"] };
const PREFLIGHT = { "GraphQL-Require-Preflight": "1" };

async function post(parts, headers = PREFLIGHT) {
  const form = new FormData();
  for (const [name, value] of parts) {
    if (value instanceof Blob) form.append(name, value, "raw.txt");
    else form.append(name, typeof value === "string" ? value : JSON.stringify(value));
  }
  const init = { method: "POST", body: form, headers: { authorization: AUTHORIZATION, ...headers } };
  const response = await fetch(ENDPOINT, init);
  return { status: response.status, answer: await response.json() };
}

const FILE = new Blob(["raw"]);
const input = (file) => ({ ...OPERATIONS, variables: { input: { jobId: job, file } } });

await check("raw: the form that the specification describes", async () => {
  const { status, answer } = await post([["operations", OPERATIONS], ["map", MAP], ["0", FILE]]);
  assert.equal(status, 200);
  assert.equal(answer.data.upload.file.size, 3);
});

const REFUSED = {
  "no parts": [],
  "no operations": [["map", MAP], ["0", FILE]],
  "no map": [["operations", OPERATIONS], ["0", FILE]],
  "no file": [["operations", OPERATIONS], ["map", MAP]],
  "a file before the map": [["operations", OPERATIONS], ["0", FILE], ["map", MAP]],
  "operations that are no JSON": [["operations", "{"], ["map", MAP], ["0", FILE]],
  "operations that are a number": [["operations", 5], ["map", MAP], ["0", FILE]],
  "operations that are null": [["operations", null], ["map", MAP], ["0", FILE]],
  "operations that are a list": [["operations", [OPERATIONS]], ["map", MAP], ["0", FILE]],
  "operations without query": [["operations", { variables: { input: { file: null } } }], ["map", MAP], ["0", FILE]],
  "a map that is no JSON": [["operations", OPERATIONS], ["map", "{"], ["0", FILE]],
  "a map that is a list": [["operations", OPERATIONS], ["map", []], ["0", FILE]],
  "a map that is null": [["operations", OPERATIONS], ["map", null], ["0", FILE]],
  "a map of texts": [["operations", OPERATIONS], ["map", { 0: "variables.input.file" }], ["0", FILE]],
  "a map of numbers": [["operations", OPERATIONS], ["map", { 0: [5] }], ["0", FILE]],
  "a path that leads nowhere": [["operations", OPERATIONS], ["map", { 0: ["variables.input.other"] }], ["0", FILE]],
  "a path over a scalar": [["operations", OPERATIONS], ["map", { 0: ["variables.input.jobId.x"] }], ["0", FILE]],
  "a path to what is no null": [["operations", OPERATIONS], ["map", { 0: ["variables.input.jobId"] }], ["0", FILE]],
  "a path into the query": [["operations", OPERATIONS], ["map", { 0: ["query"] }], ["0", FILE]],
  "a path into a prototype": [["operations", OPERATIONS], ["map", { 0: ["variables.__proto__.x"] }], ["0", FILE]],
  "a text for an Upload": [["operations", input("text")], ["map", {}]],
  "an object for an Upload": [["operations", input({})], ["map", {}]],
  "null for an Upload": [["operations", OPERATIONS], ["map", {}]],
};

for (const [name, parts] of Object.entries(REFUSED)) {
  await check(`raw: ${name} is a 400 with words`, async () => {
    const { status, answer } = await post(parts);
    assert.equal(status, 400, JSON.stringify(answer));
    assert.equal(answer.errors[0].message.length > 10, true);
    assert.notEqual(answer.errors[0].extensions.code, "INTERNAL");
  });
}

await check("raw: a plain form of another site's page, without a header of its own, is refused", async () => {
  const form = new FormData();
  form.append("operations", JSON.stringify(OPERATIONS));
  form.append("map", JSON.stringify(MAP));
  form.append("0", FILE, "x");
  const response = await fetch(ENDPOINT, { method: "POST", body: form });
  assert.equal(response.status, 400);
});

await check("raw: no boundary, and a body that breaks off", async () => {
  const headers = { authorization: AUTHORIZATION };
  for (const [type, body] of [["multipart/form-data", "x"], ["multipart/form-data; boundary=b", "--b\r\nConte"]]) {
    const response = await fetch(ENDPOINT, { method: "POST", body, headers: { ...headers, "content-type": type } });
    assert.equal(response.status, 400);
    assert.equal(typeof (await response.json()).errors[0].message, "string");
  }
});
process.exit(0);
