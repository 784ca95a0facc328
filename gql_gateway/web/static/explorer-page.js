// GraphiQL on this gateway: a token for every tab and transport, and the job that was created last filled in.
"use strict";

const KEY = "gql-gateway-token";
const JOB_KEY = "gql-gateway-last-job";
const here = new URL("graphql", document.baseURI);
const socket = new URL(here);
socket.protocol = here.protocol === "https:" ? "wss:" : "ws:";

const send = GraphiQL.createFetcher({
  url: here.href,
  subscriptionUrl: socket.href,
  enableIncrementalDelivery: false, // `@defer` is not offered, and so an answer is one object
});
const field = document.getElementById("token");
const who = document.getElementById("who");

let lastJob = sessionStorage.getItem(JOB_KEY);

// `job_…` in the variables of the ready operations stands for the job that was created last.
function filledIn(operation) {
  if (operation.variables?.job !== LAST_JOB || !lastJob) return operation;
  return { ...operation, variables: { ...operation.variables, job: lastJob } };
}

function noteJob(answer) {
  const made = answer?.data?.createJob?.job ?? answer?.data?.cloneJob?.job;
  if (!made?.id) return;
  lastJob = made.id;
  sessionStorage.setItem(JOB_KEY, lastJob);
}

async function fetcher(operation, options = {}) {
  const token = field.value.trim();
  const headers = { ...(token && { Authorization: `Bearer ${token}` }), ...options.headers };
  const answer = await send(filledIn(operation), { ...options, headers });
  noteJob(answer);
  return answer;
}

async function introduce() {
  if (!field.value.trim()) {
    who.innerHTML = "Without a token only <code>heartbeat</code> answers.";
    return;
  }
  const response = await fetch(here, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${field.value.trim()}` },
    body: JSON.stringify({ query: "{ me { email } }" }),
  });
  const answer = await response.json();
  if (answer.errors) who.textContent = answer.errors[0].message;
  else who.textContent = answer.data.me ? `You are ${answer.data.me.email}.` : "The token is good; now run createUser.";
}

function keepToken() {
  sessionStorage.setItem(KEY, field.value.trim());
  introduce();
}

field.value = sessionStorage.getItem(KEY) ?? "";
field.addEventListener("change", keepToken);
document.getElementById("door").addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken();
});
introduce();

ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, {
    fetcher,
    defaultTabs: TABS.map((tab) => ({ ...tab, variables: tab.variables && JSON.stringify(tab.variables, null, 2) })),
    plugins: [GraphiQLPluginExplorer.explorerPlugin()],
    defaultEditorToolsVisibility: "variables",
    inputValueDeprecation: true,
    isHeadersEditorEnabled: true,
    shouldPersistHeaders: false,
  }),
);
