"""A calculation from a script: inputs up, states and output as they happen, results down.

pip install gql-gateway
hpc login https://hpc.example.org        # once; or set GQL_GATEWAY_URL and GQL_GATEWAY_TOKEN
python run_a_job.py /opt/img/busybox.sif
"""

import sys
import tempfile
from pathlib import Path

from gql_gateway.sdk import HpcGateway, SubmitRefused

COMMAND = """
for i in $(seq 1 5); do
  echo step $i of 5
  sleep 1
done
wc -w input.txt > words.txt
"""


def main(image: str) -> int:
    """Run one job and return its exit code."""
    work = Path(tempfile.mkdtemp(prefix="job-"))
    (work / "input.txt").write_text("how many words are these\n")
    with HpcGateway() as gateway:
        gateway.create_user()
        job = gateway.new_job("count words", image, COMMAND, memory_per_node="100M", time_limit="5m")
        job.upload(work / "input.txt")
        try:
            job.launch()
        except SubmitRefused as refused:
            print("Slurm says:", refused.detail)
            return 1
        print(job.id)
        for text in job.output():  # pushed as the job writes it; goes on after a lost connection
            print(text, end="", flush=True)
        info = job.wait()
        print(info.message)
        result = job.download("words.txt", work / "words.txt")
        print(result.local_path, "holds:", result.local_path.read_text().strip())
    return info.exit_code or 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
