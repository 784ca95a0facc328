// The dashboard: my jobs as they change, one of them in full.
"use strict";

const KEY = "gql-gateway-token";
const SHOWN_BYTES = 256 * 1024;
const NARROW = "(max-width: 50rem)";
const COUNT_AFTER_MS = 300;
const ROW = "id name state isFinal reason createdAt startedAt endedAt";
const JOBS = `query ($after: String) {
  me { email name }
  clusters { name available message slurmVersion }
  jobs(first: 50, after: $after) { nodes { ${ROW} } pageInfo { hasNextPage endCursor } }
}`;
const COUNTS = "query { jobs(first: 1) { countByState { state count } } }";
const JOB = `query ($id: ID!) { job(id: $id) {
  ${ROW} image command args folder script slurmJobId nativeState exitCode launchedAt observedAt
  cluster { name } resources { partition nodes tasksPerNode cpusPerTask gpusPerNode memoryPerNode timeLimitSeconds }
  files { path kind size modifiedAt downloadUrl archiveUrl }
} }`;
const CHANGES = `subscription ($after: String) { jobStateChanged(after: $after) { cursor job { ${ROW} } } }`;
const OUTPUT = `subscription ($id: ID!, $offset: ByteCount) {
  jobOutput(jobId: $id, offset: $offset) { path nextOffset text end }
}`;
const ACTIONS = {
  launch: { label: "Launch", when: (job) => job.state === "CREATED" },
  cancel: { label: "Cancel", when: (job) => !job.isFinal },
  cloneJob: { label: "Clone", when: (job) => job.isFinal },
};

const $ = (id) => document.getElementById(id);
const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

let wire, chosen, page, cursor, counting, forget = () => {};
const jobs = new Map();

// -- in and out ----------------------------------------------------------------------------------------------------

function knock(refusal = "") {
  wire?.close();
  sessionStorage.removeItem(KEY);
  $("refusal").textContent = refusal;
  show("door");
  $("token").focus();
}

function show(room) {
  for (const id of ["door", "house"]) $(id).hidden = id !== room;
  $("leave").hidden = room === "door";
}

async function enter(token) {
  sessionStorage.setItem(KEY, token);
  jobs.clear();
  cursor = undefined;
  wire = new Wire(token, heardOfLine);
  try {
    await load();
  } catch (error) {
    return error instanceof Refusal ? knock(error.message) : complain(error);
  }
  show("house");
  wire.follow(CHANGES, () => ({ after: cursor }), ({ jobStateChanged: change }) => {
    cursor = change.cursor;
    put(change.job);
    if (change.job.id === chosen) refresh();
  });
  const linked = location.hash.slice(1);
  if (linked) choose(linked);
}

function heardOfLine(word, reason) {
  $("live").className = word;
  $("live").textContent = { live: "live", away: "reconnecting…", refused: "" }[word];
  if (word === "refused") knock(reason);
}

function complain(error) {
  $("note").textContent = error.message;
  $("note").hidden = false;
  setTimeout(() => { $("note").hidden = true; }, 8000);
}

// -- the list ------------------------------------------------------------------------------------------------------

async function load(after) {
  let data = await wire.ask(JOBS, { after });
  if (!data.me) {
    const { createUser } = await wire.ask("mutation { createUser { user { id } userErrors { message } } }");
    if (createUser.userErrors.length) throw new Error(createUser.userErrors[0].message);
    data = await wire.ask(JOBS, { after });
  }
  page = data.jobs.pageInfo;
  data.jobs.nodes.forEach(put);
  $("more").hidden = !page.hasNextPage;
  $("none").hidden = jobs.size > 0;
  $("clusters").replaceChildren(...data.clusters.map((cluster) => make("li", {
    className: cluster.available ? "good" : "bad",
    title: cluster.message ?? `Slurm ${cluster.slurmVersion ?? ""}`,
    textContent: cluster.name,
  })));
}

function put(job) {
  const known = jobs.get(job.id);
  const row = known?.row ?? make("li", { tabIndex: 0, onclick: () => choose(job.id) });
  row.onkeydown = (event) => event.key === "Enter" && choose(job.id);
  row.replaceChildren(badge(job.state), make("b", { textContent: job.name }), make("time", {
    dateTime: job.createdAt, textContent: ago(job.createdAt), title: when(job.createdAt),
  }));
  row.classList.toggle("chosen", job.id === chosen);
  jobs.set(job.id, { ...job, row });
  if (!known) {
    const younger = [...jobs.values()].filter((other) => other.createdAt > job.createdAt);
    const last = younger.sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1))[0];
    last ? last.row.after(row) : $("jobs").prepend(row);
  }
  $("none").hidden = true;
  counting ??= setTimeout(count, COUNT_AFTER_MS);
}

// Of all jobs, which may be more than are listed: many changes at once are counted once.
async function count() {
  counting = undefined;
  const { jobs: { countByState } } = await wire.ask(COUNTS);
  $("counts").replaceChildren(...countByState.filter(({ count: number }) => number).map(({ state, count: number }) => {
    const chip = badge(state);
    chip.append(` ${number}`);
    return chip;
  }));
}

const badge = (state) => make("span", { className: `state ${state}`, textContent: state.replaceAll("_", " ").toLowerCase() });

// -- one job -------------------------------------------------------------------------------------------------------

