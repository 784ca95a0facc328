"""The tree of errors: what goes on the wire, and where a problem points."""

from gql_gateway.core.errors import (
    ClusterTimeout,
    ClusterUnavailable,
    CursorExpired,
    ErrorCode,
    Fault,
    Problem,
    SubmitRefused,
    refuse,
)


def test_only_the_clusters_silence_is_worth_a_retry() -> None:
    retryable = {code for code in ErrorCode if Problem(code, "x").retryable}
    assert retryable == {ErrorCode.CLUSTER_UNAVAILABLE, ErrorCode.CLUSTER_TIMEOUT}
    assert ClusterTimeout("late").problems[0].retryable
    assert ClusterUnavailable("away").problems[0].retryable


def test_a_refusal_points_where_it_was_told_unless_it_points_already() -> None:
    assert SubmitRefused("words").at("input", "jobId").problems[0].field == ("input", "jobId")
    assert refuse(ErrorCode.CONFLICT, "x", "input", "name").at("input").problems[0].field == ("input", "name")


def test_faults_carry_their_code_and_detail() -> None:
    assert Fault("x").extensions == {"code": "INTERNAL"}
    assert CursorExpired("x", detail="y").extensions == {"code": "CURSOR_EXPIRED", "detail": "y"}
