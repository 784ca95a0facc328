// graphql-transport-ws: the client of graphql-ws, and frames that no client sends.
import { createClient } from "graphql-ws";
import { AUTHORIZATION, CANCEL, CHANGES, SOCKET, TOKEN, assert, ask, check, createJob } from "./harness.mjs";

const client = (more = {}) =>
  createClient({ url: SOCKET, connectionParams: { Authorization: AUTHORIZATION }, retryAttempts: 0, ...more });

function once(used, payload) {
  return new Promise((resolve, reject) => {
    let answer;
    used.subscribe(payload, { next: (value) => (answer = value), error: reject, complete: () => resolve(answer) });
  });
}

const HEARTBEAT = { query: "{ heartbeat { ok } }" };

await check("client: a query", async () => {
  const used = client();
  assert.deepEqual((await once(used, HEARTBEAT)).data, { heartbeat: { ok: true } });
  await used.dispose();
});

await check("client: a mutation", async () => {
  const used = client();
  const answer = await once(used, { query: "mutation { createUser { user { email } userErrors { code } } }" });
  assert.deepEqual(answer.data.createUser.userErrors, []);
  await used.dispose();
});

await check("client: a subscription delivers each state and ends with the job", async () => {
  const used = client();
  const id = await createJob();
  const states = [];
  for await (const { data } of used.iterate({ query: CHANGES, variables: { id } })) {
    states.push(data.jobStateChanged.state);
    if (states.length === 1) await ask(CANCEL, { id });
  }
  assert.deepEqual(states, ["CREATED", "CANCELLED"]);
  await used.dispose();
});

await check("client: a subscription goes on behind a cursor", async () => {
  const used = client();
  const id = await createJob();
  let cursor;
  for await (const { data } of used.iterate({ query: CHANGES, variables: { id } })) {
    cursor = data.jobStateChanged.cursor;
    break;
  }
  await ask(CANCEL, { id });
  const query = "subscription ($id: ID, $after: String) { jobStateChanged(jobId: $id, after: $after) { state } }";
  const later = [];
  for await (const { data } of used.iterate({ query, variables: { id, after: cursor } })) {
    later.push(data.jobStateChanged.state);
  }
  assert.deepEqual(later, ["CANCELLED"]);
  await used.dispose();
});

for (const [name, query] of [["syntax error", "{ me {"], ["validation error", "{ nothing }"]]) {
  await check(`client: a ${name} ends its operation and not the socket`, async () => {
    let opened = 0;
    const used = client({ lazy: false, on: { opened: () => opened++ } });
    await assert.rejects(once(used, { query }), (errors) => Array.isArray(errors) && errors[0].message.length > 0);
    assert.deepEqual((await once(used, HEARTBEAT)).data, { heartbeat: { ok: true } });
    assert.equal(opened, 1);
    await used.dispose();
  });
}

await check("client: an error while a subscription begins is told, and the socket stays", async () => {
  const used = client({ lazy: false });
  let told;
  try {
    told = await once(used, { query: CHANGES, variables: { id: "job_unknown" } });
  } catch (errors) {
    told = { errors };
  }
  assert.equal(told.errors[0].extensions.code, "NOT_FOUND");
  assert.deepEqual((await once(used, HEARTBEAT)).data, { heartbeat: { ok: true } });
  await used.dispose();
});

await check("client: twenty operations side by side on one socket", async () => {
  const used = client({ lazy: false });
  const answers = await Promise.all(Array.from({ length: 20 }, () => once(used, HEARTBEAT)));
  assert.equal(answers.every(({ data }) => data.heartbeat.ok), true);
  await used.dispose();
});

await check("client: a wrong token closes with 4403", async () => {
  const used = client({ connectionParams: { Authorization: `Bearer ${TOKEN}x` } });
  await assert.rejects(once(used, HEARTBEAT), (closed) => closed.code === 4403);
});

// -- raw frames -------------------------------------------------------------------------------------------------

class Raw {
  constructor(protocols = "graphql-transport-ws") {
    this.socket = new WebSocket(SOCKET, protocols);
    this.heard = [];
    this.waiting = [];
    this.closed = new Promise((resolve) => (this.socket.onclose = resolve));
    this.opened = new Promise((resolve, reject) => {
      this.socket.onopen = resolve;
      this.socket.onerror = () => reject(new Error("refused"));
    });
    this.socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      const waiter = this.waiting.shift();
      waiter ? waiter(message) : this.heard.push(message);
    };
  }

  say(message) {
    const raw = typeof message === "string" || ArrayBuffer.isView(message);
    this.socket.send(raw ? message : JSON.stringify(message));
  }

  hear() {
    return this.heard.length ? this.heard.shift() : new Promise((resolve) => this.waiting.push(resolve));
  }

  async greet() {
    await this.opened;
    this.say({ type: "connection_init", payload: { Authorization: AUTHORIZATION } });
    assert.equal((await this.hear()).type, "connection_ack");
    return this;
  }
}

