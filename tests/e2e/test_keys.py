"""The keys of signed URLs are changed on a gateway that is in use: nobody's URL breaks, an old key ends for good."""

from http import HTTPStatus
from pathlib import Path

import httpx

from demo.gateway import GatewayProcess
from slurm_site import SlurmSite
from tests.client import Client

OLD, NEW = "old-" * 8, "new-" * 8


def test_a_key_is_rotated(site: SlurmSite, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(OLD)
    gateway = GatewayProcess(site, tmp_path, server=f'secret_file = "{keys}"')
    with gateway, Client.of(gateway, "rotating@example.org") as rita:
        rita.create_user()
        job = rita.create_job()
        rita.upload(job["id"], "data", b"kept")

        def url() -> str:
            return str(rita.files(job["id"])["data"]["downloadUrl"])

        def restarted(text: str) -> None:
            gateway.stop()
            keys.write_text(text)
            gateway.start()

        first = url()
        assert httpx.get(first).content == b"kept"
        restarted(f"{NEW}\n{OLD}\n")
        second = url()
        assert [httpx.get(one).content for one in (first, second)] == [b"kept"] * 2
        restarted(NEW)
        assert httpx.get(second).content == b"kept", "signed by the new key while both were there"
        assert httpx.get(first).status_code == HTTPStatus.FORBIDDEN
