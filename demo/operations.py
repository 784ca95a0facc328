"""The GraphQL operations of the day, ready to be copied."""

from gql import gql

HEARTBEAT = gql("{ heartbeat { ok version clusters { name available message } } }")

CREATE_USER = gql("""
mutation { createUser { user { id email folder } userErrors { code message } } }
""")

CREATE_JOB = gql("""
mutation CreateJob($input: CreateJobInput!) {
  createJob(input: $input) { job { id name state folder scriptSha256 } userErrors { code message field detail } }
}
""")

UPLOAD = gql("""
mutation Upload($input: UploadInput!) {
  upload(input: $input) { file { path size } userErrors { code message detail } }
}
""")

LAUNCH = gql("""
mutation Launch($input: JobInput!) {
  launch(input: $input) { job { state slurmJobId reason } userErrors { code message detail } }
}
""")

STATES = gql("""
subscription States($jobId: ID!) {
  jobStateChanged(jobId: $jobId) { cursor previousState state at job { exitCode reason } }
}
""")

OUTPUT = gql("""
subscription Output($jobId: ID!) { jobOutput(jobId: $jobId) { text nextOffset end } }
""")

FILES = gql("""
query Files($id: ID!) { job(id: $id) { files { path kind size downloadUrl } } }
""")

CANCEL = gql("""
mutation Cancel($input: JobInput!) {
  cancel(input: $input) { job { state reason } userErrors { code message detail } }
}
""")

DELETE_FILE = gql("""
mutation DeleteFile($input: DeleteFileInput!) {
  deleteFile(input: $input) { deletedPath userErrors { code message } }
}
""")