const FATAL = {
  "no JSON": "hello",
  "half a JSON": '{"type":',
  "an empty text": "",
  null: null,
  "a number": 5,
  "a text": '"text"',
  "a list": [],
  "an object without type": {},
  "a type that is no text": { type: 5 },
  "an unknown type": { type: "shout" },
  "a message of the server's": { type: "connection_ack" },
  "a type of the old protocol": { type: "start", id: "1", payload: HEARTBEAT },
  "subscribe without id": { type: "subscribe", payload: HEARTBEAT },
  "subscribe with an empty id": { type: "subscribe", id: "", payload: HEARTBEAT },
  "subscribe with a number as id": { type: "subscribe", id: 1, payload: HEARTBEAT },
  "subscribe without payload": { type: "subscribe", id: "1" },
  "subscribe with a list as payload": { type: "subscribe", id: "1", payload: [] },
  "subscribe without query": { type: "subscribe", id: "1", payload: {} },
  "a query that is no text": { type: "subscribe", id: "1", payload: { query: 5 } },
  "variables that are a list": { type: "subscribe", id: "1", payload: { ...HEARTBEAT, variables: [] } },
  "an operationName that is no text": { type: "subscribe", id: "1", payload: { ...HEARTBEAT, operationName: 5 } },
  "extensions that are a text": { type: "subscribe", id: "1", payload: { ...HEARTBEAT, extensions: "x" } },
  "complete without id": { type: "complete" },
  "ping with a text as payload": { type: "ping", payload: "x" },
  "a binary frame": new Uint8Array([1, 2, 3]),
};

for (const [name, message] of Object.entries(FATAL)) {
  await check(`raw: ${name} closes with 4400 and words`, async () => {
    const raw = await new Raw().greet();
    raw.say(message);
    const { code, reason } = await raw.closed;
    assert.equal(code, 4400, `${code} ${reason}`);
    assert.notEqual(reason, "");
  });
}

await check("raw: an operation before connection_init closes with 4401", async () => {
  const raw = new Raw();
  await raw.opened;
  raw.say({ type: "subscribe", id: "1", payload: HEARTBEAT });
  assert.equal((await raw.closed).code, 4401);
});

await check("raw: connection_init twice closes with 4429", async () => {
  const raw = await new Raw().greet();
  raw.say({ type: "connection_init", payload: { Authorization: AUTHORIZATION } });
  assert.equal((await raw.closed).code, 4429);
});

await check("raw: an id that is in use closes with 4409", async () => {
  const raw = await new Raw().greet();
  const payload = { query: "subscription { jobStateChanged { state } }" };
  raw.say({ type: "subscribe", id: "1", payload });
  raw.say({ type: "subscribe", id: "1", payload });
  assert.equal((await raw.closed).code, 4409);
});

await check("raw: no token closes with 4403", async () => {
  const raw = new Raw();
  await raw.opened;
  raw.say({ type: "connection_init" });
  assert.equal((await raw.closed).code, 4403);
});

await check("raw: ping is answered with pong, pong and the end of what is unknown are not", async () => {
  const raw = await new Raw().greet();
  raw.say({ type: "pong" });
  raw.say({ type: "complete", id: "unknown" });
  raw.say({ type: "ping" });
  assert.equal((await raw.hear()).type, "pong");
  raw.socket.close();
});

await check("raw: an operation's messages are next and complete under its id", async () => {
  const raw = await new Raw().greet();
  raw.say({ type: "subscribe", id: "a b", payload: HEARTBEAT });
  assert.deepEqual(await raw.hear(), { id: "a b", type: "next", payload: { data: { heartbeat: { ok: true } } } });
  assert.deepEqual(await raw.hear(), { id: "a b", type: "complete" });
  raw.socket.close();
});

for (const [name, protocols] of [["the old graphql-ws", "graphql-ws"], ["another", "chat"], ["no", undefined]]) {
  await check(`raw: ${name} subprotocol is not spoken`, async () => {
    const raw = new Raw(protocols ?? []);
    await Promise.race([raw.opened, raw.closed]).catch(() => undefined);
    const { code } = await raw.closed;
    assert.equal([1006, 4406].includes(code), true, String(code));
  });
}

await check("raw: of several subprotocols, graphql-transport-ws is chosen", async () => {
  const raw = await new Raw(["chat", "graphql-ws", "graphql-transport-ws"]).greet();
  assert.equal(raw.socket.protocol, "graphql-transport-ws");
  raw.socket.close();
});
process.exit(0);
