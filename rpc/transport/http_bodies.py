"""Request bodies and responses: size and time limits, content types, disconnects, compression."""

import asyncio
import zlib
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from zevm.rpc.limits import Limits
from zevm.rpc.memory.budgets import InputBudget, OutputAccount
from zevm.rpc.memory.gathered import Gathered
from zevm.rpc.transport.asgi import OUTPUT_EXTENSION, Message, Receive, Scope, Send
from zevm.rpc.transport.guard import Headers, Refusal, header

Result = TypeVar("Result")

CONTENT_TYPES = frozenset({b"application/json", b"application/json-rpc", b"application/jsonrequest"})
COMPRESS_BYTES = 65_536
"""Minimum size of answers that are compressed for clients on other machines that accept gzip."""

PIECE_BYTES = 65_536
"""Larger answers are written in pieces of this size, which bounds the copied part of unread output."""

BODY_TOO_SLOW = Refusal(408, "the body did not arrive in time")
TOO_MUCH_INPUT = Refusal(503, "too much unfinished input of all clients (--rpc-input-bytes); try again")
_CLOSE = (b"connection", b"close")
JSON_TYPE = (b"content-type", b"application/json")
_TEXT = (b"content-type", b"text/plain; charset=utf-8")


def check_coding(headers: Headers, version: str) -> Refusal | None:
    """Why a body's transfer coding is refused; None for chunked alone, and without one (RFC 9112, 6.1).

    The parser takes any list that ends with chunked for it. A proxy that reads another end of the body than the node
    would have its next request begin elsewhere.
    """
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if not codings:
        return None
    parts = {part.strip(b" \t").lower() for part in b",".join(codings).split(b",")}
    if parts - {b"chunked", b""}:
        return Refusal(501, "transfer coding not implemented, only chunked is")
    if len(codings) > 1 or b"," in codings[0] or not codings[0].strip(b" \t"):
        return Refusal(400, "Transfer-Encoding has to be chunked, once")
    return Refusal(400, "Transfer-Encoding in HTTP/1.0") if version == "1.0" else None


def pieces_of(body: bytes) -> Iterator[bytes]:
    """The body in pieces small enough to copy in one write."""
    return (body[start : start + PIECE_BYTES] for start in range(0, len(body), PIECE_BYTES))


class BodyError(Exception):
    """The body is refused: too large, too slow, or incomplete."""

    def __init__(self, refusal: Refusal | None) -> None:
        super().__init__("" if refusal is None else refusal.reason)
        self.refusal = refusal


class Bodies:
    """Reads bodies of certain content types, JSON's by default, within the limits."""

    def __init__(self, limits: Limits, budget: InputBudget, kinds: frozenset[bytes] = CONTENT_TYPES) -> None:
        self._limits = limits
        self._budget = budget
        self._kinds = kinds
        self._content_types: dict[bytes | None, bool] = {}

    def check(self, headers: Headers) -> Refusal | None:
        """Why a body with these headers is refused, or None."""
        length = content_type = None
        for name, value in headers:
            if name == b"content-type":
                content_type = value
            elif name == b"content-length":
                length = value
        if length is not None and not length.isdigit():
            return Refusal(400, "invalid content length")
        if length is not None and int(length[:20]) > self._limits.http_body_bytes:
            return self._too_large(int(length[:20]))
        if not self._is_admitted(content_type):
            only = "application/json" if b"application/json" in self._kinds else b" or ".join(self._kinds).decode()
            return Refusal(415, f"invalid content type, only {only} is supported")
        return None

    def _is_admitted(self, content_type: bytes | None) -> bool:
        known = self._content_types.get(content_type)
        if known is None:
            essence = (content_type or b"").partition(b";")[0].strip().lower()
            known = essence in self._kinds
            if len(self._content_types) < 256:
                self._content_types[content_type] = known
        return known

    def _too_large(self, size: int) -> Refusal:
        return Refusal(413, f"content length too large ({size}>{self._limits.http_body_bytes})")

    async def read(self, receive: Receive) -> tuple[bytes, int]:
        """The whole body, and the part of the budget that it occupies until `release`. Raises BodyError."""
        body = Gathered()
        try:
            async with asyncio.timeout(self._limits.http_header_seconds):
                message = await receive()
                if message["type"] == "http.request" and not message.get("more_body"):
                    return self._whole(message.get("body", b"")), 0
                await self._read_rest(body, message, receive)
        except TimeoutError:
            self.release(len(body))
            raise BodyError(BODY_TOO_SLOW) from None
        except BaseException:
            self.release(len(body))
            raise
        size_bytes = len(body)
        return body.take(), size_bytes

    def _whole(self, body: bytes) -> bytes:
        if len(body) > self._limits.http_body_bytes:
            raise BodyError(self._too_large(len(body)))
        return body

    def release(self, taken: int) -> None:
        """Release the result of `read`."""
        self._budget.give_back(taken)

    async def _read_rest(self, body: Gathered, message: Message, receive: Receive) -> None:
        while True:
            if message["type"] != "http.request":
                raise BodyError(None)
            part = message.get("body", b"")
            if len(body) + len(part) > self._limits.http_body_bytes:
                raise BodyError(self._too_large(len(body) + len(part)))
            if not self._budget.take(len(part)):
                raise BodyError(TOO_MUCH_INPUT)
            body.add(part)
            if not message.get("more_body"):
                return
            message = await receive()


async def unless_left(
    pending: Coroutine[Any, Any, Result] | asyncio.Future[Result], receive: Receive
) -> tuple[bool, Result | None]:
    """Run the handler of a request; if the client disconnects first, cancel it and return (False, None)."""
    work = asyncio.ensure_future(pending)
    left = asyncio.get_running_loop().create_task(_disconnect(receive))
    try:
        await asyncio.wait((work, left), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return True, work.result()
        return False, None
    finally:
        work.cancel()
        left.cancel()


async def send_json(scope: Scope, send: Send, body: bytes, extra: list[tuple[bytes, bytes]], status: int = 200) -> None:
    """Send JSON with the headers `extra`, compressed if that helps."""
    if len(body) >= COMPRESS_BYTES and _wants_gzip(scope):
        body = await asyncio.to_thread(_gzip, body)
        extra = [*extra, (b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
    open_account = scope.get("extensions", {}).get(OUTPUT_EXTENSION)
    if open_account is None or len(body) <= PIECE_BYTES:
        await respond(send, status, [JSON_TYPE, *extra], body)
        return
    account: OutputAccount = open_account()
    account.add(body)
    try:
        await respond(send, status, [JSON_TYPE, *extra], body)
    finally:
        account.remove(body)
        account.close()


async def respond(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    """Send a whole response; a large one in pieces, as fast as the client reads, yielding in between."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    if len(body) > PIECE_BYTES:
        for piece in pieces_of(body):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(0)
        body = b""
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, refusal: Refusal, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    """Send a refusal as plain text and close the connection, without reading the rest of its body."""
    await respond(send, refusal.status, [*(headers or ()), _TEXT, _CLOSE], refusal.reason.encode() + b"\n")


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _wants_gzip(scope: Scope) -> bool:
    client = scope.get("client")
    if client is None or str(client[0]).startswith("127.") or client[0] == "::1":
        return False
    return b"gzip" in (header(scope["headers"], b"accept-encoding") or b"")


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()
