"""Every code that the gateway can send has its exception, with the gateway's and Slurm's words in it."""

from pathlib import Path

import pytest
from graphql import GraphQLEnumType, build_schema

from gql_gateway.core.errors import Fault
from gql_gateway.sdk import errors

SCHEMA = Path(__file__).parents[2] / "schema.graphql"
FAULTS = [fault for fault in Fault.__subclasses__() if fault.__module__ == Fault.__module__]


def user_error(code: str, **more: object) -> dict[str, object]:
    return {"code": code, "message": f"It is {code}.", "field": None, "retryable": False, "detail": None, **more}


def codes() -> list[str]:
    kind = build_schema(SCHEMA.read_text()).get_type("ErrorCode")
    assert isinstance(kind, GraphQLEnumType)
    return sorted(kind.values)


@pytest.mark.parametrize("code", codes())
def test_each_user_error_has_its_class(code: str) -> None:
    error = errors.from_user_errors([user_error(code)])
    assert error.code == code
    assert type(error) is not errors.GatewayError


def test_an_unknown_code_counts_as_invalid_input() -> None:
    assert isinstance(errors.from_user_errors([user_error("FROM_THE_FUTURE")]), errors.InvalidInput)


def test_slurms_words_and_the_field_are_kept() -> None:
    said = user_error(
        "SUBMIT_REFUSED", field=["input", "resources", "partition"], detail="sbatch: error: invalid partition"
    )
    error = errors.from_user_errors([said])
    assert isinstance(error, errors.SubmitRefused)
    assert error.field == ("input", "resources", "partition")
    assert str(error) == "It is SUBMIT_REFUSED. sbatch: error: invalid partition"


def test_several_at_once_are_all_told() -> None:
    error = errors.from_user_errors([user_error("INVALID_INPUT"), user_error("IMAGE_NOT_ALLOWED")])
    assert [other.code for other in error.others] == ["IMAGE_NOT_ALLOWED"]
    assert str(error).splitlines() == ["It is INVALID_INPUT.", "It is IMAGE_NOT_ALLOWED."]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_each_fault_of_the_server_has_its_class(fault: type[Fault]) -> None:
    said = {"message": "No.", "extensions": {"code": fault.code, "requestId": "r1", "detail": "d"}}
    error = errors.from_graphql_errors([said])
    assert error.code == fault.code
    assert type(error) is not errors.GatewayError
    assert (error.request_id, error.detail) == ("r1", "d")


def test_an_error_without_extensions_is_still_one() -> None:
    error = errors.from_graphql_errors([{"message": "Internal error"}])
    assert (type(error), str(error)) == (errors.GatewayError, "Internal error")


def test_a_file_that_is_not_there_is_something_not_found() -> None:
    assert isinstance(errors.from_user_errors([user_error("FILE_NOT_FOUND")]), errors.NotFound)
