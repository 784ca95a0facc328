// What every suite here does: ask the gateway, run checks one after another, and print each as a line of JSON.
import { strict as assert } from "node:assert";

export const ENDPOINT = `${process.env.GATEWAY_URL}/graphql`;
export const SOCKET = ENDPOINT.replace("http", "ws");
export const TOKEN = process.env.GATEWAY_TOKEN;
export const AUTHORIZATION = `Bearer ${TOKEN}`;
export const IMAGE = process.env.GATEWAY_IMAGE;
export { assert };

export function report(name, error) {
  const detail = error ? String(error?.stack ?? error?.message ?? JSON.stringify(error)) : "";
  console.log(JSON.stringify({ name, ok: !error, detail }));
}

// A check that takes longer than this hangs.
const LONGEST = 15_000;

export async function check(name, run) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${LONGEST} ms`)), LONGEST);
  });
  try {
    await Promise.race([run(), late]);
    report(name);
  } catch (error) {
    report(name, error);
  } finally {
    clearTimeout(timer);
  }
}

export async function ask(query, variables = {}) {
  const response = await fetch(ENDPOINT, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: AUTHORIZATION },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

export async function createJob(command = "true") {
  const { createJob: made } = await ask(
    "mutation ($input: CreateJobInput!) { createJob(input: $input) { job { id } userErrors { message } } }",
    { input: { name: "conformance", image: IMAGE, command } },
  );
  assert.deepEqual(made.userErrors, []);
  return made.job.id;
}

export const CANCEL = "mutation ($id: ID!) { cancel(input: { jobId: $id }) { job { state } userErrors { message } } }";
export const CHANGES = "subscription ($id: ID) { jobStateChanged(jobId: $id) { cursor state job { id } } }";
