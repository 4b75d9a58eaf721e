"""GET /resolve/NAME: the address, the contract and the records of a name as JSON, for clients that speak HTTP alone.

An answer is kept until the chain has another head, and who asks while it is made waits for it, so that many who ask for
one name cost one execution.
"""

import asyncio
import hashlib
from dataclasses import dataclass
from urllib.parse import unquote

import orjson
from lru import LRU

from zevm.chain.calls.names import NameReader
from zevm.chain.canonical.chain import Head
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import InvalidNameError
from zevm.chain.rules.name_service import TOP_LEVEL_NAMES, normalised
from zevm.chain.types.block_reference import LATEST
from zevm.rpc.codec.names import TEXT_KEYS, record_json, resolved_json
from zevm.rpc.codec.parsing import LOOP_BODY_BYTES
from zevm.rpc.dispatch.error_translation import to_rpc_error
from zevm.rpc.execution.workers import Workers
from zevm.rpc.services import Services
from zevm.rpc.transport.asgi import Receive, Scope, Send
from zevm.rpc.transport.guard import Guard, Refusal, header
from zevm.rpc.transport.http_bodies import JSON_TYPE, refuse, respond, send_json, unless_left
from zevm.rpc.transport.names.options import NamesPortOptions
from zevm.rpc.transport.names.upstream import Upstream, UpstreamError
from zevm.rpc.transport.websocket import refuse_websocket

