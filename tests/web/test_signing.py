"""Signed URLs: good for one thing, and for nothing else."""

import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer

from gql_gateway.core.errors import Forbidden
from gql_gateway.core.identity import Identity, Role
from gql_gateway.web.signing import Access, Signer, kept_key

OLD, NEW = "o" * 32, "n" * 32
ALICE = Identity("alice@example.org", "Alice", Role.ADMIN)
BASE = "https://hpc.example.org/gateway"


def signed(url: str) -> str:
    return url.removeprefix(f"{BASE}/files/")


def test_the_url_carries_the_whole_permission() -> None:
    signer = Signer([NEW], BASE, 60)
    permission = signer.check(signed(signer.download_url("ab" * 16, "results/ä b.txt", ALICE)), Access.READ)
    assert (permission.job_id, permission.path) == ("ab" * 16, "results/ä b.txt")
    assert (permission.identity.email, permission.identity.is_admin) == (ALICE.email, True)
    assert 59 <= permission.expires - time.time() <= 60


@pytest.mark.parametrize("path", ["x", "x" * 300])
def test_what_itsdangerous_made_by_itself_is_read_too(path: str) -> None:
    """Links of a gateway of the version before work on: its longer ones were compressed."""
    made = URLSafeSerializer([NEW], salt="gql-gateway files 1").dumps(["r", "j", path, "e", "user", 2**40])
    assert made.startswith(".") is (len(path) > 100)
    assert Signer([NEW], BASE, 60).check(made, Access.READ).path == path


@pytest.mark.parametrize(("made", "asked"), [(Access.READ, Access.WRITE), (Access.WRITE, Access.READ)])
def test_it_is_good_for_its_method_only(made: Access, asked: Access) -> None:
    signer = Signer([NEW], BASE, 60)
    url = (signer.download_url if made is Access.READ else signer.upload_url)("j", "p", ALICE)
    with pytest.raises(Forbidden, match="another method"):
        signer.check(signed(url), asked)


def test_it_ends() -> None:
    signer = Signer([NEW], BASE, 0)
    with pytest.raises(Forbidden, match="expired"):
        signer.check(signed(signer.download_url("j", "p", ALICE)), Access.READ)


def test_keys_are_rotated() -> None:
    before, between, after = (Signer(keys, BASE, 60) for keys in ([OLD], [NEW, OLD], [NEW]))
    old_url = signed(before.download_url("j", "p", ALICE))
    assert between.check(old_url, Access.READ)
    assert after.check(signed(between.download_url("j", "p", ALICE)), Access.READ)
    with pytest.raises(Forbidden):
        after.check(old_url, Access.READ)


@given(st.data())
def test_a_changed_url_is_refused(data: st.DataObject) -> None:
    signer = Signer([NEW], BASE, 60)
    url = signed(signer.download_url("j", "results/p", ALICE))
    place = data.draw(st.integers(0, len(url) - 2))  # the last character holds bits that base64 leaves unused
    other = data.draw(st.characters(codec="utf-8").filter(lambda char: char != url[place]))
    with pytest.raises(Forbidden, match="not signed"):
        signer.check(url[:place] + other + url[place + 1 :], Access.READ)


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(Forbidden, match="not signed"):
        Signer([NEW], BASE, 60).check(text, Access.READ)


def test_the_kept_key_is_one_and_private(tmp_path: Path) -> None:
    file = tmp_path / "gateway.db.key"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: kept_key(file), range(32)))
    assert len(keys) == 1
    assert len(keys.pop()) >= 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]
