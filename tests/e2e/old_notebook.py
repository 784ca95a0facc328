"""The notebook of the old gateway's SDK, cell by cell, for a Python of its own: `old_notebook.py URL TOKEN IMAGE`.

Only the URL is another, the image is one that the site has, and where the notebook's reader waited, it waits.
"""

# ruff: noqa: ANN001, ANN201, PTH123, T201 - it is written as the notebook was

import json
import sys
import time
from pathlib import Path

import hpc_gateway_sdk
from marketplace.client import MarketPlaceClient

URL, TOKEN, IMAGE = sys.argv[1:]
hpc_gateway_sdk.STAGING_URL = URL
try:
    app = hpc_gateway_sdk.get_app(name="mc", access_token=TOKEN)
except TypeError:
    # marketplace-sdk turned the arguments of this class round in 0.3.3, and get_app of marketplace-hpc did not follow.
    client = MarketPlaceClient(URL, TOKEN)
    info = client.get(f"api/applications/{hpc_gateway_sdk.MC_HPC_APP_ID}").json()
    app = hpc_gateway_sdk.HpcGatewayApp(hpc_gateway_sdk.MC_HPC_APP_ID, info, client)


def until_final(jobid):
    """Look at the job as the notebook does, until it has ended."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        seen = app.check_job_state(jobid)
        if seen["state"] not in ("CREATED", "LAUNCHING", "QUEUED", "RUNNING"):
            return seen
        time.sleep(0.1)
    raise SystemExit(f"still {seen['state']}")


told = {"heartbeat": app.heartbeat().json(), "user": json.loads(app.create_user())}
told["jobid"] = jobid = app.create_job(
    new_transformation={
        "job_name": "demo00",
        "ntasks_per_node": 1,
        "partition": "debug",
        "image": IMAGE,
        "executable_cmd": "> output",
    }
)
told["launch"] = app.launch_job(jobid)
told["early"] = app.check_job_state(jobid)
told["final"] = until_final(jobid)
told["cancel"] = app.cancel_job(jobid)

Path("file_upload_test.txt").write_text("testing")
told["upload"] = app.upload_file(jobid, filename="file_upload_test.txt", source_path="./file_upload_test.txt").json()
told["unnamed"] = app.upload_file(jobid, filename="", source_path="./file_upload_test.txt").json()
told["with_upload"] = app.check_job_state(jobid)

resp = app.download_file(jobid, filename="output")
with open("output", "wb") as csr:
    for chunk in resp.iter_content(chunk_size=1024):
        if chunk:
            csr.write(chunk)
told["output"] = Path("output").read_text()

told["delete"] = app.delete_file(jobid, filename="file_upload_test.txt")
told["without_upload"] = app.check_job_state(jobid)

slow = app.create_job(
    new_transformation={"job_name": "slow", "image": "/opt/img/busybox.sif", "executable_cmd": "x; sleep 300"}
)
app.launch_job(slow)
told["slow_cancel"] = app.cancel_job(slow)
told["slow"] = until_final(slow)

told["refused"] = app._client.post(
    app._proxy_path("newTransformation"), json={"job_name": "a\nb", "image": IMAGE}
).json()
told["nothing"] = app.create_job(new_transformation={"job_name": "x", "image": IMAGE, "mail": "x"})
told["foreign"] = app.check_job_state("638f355e57bd4aa2a97b98d0")
print(json.dumps(told))
