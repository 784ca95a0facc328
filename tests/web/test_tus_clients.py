"""The clients that people have, unmodified: tuspy, and tus-js-client in Node."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.client import Client

BIN = Path(sys.executable).parent
DATA = os.urandom(3_000_000)
SHA256 = hashlib.sha256(DATA).hexdigest()
# The first client stops in the middle, as if it was closed; the second knows nothing but the URL.
TUSPY = """
import sys
from tusclient import client
url, path = sys.argv[1:]
first = client.TusClient(url).uploader(path, url=url, chunk_size=1_000_000)
first.upload_chunk()
second = client.TusClient(url).uploader(path, url=url, chunk_size=1_000_000, upload_checksum=True)
print(second.offset)
second.upload()
"""
TUS_JS = """
import { Upload } from "tus-js-client";
import { readFileSync } from "node:fs";
const [url, path] = process.argv.slice(2);
const send = (stop) => new Promise((resolve, reject) => {
  const upload = new Upload(readFileSync(path), {
    uploadUrl: url, chunkSize: 1_000_000, retryDelays: [100, 500, 1000], onError: reject, onSuccess: () => resolve(),
    onChunkComplete: () => { if (stop) { upload.abort().then(resolve); } },
    onBeforeRequest: (request) => console.log(request.getMethod()),
  });
  upload.start();
});
await send(true);
await send(false);
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "data.bin"
    file.write_bytes(DATA)
    return file


@pytest.fixture
def job(alice: Client) -> Any:
    return alice.create_job(name="clients")


def begin(alice: Client, job: Any) -> str:
    wanted = {"jobId": job["id"], "path": "in/data.bin", "size": len(DATA), "sha256": SHA256}
    return str(alice.done("createUpload", "CreateUploadInput", "upload { url }", **wanted)["url"])


def arrived(alice: Client, job: Any) -> bool:
    return httpx.get(alice.files(job["id"], "in")["in/data.bin"]["downloadUrl"]).content == DATA


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", **environment}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_tuspy(alice: Client, job: Any, source: Path, tmp_path: Path) -> None:
    (tmp_path / "go.py").write_text(TUSPY)
    url = begin(alice, job)
    said = run(BIN / "uv", "run", "-q", "--no-project", "--with", "tuspy==1.1.0", "go.py", url, source, cwd=tmp_path)
    assert said == "1000000\n"
    assert arrived(alice, job)


def test_tus_js_client(alice: Client, job: Any, source: Path, tmp_path: Path) -> None:
    (tmp_path / "go.mjs").write_text(TUS_JS)
    run(
        "npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "tus-js-client@4.3.1", cwd=tmp_path
    )
    said = run("node", "go.mjs", begin(alice, job), source, cwd=tmp_path).split()
    assert said[:2] == ["HEAD", "PATCH"]
    assert said.count("HEAD") == 2, "the second asks how far the first got"
    assert said.count("PATCH") in {3, 4}
    assert arrived(alice, job)
