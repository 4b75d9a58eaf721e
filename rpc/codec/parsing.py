"""Parsing of a body's bytes into a JSON value, within the limits of size, number and depth.

A body's values, not its bytes, cost memory and time: five megabytes of `[],` are two million lists. The parser
therefore counts values in the bytes, slice by slice, before it creates any object.
"""

import gc
import json
from collections.abc import Iterator
from typing import Any

import orjson

from zevm.chain.concurrency.recursion import deep_recursion
from zevm.rpc.errors import InvalidRequestError, ParseError
from zevm.rpc.limits import Limits

LOOP_BODY_BYTES = 65_536
"""A larger body is counted, parsed and decoded off the event loop."""

SCAN_SLICE_BYTES = 65_536
"""Bytes checked in one step, so that other threads can run in between."""

ANSWER_LEVELS = 4_096
"""Levels of an answer: two for each of 1,024 nested calls, with a reserve."""
ORJSON_LEVELS = 1_024
"""Levels that orjson reads. What it refuses for another reason is no JSON, and stays refused."""

_STRUCTURE = b"[]{},:"
_OTHERS = bytes(set(range(256)) - set(_STRUCTURE))
_OPENING = frozenset(b"[{")
_CLOSING = frozenset(b"]}")
_COMMA = ord(",")


class BatchTooLargeError(InvalidRequestError):
    """A batch with too many calls; `identifier` is the first call's id, for the answer."""

    def __init__(self, identifier: Any) -> None:
        super().__init__("batch too large")
        self.identifier = identifier


class RawNumber(float):
    """A JSON number outside of 64 bits, with its digits, so that an id returns unchanged."""

    __slots__ = ("digits",)
    digits: str

    def __new__(cls, digits: str) -> "RawNumber":
        """Keep the digits; the float value may be infinite."""
        instance = super().__new__(cls, digits)
        instance.digits = digits
        return instance


def parse(body: bytes) -> Any:
    """The JSON value of a body. Raises ParseError for anything else, however deep, long or ill-encoded."""
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if "infinity" not in str(error):
            raise ParseError from error
        return _parse_exactly(body)
    if type(message) is dict:
        return _parse_exactly(body) if type(message.get("id")) is float else message
    for member in message if type(message) is list else ():
        if type(member) is dict and type(member.get("id")) is float:
            return _parse_exactly(body)
    return message


def parse_large(body: bytes) -> Any:
    """As `parse`, for a single thread other than the event loop's.

    Disables the garbage collector, which would scan the growing value again and again.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        return parse(body)
    finally:
        if collecting:
            gc.enable()


def check_shape(body: bytes, limits: Limits) -> None:
    """Refuse a body with too many values, too deep nesting or too many calls, from the bytes alone.

    Raises InvalidRequestError, BatchTooLargeError, ParseError. A body that passes need not be JSON.
    """
    parts = []
    size = names = unclosed = 0
    for part in _structure(body):
        parts.append(part)
        size += len(part)
        names += part.count(b":")
        unclosed += part.count(b"[") + part.count(b"{") - part.count(b"]") - part.count(b"}")
        if unclosed < 0:
            raise ParseError
        if size > limits.json_structure or names > limits.json_names:
            break
    structure = b"".join(parts)
    _walk(structure, body, limits)
    if size > limits.json_structure:
        raise _too_large(f"{limits.json_structure} brackets, commas and colons", "--rpc-json-structure")
    if names > limits.json_names:
        raise _too_large(f"{limits.json_names} names of members", "--rpc-json-names")


def may_exceed(body: bytes, limits: Limits) -> bool:
    """Whether a small body may exceed a limit, so that its shape needs a check."""
    if len(body) > limits.json_structure or len(body) > limits.json_names:
        return True
    return body.count(b"[") + body.count(b"{") > limits.json_depth


def parse_answer(text: bytes) -> Any:
    """The JSON of a node's answer, which may nest as deep as the calls in a trace. Raises ValueError."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        if not ORJSON_LEVELS < _levels(text) <= ANSWER_LEVELS:
            raise
    with deep_recursion:
        try:
            return json.loads(text)
        except RecursionError as error:
            raise ValueError("nested too deeply for this interpreter") from error


def _levels(text: bytes) -> int:
    """The deepest nesting of a text, if it is JSON."""
    depth = deepest = 0
    for part in _structure(text):
        for character in part:
            depth += (character in _OPENING) - (character in _CLOSING)
            deepest = max(deepest, depth)
    return deepest


def first_identifier(body: bytes) -> Any:
    """The id of the first call of a batch, if its beginning is readable."""
    text = body[:LOOP_BODY_BYTES].decode(errors="ignore").lstrip()[1:].lstrip()
    try:
        message, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    identifier = message.get("id") if type(message) is dict else None
    return None if type(identifier) in (dict, list) else identifier


def _structure(body: bytes) -> Iterator[bytes]:
    """The brackets, commas and colons outside of strings, of one slice of the body after another."""
    in_string = 0
    cut_escape = b""
    for start in range(0, len(body), SCAN_SLICE_BYTES):
        part = cut_escape + body[start : start + SCAN_SLICE_BYTES]
        cut_escape = b""
        if (len(part) - len(part.rstrip(b"\\"))) % 2:
            part, cut_escape = part[:-1], b"\\"
        pieces = part.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        yield b"".join(pieces[in_string::2]).translate(None, _OTHERS)
        in_string ^= (len(pieces) - 1) % 2


def _too_large(what: str, flag: str) -> InvalidRequestError:
    return InvalidRequestError(f"request too large: more than {what} of JSON; send it in parts, or raise {flag}")


def _walk(structure: bytes, body: bytes, limits: Limits) -> None:
    is_batch = structure[:1] == b"["
    if structure.count(b"[") + structure.count(b"{") <= limits.json_depth and (
        not is_batch or structure.count(b",") < limits.batch_items
    ):
        return
    depth, calls = 0, 1
    for character in structure:
        if character in _OPENING:
            depth += 1
            if depth > limits.json_depth:
                raise ParseError(f"parse error: nested deeper than {limits.json_depth} levels; see --rpc-json-depth")
        elif character in _CLOSING:
            depth -= 1
        elif character == _COMMA and depth == 1 and is_batch:
            calls += 1
            if calls > limits.batch_items:
                raise BatchTooLargeError(first_identifier(body))


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _parse_exactly(body: bytes) -> Any:
    """Parse and keep the digits of unusual numbers. Slow; for float ids and numbers out of range."""
    try:
        message = json.loads(
            body,
            parse_int=lambda digits: int(digits) if len(digits) < 19 else RawNumber(digits),
            parse_float=RawNumber,
            parse_constant=_refuse_constant,
        )
        # lone surrogates are JSON to Python alone; they could not be sent back
        json.dumps(message, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ParseError from error
    return message
