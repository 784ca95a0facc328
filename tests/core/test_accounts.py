"""Keys of accounts, and which account an address spells: never another person's."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql_gateway.core.accounts import NAME, account_of, cluster_of, key_of, read_table, spelled
from gql_gateway.core.paths import user_folder

ADDRESSES = st.from_regex(r"[^@\s\x00-\x1f]{1,64}@[A-Za-z0-9.-]{1,50}", fullmatch=True)


def test_a_key_is_taken_apart_as_it_was_made() -> None:
    key = key_of("local", "alice")
    assert (key, cluster_of(key), account_of(key)) == ("local@alice", "local", "alice")
    assert (cluster_of("local"), account_of("local")) == ("local", None)


@pytest.mark.parametrize(
    ("template", "email", "name"),
    [
        ("{local}", "alice@a.b", "alice"),
        ("{local}", "ab1234@a.b", "ab1234"),
        ("{local}", "a.b-c_d@a.b", "a.b-c_d"),
        ("hpc-{local}", "1@a.b", "hpc-1"),
        ("{folder}", "alice@a.b", "alice"),
        ("{folder}", "bob1@a.b", None),
        ("{folder}", "a.b@a.b", None),
        ("{local}", "Alice@a.b", None),
        ("{local}", "-rf@a.b", None),
        ("{local}", "..@a.b", None),
        ("{local}", "a/b@a.b", None),
        ("{local}", "älice@a.b", None),
        ("{local}", "alice\u2024b@a.b", None),
        ("{local}", f"{'a' * 33}@a.b", None),
        ("{local}", "{folder}@a.b", None),
        ("x{local}", "{local}@a.b", None),
    ],
)
def test_what_an_address_spells(template: str, email: str, name: str | None) -> None:
    assert spelled(template, email, user_folder(email)) == name


def test_who_comes_second_spells_no_folder() -> None:
    assert spelled("{folder}", "alice@a.b", "alice_1234abcd") is None


@given(ADDRESSES, ADDRESSES, st.sampled_from(["{local}", "{folder}", "hpc_{local}"]))
def test_two_addresses_of_a_domain_never_spell_one_account(one: str, other: str, template: str) -> None:
    names = [spelled(template, email, user_folder(email)) for email in (one, other)]
    if names[0] and names[0] == names[1]:
        assert one.rpartition("@")[0] == other.rpartition("@")[0]


@given(ADDRESSES)
def test_a_name_is_one_word_of_a_path_and_no_option(email: str) -> None:
    name = spelled("{local}", email, user_folder(email))
    assert name is None or (NAME.fullmatch(name) and not re.search(r"[/@:\s{}]", name) and name[0] not in ".-")


def test_a_table() -> None:
    text = "# who is who\nAda.L@Example.ORG alice # a comment\n\n\tbob@example.org\tbob\n"
    assert read_table(text) == {"Ada.L@example.org": "alice", "bob@example.org": "bob"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a@b.c\n", "line 1 is not"),
        ("a@b.c x y\n", "line 1 is not"),
        ("# x\nnobody x\n", "line 2 is not"),
        ("a@b.c ../x\n", "line 1 is not"),
        ("a@b.c x\na@B.C y\n", "line 2 names a@b.c once more"),
    ],
)
def test_a_table_with_a_fault_says_where(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        read_table(text)
