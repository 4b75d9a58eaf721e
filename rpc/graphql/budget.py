"""The budget of one query: time, fields, bytes."""

from collections.abc import Callable
from typing import Any

from graphql import GraphQLResolveInfo
from graphql.execution import MiddlewareManager

from zevm.chain.concurrency.deadline import Deadline
from zevm.rpc.errors import ResponseTooLargeError, RpcError, TimedOutError
from zevm.rpc.limits import Limits


class QueryStopped(BaseException):
    """The query has exhausted its budget; `error` is its answer.

    Not an Exception, since the executor turns an Exception of a field into null and continues with the next one.
    """

    def __init__(self, error: RpcError) -> None:
        super().__init__(error.message)
        self.error = error


class Budget:
    """Counts down while the fields of one query are resolved. deadline: None for none."""

    __slots__ = ("_bytes_left", "_fields_left", "_limits", "deadline")

    def __init__(self, limits: Limits, deadline: Deadline | None) -> None:
        self._limits = limits
        self._fields_left = limits.graphql_fields
        self._bytes_left = limits.response_bytes
        self.deadline = deadline

    def begin_field(self) -> None:
        """Count a field before it is resolved. Raises QueryStopped."""
        if self.deadline is not None and self.deadline.expired():
            raise QueryStopped(TimedOutError())
        self.take_items(1)

    def take_items(self, count: int) -> None:
        """Count fields or items of a list. Raises QueryStopped."""
        self.require_items(count)
        self._fields_left -= count

    def require_items(self, count: int) -> None:
        """Refuse a list that would be too long, before it is built. Raises QueryStopped."""
        if count > self._fields_left:
            raise QueryStopped(
                ResponseTooLargeError(
                    f"response too large: over {self._limits.graphql_fields} fields and list items; "
                    "ask for less, or raise --rpc-graphql-fields"
                )
            )

    def take_bytes(self, count: int) -> None:
        """Count bytes of the answer. Raises QueryStopped."""
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise QueryStopped(self.too_many_bytes())

    def too_many_bytes(self) -> ResponseTooLargeError:
        """The error for an answer over the limit."""
        return ResponseTooLargeError(
            f"response too large: over {self._limits.response_bytes} bytes; ask for less, or raise --rpc-response-bytes"
        )


def metered(budget: Budget) -> MiddlewareManager:
    """Counts every field that the executor resolves, including those of the schema itself."""

    def resolve(
        following: Callable[..., Any], source: object, info: GraphQLResolveInfo[Any], **arguments: object
    ) -> object:
        budget.begin_field()
        value = following(source, info, **arguments)
        if type(value) is str:
            budget.take_bytes(len(value))
        elif type(value) is list:
            budget.take_items(len(value))
        return value

    return MiddlewareManager(resolve)