PATH = "/resolve/"
MOST_SECONDS = 2**31 - 1
"""That an answer may be kept for: caches know no larger number (RFC 9111, 1.2.2)."""
_TOO_BUSY = -32005
_READ_METHODS = ("GET", "HEAD")
_NOT_ALLOWED = Refusal(405, "method not allowed")


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a JSON object in text, and for how many seconds others may keep it."""

    status: int
    content: bytes
    seconds: int = 0


@dataclass(slots=True)
class _UnderWay:
    """An answer that is being made, since the chain has had this head, and how many wait for it."""

    head: Head
    task: asyncio.Task[Answer]
    waiting: int = 0


def _has(tags: bytes | None, tag: bytes) -> bool:
    """Whether an If-None-Match header names a tag (RFC 9110, 13.1.2)."""
    named = {part.strip().removeprefix(b"W/") for part in (tags or b"").split(b",")}
    return tag in named or b"*" in named


def _tag_of(body: bytes) -> bytes:
    """The ETag of a content."""
    return b'"%s"' % hashlib.sha256(body).hexdigest()[:32].encode()


def _refused(status: int, reason: str) -> Answer:
    return Answer(status, orjson.dumps({"error": reason}))


class NamesApplication:
    """The ASGI application of the port."""

    def __init__(self, services: Services, workers: Workers, options: NamesPortOptions) -> None:
        self._services = services
        self._workers = workers
        self._guard = Guard(options.allow_origins, options.allow_hosts)
        self._upstream = None if options.upstream is None else Upstream(options.upstream, services.limits)
        self._kept: LRU[str, Answer] = LRU(services.limits.zns_cache)
        self._kept_of: Head | None = None
        self._under_way: dict[str, _UnderWay] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        refusal = self._refusal(scope)
        if scope["type"] == "websocket":
            await receive()
            await refuse_websocket(send, refusal or _NOT_ALLOWED)
            return
        if refusal is not None:
            await refuse(send, refusal, [(b"allow", b"GET, HEAD")] if refusal.status == 405 else None)
            return
        if scope["path"] == "/health":
            await respond(send, 200, [JSON_TYPE], b'{"status":"ok"}')
            return
        name = unquote(scope["raw_path"].decode("latin-1"), errors="replace")[len(PATH) :]
        head = self._services.chain.head
        answer = self._kept_for(head).get(name)
        if answer is None:
            _, answer = await unless_left(self._joined(head, name), receive)
        if answer is not None:
            await self._send(scope, send, answer)

    def _refusal(self, scope: Scope) -> Refusal | None:
        refusal = self._guard.check(scope["headers"])
        if refusal is not None:
            return refusal
        if scope["type"] == "websocket" or scope["method"] not in _READ_METHODS:
            return _NOT_ALLOWED
        if scope["path"] != "/health" and not scope["path"].startswith(PATH):
            return Refusal(404, f"not found; ask for {PATH}NAME")
        return None

    async def _joined(self, head: Head, text: str) -> Answer:
        """The answer that others make for the same head, or a new one; it is given up with the last who waits."""
        found = self._under_way.get(text)
        if found is None or found.head is not head:
            task = asyncio.get_running_loop().create_task(self._answer(text))
            found = self._under_way[text] = _UnderWay(head, task)
        found.waiting += 1
        try:
            return await asyncio.shield(found.task)
        finally:
            found.waiting -= 1
            if not found.waiting:
                found.task.cancel()
                if self._under_way.get(text) is found:
                    del self._under_way[text]

    async def _answer(self, text: str) -> Answer:
        try:
            name = await self._workers.read(normalised, text)
            if self._upstream is not None and name.rpartition(".")[2] not in TOP_LEVEL_NAMES:
                return Answer(200, *await self._upstream.resolve(name))
            found: tuple[Head | None, Answer] = await self._workers.run(self._resolve, name)
        except InvalidNameError as error:
            return _refused(400, error.message)
        except UpstreamError as error:
            return _refused(error.status, str(error))
        except Exception as error:  # whatever an execution may raise, in words for the client
            refusal = to_rpc_error(self._services, PATH, error)
            return _refused(503 if refusal.code == _TOO_BUSY else 500, refusal.message)
        self._keep(text, *found)
        return found[1]

    def _kept_for(self, head: Head) -> "LRU[str, Answer]":
        if self._kept_of is not head:
            self._kept.clear()
            self._kept_of = head
        return self._kept

    def _keep(self, text: str, head: Head | None, answer: Answer) -> None:
        """Keep an answer that was read at a head; None where that is not known."""
        is_short = (
            len(text.encode(errors="surrogatepass")) + len(answer.content) <= self._services.limits.zns_cache_bytes
        )
        if head is not None and head is self._services.chain.head and is_short:
            self._kept_for(head)[text] = answer

    def _resolve(self, name: str, *, deadline: Deadline) -> tuple[Head | None, Answer]:
        """The answer, and the head at which it was read if that did not change meanwhile."""
        head = self._services.chain.head
        answer = self._resolved(name, deadline)
        return (head if self._services.chain.head is head else None), answer

    def _resolved(self, name: str, deadline: Deadline) -> Answer:
        frame = self._services.chain.frame_at(LATEST)
        reader = NameReader(frame, gas_limit=self._services.limits.call_gas, deadline=deadline)
        found = reader.resolve(name)
        if found is None:
            return _refused(404, f"the name {name} is not registered, or has no resolver")
        content = resolved_json(found) | record_json(reader.records(name, TEXT_KEYS, ()))
        left_seconds = (
            MOST_SECONDS if found.expires is None else found.expires - self._services.chain.head.header.timestamp
        )
        return Answer(200, orjson.dumps(content), max(0, min(found.ttl_seconds, left_seconds, MOST_SECONDS)))

    async def _send(self, scope: Scope, send: Send, answer: Answer) -> None:
        body = answer.content + b"\n"
        # a resolver may return as much as an execution's gas pays for
        tag = await self._workers.read(_tag_of, body) if len(body) > LOOP_BODY_BYTES else _tag_of(body)
        kept = b"public, max-age=%d" % answer.seconds if answer.seconds else b"no-cache"
        headers = [(b"cache-control", kept), *self._guard.cors_headers(scope["headers"])]
        if answer.status == 200:
            headers.append((b"etag", tag))
            if _has(header(scope["headers"], b"if-none-match"), tag):
                await send({"type": "http.response.start", "status": 304, "headers": headers})
                await send({"type": "http.response.body", "body": b""})
                return
        if answer.status == 503:
            headers.append((b"retry-after", b"1"))
        await send_json(scope, send, body, headers, answer.status)
