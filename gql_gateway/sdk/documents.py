"""Every GraphQL operation that the client sends."""

_JOB = """
fragment JobFields on Job {
  id name cluster { name } folder image command args
  resources { partition nodes tasksPerNode cpusPerTask memoryPerNode gpusPerNode timeLimitSeconds }
  state isFinal slurmJobId nativeState reason exitCode signal
  createdAt launchedAt expectedStartAt startedAt endedAt observedAt
  labels { key value } usage { elapsedSeconds cpuSeconds peakMemory nodes }
}"""
_FILE = """
fragment FileFields on JobFile { path name kind size modifiedAt downloadUrl }"""
_ERRORS = """
fragment Errors on UserError { code message field retryable detail }"""
_EVENT = """
fragment EventFields on JobEvent { cursor previousState state reason at job { ...JobFields } }"""
_USER = """
fragment UserFields on User { id email name folder createdAt }"""

HEARTBEAT = "query Heartbeat { heartbeat { ok version time clusters { name available message } } }"
ME = "query Me { me { ...UserFields } }" + _USER
CLUSTERS = """query Clusters { clusters {
  name available message slurmVersion checkedAt
  partitions { name isDefault state timeLimitSeconds nodes idleNodes cpus idleCpus }
} }"""
JOB = "query Job($id: ID!) { job(id: $id) { ...JobFields } }" + _JOB
JOBS = (
    """query Jobs($first: Int, $after: String, $filter: JobFilter) {
  jobs(first: $first, after: $after, filter: $filter) {
    nodes { ...JobFields } pageInfo { hasNextPage endCursor }
  }
}"""
    + _JOB
)
STATUS = 'query Status($id: ID!) { job(id: $id) { ...JobFields files(path: "") { ...FileFields } } }' + _JOB + _FILE
SCRIPT = "query Script($id: ID!) { job(id: $id) { script } }"
FILES = "query Files($id: ID!, $path: String!) { job(id: $id) { files(path: $path) { ...FileFields } } }" + _FILE
FILE = "query File($id: ID!, $path: String!) { job(id: $id) { file(path: $path) { ...FileFields } } }" + _FILE
ARCHIVE = "query Archive($id: ID!) { job(id: $id) { archiveUrl } }"
FOLDER_ARCHIVE = (
    "query FolderArchive($id: ID!, $path: String!) { job(id: $id) { file(path: $path) { kind archiveUrl } } }"
)
EVENTS = (
    """query Events($id: ID!, $first: Int, $after: String) { job(id: $id) {
  isFinal events(first: $first, after: $after) { nodes { ...EventFields } pageInfo { hasNextPage endCursor } }
} }"""
    + _EVENT
    + _JOB
)

CREATE_USER = "mutation CreateUser { createUser { user { ...UserFields } userErrors { ...Errors } } }" + _USER + _ERRORS


def _job_mutation(name: str, kind: str) -> str:
    operation = name[0].upper() + name[1:]
    selection = f"{name}(input: $input) {{ job {{ ...JobFields }} userErrors {{ ...Errors }} }}"
    return f"mutation {operation}($input: {kind}!) {{ {selection} }}{_JOB}{_ERRORS}"


CREATE_JOB = _job_mutation("createJob", "CreateJobInput")
LAUNCH = _job_mutation("launch", "JobInput")
FORECAST = (
    """mutation Forecast($input: JobInput!) {
  launch(input: $input, dryRun: true) {
    job { ...JobFields } forecast { expectedStartAt partition nodes words } userErrors { ...Errors }
  }
}"""
    + _JOB
    + _ERRORS
)
CANCEL = _job_mutation("cancel", "JobInput")
CLONE_JOB = _job_mutation("cloneJob", "JobInput")
DELETE_JOB = (
    "mutation DeleteJob($input: JobInput!) { deleteJob(input: $input) { deletedJobId userErrors { ...Errors } } }"
    + _ERRORS
)
DELETE_FILE = (
    """mutation DeleteFile($input: DeleteFileInput!) {
  deleteFile(input: $input) { deletedPath userErrors { ...Errors } }
}"""
    + _ERRORS
)
UPLOAD = (
    """mutation Upload($input: UploadInput!) {
  upload(input: $input) { file { ...FileFields } userErrors { ...Errors } }
}"""
    + _FILE
    + _ERRORS
)
CREATE_UPLOAD = (
    """mutation CreateUpload($input: CreateUploadInput!) {
  createUpload(input: $input) { upload { url } userErrors { ...Errors } }
}"""
    + _ERRORS
)

STATE_CHANGED = (
    """subscription StateChanged($jobId: ID, $after: String) {
  jobStateChanged(jobId: $jobId, after: $after) { ...EventFields }
}"""
    + _EVENT
    + _JOB
)
OUTPUT = """subscription Output($jobId: ID!, $path: String, $offset: ByteCount) {
  jobOutput(jobId: $jobId, path: $path, offset: $offset) { path offset nextOffset text end }
}"""
