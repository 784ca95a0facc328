"""What the machine's apt sources say about its Debian mirror."""

import pytest

from slurm_site.host import debian_archive


@pytest.mark.parametrize(
    ("sources", "archive"),
    [
        ("deb http://mirror.example/debian bookworm main\n", "http://mirror.example/debian"),
        (
            "deb [arch=amd64 signed-by=/k.gpg] https://mirror.example/debian/ trixie main",
            "https://mirror.example/debian",
        ),
        (
            "# deb http://off.example/debian x main\nTypes: deb\nURIs: http://on.example/debian\n",
            "http://on.example/debian",
        ),
        ("Types: deb\nURIs: http://a.example/debian-security http://b.example/debian\n", "http://b.example/debian"),
        ("deb-src http://mirror.example/debian bookworm main\n", None),
        ("deb http://mirror.example/ubuntu noble main\n", None),
        ("", None),
    ],
)
def test_finds_the_archive_of_the_distribution(sources: str, archive: str | None) -> None:
    assert debian_archive(sources) == archive