function choose(id) {
  forget();
  $("choose").hidden = true;
  jobs.get(chosen)?.row.classList.remove("chosen");
  chosen = id;
  jobs.get(id)?.row.classList.add("chosen");
  history.replaceState(null, "", `#${id}`);
  $("output").textContent = "";
  $("file").textContent = "";
  refresh();
  let offset = 0;
  forget = wire.follow(OUTPUT, () => ({ id, offset }), ({ jobOutput: chunk }) => {
    offset = chunk.nextOffset;
    write(chunk);
  });
}

function write(chunk) {
  const output = $("output");
  const atEnd = output.scrollHeight - output.scrollTop - output.clientHeight < 24;
  const text = output.textContent + chunk.text;
  output.textContent = text.length > SHOWN_BYTES ? `…${text.slice(-SHOWN_BYTES)}` : text;
  $("file").textContent = chunk.path;
  if (atEnd) output.scrollTop = output.scrollHeight;
  if (chunk.end) refresh();
}

async function refresh() {
  const id = chosen;
  const { job } = await wire.ask(JOB, { id }).catch((error) => (complain(error), {}));
  if (!job || id !== chosen) return;
  if ($("detail").hidden || $("detail").dataset.job !== id) {
    $("detail").hidden = false;
    $("detail").dataset.job = id;
    // On a narrow screen it lies below the list.
    if (matchMedia(NARROW).matches) $("detail").scrollIntoView({ behavior: "smooth" });
  }
  $("name").textContent = job.name;
  $("state").replaceWith(Object.assign(badge(job.state), { id: "state" }));
  $("reason").textContent = job.reason ?? "";
  $("script").textContent = job.script;
  $("actions").replaceChildren(...Object.entries(ACTIONS).filter(([, { when: fits }]) => fits(job)).map(
    ([name, { label }]) => make("button", { textContent: label, onclick: (event) => act(name, job, event.target) })));
  $("facts").replaceChildren(...Object.entries(facts(job)).flatMap(([term, value]) =>
    value == null || value === "" ? [] : [make("dt", { textContent: term }), make("dd", { textContent: value })]));
  $("files").tBodies[0].replaceChildren(...(job.files ?? []).map(fileRow));
}

async function act(name, job, button) {
  button.disabled = true;
  const query = `mutation ($id: ID!) { ${name}(input: { jobId: $id }) { job { ${ROW} } userErrors { message detail } } }`;
  try {
    const { job: result, userErrors: [error] } = (await wire.ask(query, { id: job.id }))[name];
    if (error) throw new Error([error.message, error.detail].filter(Boolean).join(" "));
    put(result);
    result.id === chosen ? refresh() : choose(result.id);
  } catch (error) {
    complain(error);
    button.disabled = false;
  }
}

function facts(job) {
  const { resources } = job;
  return {
    Job: job.id,
    Cluster: [job.cluster.name, resources.partition].filter(Boolean).join(" · "),
    "Slurm job": [job.slurmJobId, job.nativeState].filter(Boolean).join(" · "),
    "Exit code": job.exitCode,
    Image: job.image,
    Command: job.command ?? job.args?.join(" "),
    Size: `${resources.nodes} × ${resources.tasksPerNode} tasks × ${resources.cpusPerTask} CPUs`,
    GPUs: resources.gpusPerNode || null,
    Memory: resources.memoryPerNode && `${bytes(resources.memoryPerNode)} a node`,
    "Time limit": resources.timeLimitSeconds && span(resources.timeLimitSeconds),
    Ran: job.startedAt && span((new Date(job.endedAt ?? Date.now()) - new Date(job.startedAt)) / 1000),
    Confirmed: job.observedAt && when(job.observedAt),
    Folder: job.folder,
  };
}

function fileRow(file) {
  const href = file.downloadUrl ?? file.archiveUrl;
  const title = file.archiveUrl ? "The folder with all in it, as a tar file" : "";
  const textContent = file.archiveUrl ? `${file.path}/` : file.path;
  const name = href ? make("a", { href, title, textContent, rel: "noreferrer" }) : make("span", { textContent });
  const size = file.kind === "FILE" ? bytes(file.size) : file.kind.toLowerCase();
  return make("tr", {}, make("td", {}, name), make("td", { textContent: size }), make("td", { textContent: when(file.modifiedAt) }));
}

// -- words ---------------------------------------------------------------------------------------------------------

const when = (at) => new Date(at).toLocaleString();
const bytes = (size) => {
  const power = Math.min(4, Math.floor(Math.log2(Math.max(size, 1)) / 10));
  return `${(size / 1024 ** power).toFixed(power ? 1 : 0)} ${["B", "KiB", "MiB", "GiB", "TiB"][power]}`;
};
const span = (seconds) => {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [[Math.floor(whole / 3600), "h"], [Math.floor(whole / 60) % 60, "min"], [whole % 60, "s"]];
  return parts.filter(([number]) => number).map(([number, unit]) => `${number} ${unit}`).join(" ") || "0 s";
};
const ago = (at) => {
  const seconds = (Date.now() - new Date(at)) / 1000;
  if (seconds < 60) return "now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 86400 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} d`;
};

$("door").addEventListener("submit", (event) => {
  event.preventDefault();
  enter($("token").value.trim());
  $("token").value = "";
});
$("leave").onclick = () => location.reload(sessionStorage.removeItem(KEY));
$("more").onclick = () => load(page.endCursor).catch(complain);

const kept = sessionStorage.getItem(KEY);
if (kept) enter(kept);
else knock();
