"""The agent's SHA-256 of a file that still grows."""

import hashlib
import os
import tempfile
from time import monotonic, sleep

from hypothesis import given
from hypothesis import strategies as st

from gql_gateway.cluster.agent.digest import Digest

SIZES = st.integers(0, 3 * 2**20)


@given(SIZES, st.lists(SIZES, max_size=4))
def test_it_is_that_of_the_whole_file(before: int, added: list[int]) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(bytes(before))
        file.flush()
        digest = Digest(file.fileno(), before)
        for number, size in enumerate(added):
            os.write(file.fileno(), bytes([number]) * size)
            digest.grown(size)
        file.seek(0)
        assert digest.hexdigest() == hashlib.sha256(file.read()).hexdigest()


def test_it_follows_what_is_written() -> None:
    with tempfile.TemporaryFile() as file:
        digest = Digest(file.fileno(), 0)
        os.write(file.fileno(), b"much")
        digest.grown(4)
        end = monotonic() + 10
        while digest.found.hexdigest() != hashlib.sha256(b"much").hexdigest():
            assert monotonic() < end
            sleep(0.001)
        assert digest.hexdigest() == hashlib.sha256(b"much").hexdigest()


def test_a_small_addition_does_not_read_what_was_there_before() -> None:
    with tempfile.TemporaryFile() as file:
        os.write(file.fileno(), bytes(100))
        digest = Digest(file.fileno(), 100)
        os.write(file.fileno(), bytes(99))
        digest.grown(99)
        digest.thread.join(0.05)
        assert digest.found.hexdigest() == hashlib.sha256().hexdigest()
        assert digest.hexdigest() == hashlib.sha256(bytes(199)).hexdigest()
