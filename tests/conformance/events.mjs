// graphql-sse: its client, in the mode of distinct connections.
import { createClient } from "graphql-sse";
import { AUTHORIZATION, CANCEL, CHANGES, ENDPOINT, assert, ask, check, createJob } from "./harness.mjs";

const client = (more = {}) =>
  createClient({ url: ENDPOINT, headers: { Authorization: AUTHORIZATION }, retryAttempts: 0, ...more });

function once(used, payload) {
  return new Promise((resolve, reject) => {
    let answer;
    used.subscribe(payload, { next: (value) => (answer = value), error: reject, complete: () => resolve(answer) });
  });
}

const HEARTBEAT = { query: "{ heartbeat { ok } }" };
const used = client();

await check("a query", async () => {
  assert.deepEqual((await once(used, HEARTBEAT)).data, { heartbeat: { ok: true } });
});

await check("a mutation", async () => {
  const answer = await once(used, { query: "mutation { createUser { user { email } userErrors { code } } }" });
  assert.deepEqual(answer.data.createUser.userErrors, []);
});

await check("a named operation with variables", async () => {
  const query = "query A { heartbeat { ok } } query B($id: ID!) { job(id: $id) { id } }";
  assert.deepEqual((await once(used, { query, operationName: "B", variables: { id: "x" } })).data, { job: null });
});

await check("a subscription delivers each state and ends with the job", async () => {
  const id = await createJob();
  const states = [];
  for await (const { data } of used.iterate({ query: CHANGES, variables: { id } })) {
    states.push(data.jobStateChanged.state);
    if (states.length === 1) await ask(CANCEL, { id });
  }
  assert.deepEqual(states, ["CREATED", "CANCELLED"]);
});

await check("two subscriptions side by side", async () => {
  const ids = await Promise.all([createJob(), createJob()]);
  const followed = ids.map(async (id) => {
    for await (const { data } of used.iterate({ query: CHANGES, variables: { id } })) return data.jobStateChanged.job.id;
  });
  assert.deepEqual(await Promise.all(followed), ids);
});

await check("unsubscribing ends it, and others go on", async () => {
  const id = await createJob();
  const results = used.iterate({ query: CHANGES, variables: { id } });
  await results.next();
  await results.return();
  assert.deepEqual((await once(used, HEARTBEAT)).data, { heartbeat: { ok: true } });
});

for (const [name, query] of [["syntax error", "{ me {"], ["validation error", "{ nothing }"]]) {
  await check(`a ${name} is told`, async () => {
    const told = await once(used, { query }).catch((error) => ({ errors: [error] }));
    assert.equal(told.errors.length > 0, true);
  });
}

await check("an error while a subscription begins is told", async () => {
  const told = await once(used, { query: CHANGES, variables: { id: "job_unknown" } });
  assert.equal(told.errors[0].extensions.code, "NOT_FOUND");
});

await check("a wrong token is a 401", async () => {
  const other = client({ headers: { Authorization: "Bearer wrong" } });
  await assert.rejects(once(other, HEARTBEAT), (error) => error.response?.status === 401);
});

await check("single-connection mode is refused at once, in words", async () => {
  const response = await fetch(ENDPOINT, { method: "PUT", headers: { Authorization: AUTHORIZATION } });
  assert.equal(response.status, 405);
  assert.match((await response.json()).errors[0].message, /GET and POST/);
});
process.exit(0);
