// GraphiQL on this gateway: a token for every tab and transport, and a scientist's day as ready operations.
"use strict";

const KEY = "gql-gateway-token";
const WELCOME = `# Welcome. Paste a token at the top: it goes with every
# request and subscription. Ctrl-Enter runs the operation
# under the cursor, Ctrl-Space completes. The tabs tell a
# whole day: become a user, create a job, launch it, watch
# it, read its files.

query Heartbeat {
  heartbeat {
    ok
    version
    clusters { name available message }
  }
}

query Overview {
  me { email folder }
  clusters {
    name
    slurmVersion
    partitions { name isDefault state idleNodes nodes timeLimitSeconds }
  }
  jobs(first: 10) {
    totalCount
    countByState { state count }
    nodes { id name state reason createdAt }
  }
}
`;

const CREATE = `# Once: become a user. Then a job, in a folder of its own.

mutation BecomeUser {
  createUser {
    user { id email folder }
    userErrors { code message }
  }
}

mutation CreateJob($input: CreateJobInput!) {
  createJob(input: $input) {
    job { id state folder script }
    userErrors { code message field detail }
  }
}
`;

const CREATE_VALUES = JSON.stringify({
  input: {
    name: "hello",
    image: "docker://alpine:3.22",
    command: "for i in 1 2 3 4 5; do echo step $i; sleep 1; done; date > result.txt",
    resources: { nodes: 1, tasksPerNode: 1, timeLimitSeconds: 600 },
  },
}, null, 2);

const LAUNCH = `mutation Launch($job: ID!) {
  launch(input: { jobId: $job }) {
    job { id state slurmJobId reason }
    userErrors { code message detail retryable }
  }
}

mutation Cancel($job: ID!) {
  cancel(input: { jobId: $job }) {
    job { id state reason }
    userErrors { code message }
  }
}
`;

const WATCH = `# All my jobs, as they change. With \`after: "<cursor>"\`
# it continues behind that event.

subscription Watch {
  jobStateChanged {
    cursor
    at
    previousState
    state
    reason
    job { id name slurmJobId exitCode }
  }
}

subscription Output($job: ID!) {
  jobOutput(jobId: $job) { path offset nextOffset text end }
}
`;

const FILES = `query Files($job: ID!) {
  job(id: $job) {
    name
    state
    exitCode
    files { path kind size modifiedAt downloadUrl }
    events { nodes { at previousState state reason } }
  }
}

mutation Delete($job: ID!) {
  deleteFile(input: { jobId: $job, path: "result.txt" }) {
    deletedPath
    userErrors { code message }
  }
}
`;

const A_JOB = JSON.stringify({ job: "job_…" }, null, 2);
const TABS = [
  { query: WELCOME },
  { query: CREATE, variables: CREATE_VALUES },
  { query: LAUNCH, variables: A_JOB },
  { query: WATCH, variables: A_JOB },
  { query: FILES, variables: A_JOB },
];

const here = new URL("graphql", document.baseURI);
const socket = new URL(here);
socket.protocol = here.protocol === "https:" ? "wss:" : "ws:";

const send = GraphiQL.createFetcher({ url: here.href, subscriptionUrl: socket.href });
const field = document.getElementById("token");
const who = document.getElementById("who");

function fetcher(operation, options = {}) {
  const token = field.value.trim();
  const headers = { ...(token && { Authorization: `Bearer ${token}` }), ...options.headers };
  return send(operation, { ...options, headers });
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
    defaultTabs: TABS,
    plugins: [GraphiQLPluginExplorer.explorerPlugin()],
    defaultEditorToolsVisibility: "variables",
    inputValueDeprecation: true,
    isHeadersEditorEnabled: true,
    shouldPersistHeaders: false,
  }),
);
