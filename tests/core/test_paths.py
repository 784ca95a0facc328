"""Paths that callers name: nothing leaves the job's folder, nothing names a protected file for writing."""

import posixpath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gql_gateway.core import paths
from gql_gateway.core.errors import ErrorCode, Refused

ROUGH = st.lists(st.sampled_from(["..", ".", "", "a", "run.sh", "slurm-1.out", "work", "\x00", "é", "x" * 256])).map(
    "/".join
)


@given(st.text() | ROUGH)
@example("./run.sh")
@example("a/../run.sh")
@example("/run.sh")
@example("run.sh/")
@example("work/../run.sh")
def test_a_path_that_is_let_through_stays_inside_work(text: str) -> None:
    try:
        parsed = paths.parse_writable(text)
    except Refused as refused:
        assert refused.code in {ErrorCode.PATH_NOT_ALLOWED, ErrorCode.FILE_PROTECTED}
        return
    where = posixpath.join("/root/user/job", *parsed.on_disk)
    assert posixpath.normpath(where) == where
    assert where.startswith("/root/user/job/work/")
    assert all(0 < len(part.encode()) <= 255 for part in parsed.parts)
    assert str(parsed) == text


@pytest.mark.parametrize("text", ["run.sh", "./run.sh", "a/../run.sh", "slurm-12.out", ".//slurm-0.out"])
def test_every_spelling_of_a_protected_file_is_told_as_such(text: str) -> None:
    with pytest.raises(Refused) as caught:
        paths.parse_writable(text)
    assert caught.value.code is ErrorCode.FILE_PROTECTED


@pytest.mark.parametrize(
    "text", ["", "../x", "/etc/x", "a//b", "a/", "a/./b", "x" * 300, "a\nb", "a\x7fb", "a\ud800b", "a/" * 70 + "b"]
)
def test_what_is_no_path_here_is_refused_with_the_rule(text: str) -> None:
    with pytest.raises(Refused) as caught:
        paths.parse(text)
    (problem,) = caught.value.problems
    assert problem.code is ErrorCode.PATH_NOT_ALLOWED
    assert problem.detail
    assert problem.message.isprintable()


def test_protected_files_can_be_read_and_stand_beside_work() -> None:
    assert paths.parse("run.sh").on_disk == ("run.sh",)
    assert paths.parse("slurm-7.out").on_disk == ("slurm-7.out",)
    assert paths.parse("sub/run.sh").on_disk == ("work", "sub", "run.sh")
    assert paths.parse_folder("").on_disk == ("work",)


@pytest.mark.parametrize(
    ("email", "folder"),
    [
        ("materials.marketplace@example.org", "materials_marketplace"),
        ("Anna-Lena.O'Neil+x2@example.org", "Anna_Lena_O_Neil_x_"),
        ("a@b@example.org", "a_b"),
        ("žofie@example.org", "_ofie"),
    ],
)
def test_a_users_folder(email: str, folder: str) -> None:
    assert paths.user_folder(email) == folder


@given(st.text(min_size=1), st.text(min_size=1))
def test_addresses_with_one_folder_name_get_two_with_the_hash(one: str, two: str) -> None:
    first, second = (
        f"{one}@example.org".encode(errors="replace").decode(),
        f"{two}@example.org".encode(errors="replace").decode(),
    )
    if first != second:
        assert paths.user_folder_with_hash(first) != paths.user_folder_with_hash(second)
