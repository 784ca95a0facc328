// GraphQL over HTTP: every audit of graphql-http, and what a client may read between the lines of the specification.
import { serverAudits } from "graphql-http";
import { report } from "./harness.mjs";
import { ENDPOINT, assert, ask, check, createJob } from "./harness.mjs";

for (const audit of serverAudits({ url: ENDPOINT, fetchFn: fetch })) {
  const result = await audit.fn();
  report(`${audit.id} ${audit.name}`, result.status === "ok" ? undefined : `${result.status}: ${result.reason}`);
}

await check("a mutation by GET is refused and does nothing", async () => {
  const id = await createJob();
  const query = `mutation { cancel(input: { jobId: "${id}" }) { job { state } } }`;
  const response = await fetch(`${ENDPOINT}?query=${encodeURIComponent(query)}`, {
    headers: { authorization: `Bearer ${process.env.GATEWAY_TOKEN}` },
  });
  assert.equal(response.status >= 400 && response.status < 500, true, String(response.status));
  const { job } = await ask("query ($id: ID!) { job(id: $id) { state } }", { id });
  assert.equal(job.state, "CREATED");
});
