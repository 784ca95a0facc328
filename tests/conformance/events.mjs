// graphql-sse: its client, with distinct connections and with a single one.
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

// --- the single connection ------------------------------------------------------------------------------------------

const single = (more = {}) => client({ singleConnection: true, ...more });

for (const lazy of [true, false]) {
  await check(`one connection, ${lazy ? "opened when needed" : "opened at once"}: queries, mutations, subscriptions`, async () => {
    const all = single({ lazy });
    assert.deepEqual((await once(all, HEARTBEAT)).data, { heartbeat: { ok: true } });
    const ids = await Promise.all([createJob(), createJob()]);
    const followed = ids.map(async (id) => {
      const states = [];
      for await (const { data } of all.iterate({ query: CHANGES, variables: { id } })) {
        assert.equal(data.jobStateChanged.job.id, id);
        states.push(data.jobStateChanged.state);
        if (states.length === 1) await once(all, { query: CANCEL, variables: { id } });
      }
      return states;
    });
    assert.deepEqual(await Promise.all(followed), [["CREATED", "CANCELLED"], ["CREATED", "CANCELLED"]]);
    all.dispose();
  });
}

await check("one connection: unsubscribing ends one operation, and the others go on", async () => {
  const all = single({ lazy: false });
  const [first, second] = await Promise.all([createJob(), createJob()]);
  const left = all.iterate({ query: CHANGES, variables: { id: first } });
  const kept = all.iterate({ query: CHANGES, variables: { id: second } });
  await Promise.all([left.next(), kept.next()]);
  await left.return();
  await ask(CANCEL, { id: second });
  assert.equal((await kept.next()).value.data.jobStateChanged.state, "CANCELLED");
  assert.equal((await kept.next()).done, true);
  all.dispose();
});

await check("one connection: what is not run is answered to the request, with words", async () => {
  const all = single({ lazy: false });
  for (const query of ["{ me {", "{ nothing }"]) {
    await assert.rejects(once(all, { query }), (error) => error.response?.status === 400);
  }
  assert.deepEqual((await once(all, HEARTBEAT)).data, { heartbeat: { ok: true } });
  all.dispose();
});

await check("one connection: an error while a subscription begins is told on it", async () => {
  const all = single({ lazy: false });
  const told = await once(all, { query: CHANGES, variables: { id: "job_unknown" } });
  assert.equal(told.errors[0].extensions.code, "NOT_FOUND");
  all.dispose();
});

await check("one connection: a wrong token is a 401", async () => {
  const other = single({ headers: { Authorization: "Bearer wrong" } });
  await assert.rejects(once(other, HEARTBEAT), (error) => error.response?.status === 401);
});

await check("one connection: another is reserved when it is lost", async () => {
  const opened = [];
  const fetchFn = (url, options) => {
    if (options.headers.accept !== "text/event-stream") return fetch(url, options);
    const own = new AbortController();
    opened.push(own);
    options.signal.addEventListener("abort", () => own.abort());
    return fetch(url, { ...options, signal: own.signal });
  };
  const all = single({ retryAttempts: 5, retry: async () => {}, fetchFn });
  const results = all.iterate({ query: CHANGES, variables: { id: await createJob() } });
  await results.next();
  opened[0].abort();
  assert.equal((await results.next()).value.data.jobStateChanged.state, "CREATED");
  assert.equal(opened.length, 2);
  all.dispose();
});

process.exit(0);
