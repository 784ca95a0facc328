// GraphQL over this gateway: requests by fetch, subscriptions by one graphql-transport-ws socket that comes back.
"use strict";

const ENDPOINT = new URL("graphql", document.baseURI);
const REFUSED = new Set([4400, 4401, 4403]);
const LONGEST_WAIT = 15_000;

class Refusal extends Error {}

class Wire {
  // `told(word, reason)` hears "live", "away" (it will try again) or "refused" (it will not).
  constructor(token, told) {
    this.authorization = `Bearer ${token}`;
    this.told = told;
    this.wanted = new Map();
    this.wait = 500;
    this.next = 0;
    this.open();
  }

  async ask(query, variables = {}) {
    const response = await fetch(ENDPOINT, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: this.authorization },
      body: JSON.stringify({ query, variables }),
    });
    const answer = await response.json();
    const error = answer.errors?.[0] ?? answer.error;
    if (response.status === 401) throw new Refusal(error.message);
    if (error) throw new Error(error.message);
    return answer.data;
  }

  // `variables()` is called at each (re)connection, so that a subscription continues where it was.
  follow(query, variables, heard) {
    const id = String(++this.next);
    this.wanted.set(id, { query, variables, heard });
    if (this.ready) this.subscribe(id);
    return () => {
      if (this.wanted.delete(id) && this.ready) this.say({ type: "complete", id });
    };
  }

  close() {
    this.closed = true;
    this.socket.close(1000);
  }

  open() {
    const url = new URL(ENDPOINT);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(url, "graphql-transport-ws");
    this.socket.onopen = () => this.say({ type: "connection_init", payload: { Authorization: this.authorization } });
    this.socket.onmessage = (event) => this.hear(JSON.parse(event.data));
    this.socket.onclose = (event) => this.lost(event);
  }

  say(message) {
    this.socket.send(JSON.stringify(message));
  }

  subscribe(id) {
    const { query, variables } = this.wanted.get(id);
    this.say({ type: "subscribe", id, payload: { query, variables: variables() } });
  }

  hear(message) {
    const subscription = this.wanted.get(message.id);
    if (message.type === "connection_ack") {
      this.ready = true;
      this.wait = 500;
      this.told("live");
      for (const id of this.wanted.keys()) this.subscribe(id);
    } else if (message.type === "ping") this.say({ type: "pong" });
    else if (message.type === "next" && message.payload.data) subscription?.heard(message.payload.data);
    else if (message.type === "complete" || message.type === "error") this.wanted.delete(message.id);
  }

  lost(event) {
    this.ready = false;
    if (this.closed) return;
    if (REFUSED.has(event.code)) return this.told("refused", event.reason);
    this.told("away");
    setTimeout(() => this.closed || this.open(), this.wait * (0.5 + Math.random()));
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
  }
}
