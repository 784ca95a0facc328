// The clients of front ends: Apollo Client and urql, each with queries, mutations and subscriptions.
import { ApolloClient, HttpLink, InMemoryCache, gql } from "@apollo/client/core";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { Client, cacheExchange, fetchExchange, subscriptionExchange } from "@urql/core";
import { createClient } from "graphql-ws";
import { AUTHORIZATION, CANCEL, ENDPOINT, SOCKET, assert, ask, check, createJob } from "./harness.mjs";

const JOB = "query Job($id: ID!) { job(id: $id) { id name state owner { id email } cluster { id name } } }";
const CHANGED = "subscription Changed($id: ID) { jobStateChanged(jobId: $id) { cursor state job { id state } } }";
const CANCEL_JOB = "mutation Cancel($id: ID!) { cancel(input: { jobId: $id }) { job { id state } userErrors { code } } }";

const socket = () => createClient({ url: SOCKET, connectionParams: { Authorization: AUTHORIZATION } });
const headers = { authorization: AUTHORIZATION };
const apollo = () => new ApolloClient({ cache: new InMemoryCache(), link: new HttpLink({ uri: ENDPOINT, headers }) });

await check("Apollo: a query", async () => {
  const id = await createJob();
  const { data } = await apollo().query({ query: gql(JOB), variables: { id } });
  assert.equal(data.job.state, "CREATED");
  assert.equal(data.job.cluster.name, "local");
});

await check("Apollo: a mutation changes the cached object that a query shows", async () => {
  const id = await createJob();
  const client = apollo();
  const states = [];
  const watched = client.watchQuery({ query: gql(JOB), variables: { id } });
  const seen = new Promise((resolve) => {
    watched.subscribe(({ data, loading }) => {
      if (!loading && data?.job) states.push(data.job.state);
      if (states.at(-1) === "CANCELLED") resolve();
    });
  });
  await client.query({ query: gql(JOB), variables: { id } });
  await client.mutate({ mutation: gql(CANCEL_JOB), variables: { id } });
  await seen;
  assert.equal(states.at(-1), "CANCELLED");
});

await check("Apollo: a user's mistake is data and no error", async () => {
  const { data, error } = await apollo().mutate({ mutation: gql(CANCEL_JOB), variables: { id: "job_unknown" } });
  assert.equal(error, undefined);
  assert.deepEqual(data.cancel.userErrors.map(({ code }) => code), ["NOT_FOUND"]);
});

await check("Apollo: a refused document is an error with its code", async () => {
  await assert.rejects(apollo().query({ query: gql("{ nothing }") }), (error) => {
    const codes = (error.errors ?? []).map(({ extensions }) => extensions?.code);
    return codes.includes("GRAPHQL_VALIDATION_FAILED") || /400|nothing/.test(error.message);
  });
});

await check("Apollo: a subscription over graphql-ws", async () => {
  const id = await createJob();
  const used = socket();
  const client = new ApolloClient({ cache: new InMemoryCache(), link: new GraphQLWsLink(used) });
  const states = await new Promise((resolve, reject) => {
    const heard = [];
    client.subscribe({ query: gql(CHANGED), variables: { id } }).subscribe({
      next: ({ data }) => {
        heard.push(data.jobStateChanged.state);
        if (heard.length === 1) ask(CANCEL, { id });
      },
      error: reject,
      complete: () => resolve(heard),
    });
  });
  assert.deepEqual(states, ["CREATED", "CANCELLED"]);
  await used.dispose();
});

function urql(more = []) {
  return new Client({
    url: ENDPOINT,
    fetchOptions: { headers },
    preferGetMethod: false,
    exchanges: [cacheExchange, ...more, fetchExchange],
  });
}

await check("urql: a query", async () => {
  const id = await createJob();
  const { data, error } = await urql().query(JOB, { id }).toPromise();
  assert.equal(error, undefined);
  assert.equal(data.job.id, id);
});

await check("urql: a query by GET", async () => {
  const { data, error } = await urql().query("{ heartbeat { ok } }", {}, { preferGetMethod: "force" }).toPromise();
  assert.equal(error, undefined);
  assert.equal(data.heartbeat.ok, true);
});

await check("urql: a mutation", async () => {
  const id = await createJob();
  const { data, error } = await urql().mutation(CANCEL_JOB, { id }).toPromise();
  assert.equal(error, undefined);
  assert.equal(data.cancel.job.state, "CANCELLED");
});

await check("urql: a refused document is an error", async () => {
  const { error } = await urql().query("{ nothing }", {}).toPromise();
  assert.equal(error.graphQLErrors[0].extensions.code, "GRAPHQL_VALIDATION_FAILED");
});

async function watchWithUrql(client) {
  const id = await createJob();
  const heard = [];
  await new Promise((resolve) => {
    client.subscription(CHANGED, { id }).subscribe(({ data, error }) => {
      assert.equal(error, undefined);
      heard.push(data.jobStateChanged.state);
      if (heard.length === 1) ask(CANCEL, { id });
      else resolve();
    });
  });
  assert.deepEqual(heard, ["CREATED", "CANCELLED"]);
}

await check("urql: a subscription over graphql-ws", async () => {
  const used = socket();
  const forwardSubscription = ({ query, variables }) => ({
    subscribe: (sink) => ({ unsubscribe: used.subscribe({ query: query ?? "", variables }, sink) }),
  });
  await watchWithUrql(urql([subscriptionExchange({ forwardSubscription })]));
  await used.dispose();
});

await check("urql: a subscription by its own fetch, as server-sent events", async () => {
  await watchWithUrql(
    new Client({
      url: ENDPOINT,
      fetchOptions: { headers },
      fetchSubscriptions: true,
      preferGetMethod: false,
      exchanges: [cacheExchange, fetchExchange],
    }),
  );
});
process.exit(0);
