"""Requests and answers of GraphQL over HTTP: JSON in a body, or parameters of the URL."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson

from zevm.rpc.codec.parsing import check_shape
from zevm.rpc.codec.scalars import kind_of
from zevm.rpc.errors import InvalidRequestError, ParseError, RpcError
from zevm.rpc.limits import Limits


@dataclass(frozen=True, slots=True)
class Request:
    """A query text, the values of its variables, and the selected operation."""

    query: str
    variables: dict[str, Any]
    operation_name: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """An encoded answer, the first of its errors, and the HTTP status: 400 with any error, as in geth."""

    body: bytes
    error: RpcError | None = None
    status: int = 200


def failed(error: RpcError, status: int = 400) -> Answer:
    """The answer with an error and no data."""
    extensions = error.to_json()
    message = extensions.pop("message")
    return Answer(orjson.dumps({"errors": [{"message": message, "extensions": extensions}]}), error, status)


def from_large_body(body: bytes, limits: Limits) -> Request:
    """The request of a large POST, counted first. Raises ParseError, InvalidRequestError."""
    check_shape(body, limits)
    return from_body(body)


def from_body(body: bytes) -> Request:
    """The request of a POST. Raises ParseError, InvalidRequestError."""
    return _request(_json(body, "the body"))


def from_address(query_string: bytes) -> Request:
    """The request of a GET: query, variables (JSON), operationName. Raises ParseError, InvalidRequestError."""
    parameters: dict[str, Any] = dict(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True))
    if parameters.get("variables"):
        parameters["variables"] = _json(parameters["variables"].encode(), "variables")
    else:
        parameters.pop("variables", None)
    if not parameters.get("operationName"):
        parameters.pop("operationName", None)
    return _request(parameters)


def _json(text: bytes, what: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ParseError(f"{what} is not JSON: {error}") from error


def _request(message: object) -> Request:
    if not isinstance(message, dict):
        raise InvalidRequestError(f"expected an object with a query, got {kind_of(message)}")
    query, variables, name = message.get("query"), message.get("variables"), message.get("operationName")
    if not isinstance(query, str) or not query:
        raise InvalidRequestError("missing query: give the text of one as `query`")
    if variables is not None and not isinstance(variables, dict):
        raise InvalidRequestError(f"variables: expected an object, got {kind_of(variables)}")
    if name is not None and not isinstance(name, str):
        raise InvalidRequestError(f"operationName: expected a string, got {kind_of(name)}")
    return Request(query, variables or {}, name)
