"""Documents made ready: parsed, weighed and validated once for each text, and remembered.

Strawberry's own caches are not used (0.341.2): `ParserCache` raises a syntax error where streams lose it, and its
limiters make new validation rules for each request, which no cache can know again.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    get_operation_ast,
    parse,
    specified_rules,
    validate,
)
from graphql.validation import ASTValidationRule, recommended_rules
from strawberry.extensions import SchemaExtension
from strawberry.types import ExecutionContext

from gql_gateway.api import doors
from gql_gateway.api.limits import QueryLimits, Scale
from gql_gateway.api.repeats import excess
from gql_gateway.api.selections import REMEMBERED, REMEMBERED_LENGTH
from gql_gateway.core.errors import Unauthenticated
from gql_gateway.core.identity import Identity


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document and what is wrong with it; `weigh_again` where its weight depends on the variables."""

    document: DocumentNode
    errors: tuple[GraphQLError, ...]
    weigh_again: bool


class Documents:
    """The documents of one schema."""

    def __init__(self, schema: GraphQLSchema, limits: QueryLimits, *, introspection: bool) -> None:
        self._schema = schema
        self.limits = limits
        closed: tuple[type[ASTValidationRule], ...] = () if introspection else (NoSchemaIntrospectionCustomRule,)
        self._rules = (*specified_rules, *recommended_rules, *closed)
        self._remembered: Callable[[str], Prepared] = lru_cache(REMEMBERED)(self._prepare)

    def prepare(self, text: str) -> Prepared:
        """A document, ready to be run.

        Raises:
            GraphQLError: a syntax error, or more tokens than the limit.
        """
        return self._remembered(text) if len(text) <= REMEMBERED_LENGTH else self._prepare(text)

    def is_subscription(self, text: str, operation_name: str | None) -> bool:
        """Whether a text asks for a subscription; one that cannot be read does not."""
        try:
            operation = get_operation_ast(self.prepare(text).document, operation_name)
        except GraphQLError:
            return False
        return operation is not None and operation.operation is OperationType.SUBSCRIPTION

    def admit(self, text: str, operation_name: str | None, identity: Identity | None) -> None:
        """Let a caller in who may run an operation, or whose text cannot be read, which is told later.

        Raises:
            Unauthenticated: it needs a caller, and there is none.
        """
        with suppress(GraphQLError):
            doors.admit(self.prepare(text).document, operation_name, identity)

    def refusals(self, prepared: Prepared, context: ExecutionContext) -> list[GraphQLError]:
        """Why an operation is not run: nobody said which one, it is not open to this caller, or it is not valid."""
        if _says_nothing_of_which(context, prepared.document):
            return [GraphQLError("The document has several operations: say which one to run by `operationName`.")]
        try:
            doors.admit(prepared.document, context.operation_name, context.context.identity)
        except Unauthenticated as error:
            return [GraphQLError(str(error), original_error=error)]
        return self.errors(prepared, context.variables)

    def errors(self, prepared: Prepared, variables: Mapping[str, Any] | None) -> list[GraphQLError]:
        """What is wrong with a document when it is run with these variables."""
        if prepared.errors or not prepared.weigh_again:
            return list(prepared.errors)
        return Scale(prepared.document, variables or {}).weigh().excess(self.limits)

    def _prepare(self, text: str) -> Prepared:
        document = parse(text, max_tokens=self.limits.tokens)
        scale = Scale(document)
        errors = scale.weigh().excess(self.limits) or excess(document, self.limits.repeats) or self._validate(document)
        return Prepared(document, tuple(errors), scale.uses_variables)

    def _validate(self, document: DocumentNode) -> list[GraphQLError]:
        errors = [_in_words(error) for error in validate(self._schema, document, self._rules)]
        for error in errors:
            error.extensions = {"code": "GRAPHQL_VALIDATION_FAILED"}
        return errors


def _in_words(error: GraphQLError) -> GraphQLError:
    """An error of validation as it is, but for numbers that int() does not read: it has its own way to say so."""
    if isinstance(error.original_error, ValueError):  # more than 4,300 digits
        return GraphQLError("This number has too many digits.", error.nodes)
    return error


class Preparing(SchemaExtension):
    """Has the document of an operation that is streamed prepared, and looks at who asks before anything is told."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._prepared: Prepared | None = None

    def on_parse(self) -> Iterator[None]:
        """Hand over the parsed document.

        A syntax error is left to Strawberry, which parses again and reports it on every transport: an error raised
        here would break a stream off without a word (0.341.2).
        """
        context = self.execution_context
        context.context.entries = 0
        context.parse_options["max_tokens"] = self._documents.limits.tokens
        try:
            self._prepared = self._documents.prepare(context.query or "")
        except GraphQLError:
            pass
        else:
            context.graphql_document = self._prepared.document
        yield

    def on_validate(self) -> Iterator[None]:
        """Refuse what is not open to this caller, then what is not valid."""
        if self._prepared:
            self.execution_context.pre_execution_errors = self._documents.refusals(
                self._prepared, self.execution_context
            )
        yield


def _says_nothing_of_which(context: ExecutionContext, document: DocumentNode) -> bool:
    """Whether one of several operations is to be run, and nobody said which: Strawberry would take the first."""
    given = context._provided_operation_name  # noqa: SLF001 - the public `operation_name` falls back to the first one
    nodes = document.definitions
    return given is None and sum(isinstance(node, OperationDefinitionNode) for node in nodes) > 1
