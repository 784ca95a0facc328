"""Which licences the project takes, and that every locked package has one of them."""

import pytest

from scripts.supply_chain import allowed, locked, not_allowed


@pytest.mark.parametrize(
    ("expression", "held"),
    [
        ("MIT", True),
        ("MIT License", True),
        ("Apache-2.0 OR GPL-3.0-only", True),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("GPL-3.0-only AND (Apache-2.0 OR MIT)", False),
        ("GPL-3.0-only", False),
        ("MIT AND GPL-3.0-only", False),
        ("Mozilla Public License 2.0 (MPL 2.0)", True),
        ("", False),
    ],
)
def test_a_licence_is_allowed_where_one_may_choose_it(expression: str, held: bool) -> None:
    assert allowed(expression) is held


def test_every_locked_package_has_one() -> None:
    assert len(locked()) > 50
    assert not_allowed(list(locked())) == []
