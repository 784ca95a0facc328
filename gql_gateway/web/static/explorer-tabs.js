// A scientist's day as ready operations, one tab for each step. `job_…` stands for the job that was created last.
"use strict";

const LAST_JOB = "job_…";
const A_JOB = { job: LAST_JOB };

const TABS = [
  {
    query: `# Welcome. Paste a token at the top: it goes with every
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
`,
  },
  {
    query: `# Once: become a user. Then a job, in a folder of its own.
# In the tabs behind this one, "job_…" stands for the job
# that you created last.

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
`,
    variables: {
      input: {
        name: "hello",
        image: "docker://alpine:3.22",
        command: "for i in 1 2 3 4 5; do echo step $i; sleep 1; done; date > result.txt",
        resources: { nodes: 1, tasksPerNode: 1, timeLimitSeconds: 600 },
        labels: [{ key: "project", value: "first-steps" }],
      },
    },
  },
  {
    query: `# A file comes as a part of a multipart request, which this
# page cannot send. In a terminal:
#
#   curl ${new URL("graphql", document.baseURI)} \\
#     -H "Authorization: Bearer $TOKEN" \\
#     -F operations='{"query": "mutation($file: Upload!) {
#          upload(input: {jobId: \\"job_…\\", file: $file})
#          { file { path size } userErrors { message } } }",
#          "variables": {"file": null}}' \\
#     -F map='{"0": ["variables.file"]}' -F 0=@input.txt

query Inputs($job: ID!) {
  job(id: $job) {
    name
    files { path kind size isProtected }
  }
}
`,
    variables: A_JOB,
  },
  {
    query: `# First ask when it would start, then launch it. Launching
# again does no harm.

mutation TryLaunch($job: ID!) {
  launch(input: { jobId: $job }, dryRun: true) {
    forecast { expectedStartAt partition nodes words }
    userErrors { code message detail }
  }
}

mutation Launch($job: ID!) {
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
`,
    variables: A_JOB,
  },
  {
    query: `# All my jobs, as they change. With \`after: "<cursor>"\`
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
`,
  },
  {
    query: `# What a job writes, as it writes it. With \`offset\` it
# continues behind what was received.

subscription Output($job: ID!) {
  jobOutput(jobId: $job) { path offset nextOffset text end }
}

query EndOfOutput($job: ID!) {
  job(id: $job) {
    output(limit: 2000) { offset nextOffset text end }
  }
}
`,
    variables: A_JOB,
  },
  {
    query: `# How it went, and what there is to take home: each
# downloadUrl works for a while, in any browser.

query Results($job: ID!) {
  job(id: $job) {
    name
    state
    exitCode
    usage { elapsedSeconds cpuSeconds peakMemory nodes }
    resources { memoryPerNode timeLimitSeconds }
    files { path kind size modifiedAt downloadUrl }
    events { nodes { at previousState state reason } }
  }
}

mutation DeleteFile($job: ID!) {
  deleteFile(input: { jobId: $job, path: "result.txt" }) {
    deletedPath
    userErrors { code message }
  }
}

mutation RunAgain($job: ID!) {
  cloneJob(input: { jobId: $job }) {
    job { id state }
    userErrors { code message }
  }
}
`,
    variables: A_JOB,
  },
  {
    query: `# Find jobs again. Pages stay right while jobs are added:
# pass \`endCursor\` as \`after\`.

query FindJobs($filter: JobFilter, $orderBy: JobOrder, $after: String) {
  jobs(first: 20, filter: $filter, orderBy: $orderBy, after: $after) {
    totalCount
    countByState { state count }
    pageInfo { hasNextPage endCursor }
    nodes { id name state endedAt labels { key value } }
  }
}
`,
    variables: {
      filter: { labels: [{ key: "project", value: "first-steps" }] },
      orderBy: { field: "CREATED_AT", direction: "DESC" },
    },
  },
];
