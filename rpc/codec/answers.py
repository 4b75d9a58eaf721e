"""Answers as JSON-RPC has them, and the jobs that work for a call and encode its answer on their own thread."""

import json
from collections.abc import Callable
from typing import Any, Protocol

import orjson

from zevm.chain.concurrency.deadline import Deadline, NotBriefError
from zevm.chain.concurrency.steps import Steps
from zevm.chain.tracing.encoded import Encoded, enclosed, is_small, size_of, take_text, use_up
from zevm.chain.view import ChainView
from zevm.rpc.codec.later import Later
from zevm.rpc.codec.parsing import BatchTooLargeError, RawNumber
from zevm.rpc.errors import RpcError

BRIEF_ANSWER_BYTES = 64 * 1024
"""Most bytes of an answer in parts that the event loop joins."""


class OfChain(Protocol):
    """The services of a method (rpc.services.Services), as far as its execution needs them here."""

    @property
    def chain(self) -> ChainView:
        """The chain that it reads."""
        ...


def _encode_raw_number(value: Any) -> orjson.Fragment:
    if type(value) is RawNumber:
        return orjson.Fragment(value.digits)
    raise TypeError(f"{type(value).__name__} is not JSON")


def success(identifier: Any, result: Any) -> bytes:
    """The answer that carries a result. Raises TypeError, ValueError for a result that is not JSON."""
    if type(result) is Encoded:
        encoded_identifier = orjson.dumps(identifier, default=_encode_raw_number)
        head = b'{"jsonrpc":"2.0","id":%b,"result":' % encoded_identifier
        return take_text(enclosed(head, (result.parts,), b"}"))
    try:
        return orjson.dumps({"jsonrpc": "2.0", "id": identifier, "result": result}, default=_encode_raw_number)
    except TypeError:
        # an integer beyond 64 bits, which orjson does not write
        encoded = json.dumps(result, allow_nan=False, separators=(",", ":"))
    return success(identifier, orjson.Fragment(encoded))


def execute_and_encode(
    identifier: Any, function: Callable[..., Any], services: OfChain, *arguments: Any, deadline: Deadline
) -> bytes:
    """Execute a call on a worker, and encode its answer there, since it may be large."""
    result = services.chain.on_one_ground(function, services, *arguments, deadline=deadline)
    return success_in_slices(identifier, result)


def brief_success(identifier: Any, result: Any, deadline: Deadline) -> bytes:
    """The answer that carries a result, encoded on the event loop. Raises NotBriefError for a large one."""
    if type(result) is Encoded:
        deadline.bound(size_of(result.parts), BRIEF_ANSWER_BYTES)
    elif not is_small(result):
        raise NotBriefError
    return success(identifier, result)


def write_briefly(identifier: Any, function: Callable[..., Any], *arguments: Any, deadline: Deadline) -> bytes:
    """Execute a call with the writer's role; the result is small. Raises NotBriefError, with nothing done."""
    return success(identifier, function(*arguments, deadline=deadline))


def success_in_slices(identifier: Any, result: Any) -> bytes:
    """The answer that carries a result of any size, encoded in slices, so that other threads can run in between."""
    if type(result) is not Encoded and not is_small(result):
        result = Encoded(use_up(result))
    return success(identifier, result)


def answer_in_slices(identifier: Any, result: Later | Encoded) -> bytes:
    """Make a large answer; not on the event loop."""
    if type(result) is Later:
        return success_in_slices(identifier, result.function(*result.arguments))
    return success(identifier, result)


def write(identifier: Any, function: Callable[..., Any], *arguments: Any) -> bytes:
    """Execute a call on the writer."""
    return success_in_slices(identifier, function(*arguments))


def write_in_steps(identifier: Any, function: Callable[..., Steps[Any]], *arguments: Any) -> Steps[bytes]:
    """Execute long work on the writer, in steps."""
    result = yield from function(*arguments)
    return success_in_slices(identifier, result)


def failure(identifier: Any, error: RpcError) -> bytes:
    """The answer that carries an error."""
    return orjson.dumps({"jsonrpc": "2.0", "id": identifier, "error": error.to_json()}, default=_encode_raw_number)


def refusal(error: RpcError) -> bytes:
    """The whole answer to a body that is refused before its calls are decoded."""
    if isinstance(error, BatchTooLargeError):
        return b"[" + failure(error.identifier, error) + b"]"
    return failure(None, error)
