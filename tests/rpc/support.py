"""A server with a few tiny methods over a chain that only has events, a writer and a head."""

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import orjson

import zevm.rpc.methods.eth.subscribe
import zevm.rpc.transport.routes
from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError
from zevm.chain.concurrency.writer import Writer
from zevm.chain.errors import ExecutionRevertedError, Reason, TransactionError, UnknownBlockError
from zevm.chain.events import BlockAndReceipts, Events, HeadChanged
from zevm.chain.options import ChainOptions
from zevm.chain.types import Block, Header, Log, Receipt, Transaction, TransactionType
from zevm.rpc.codec import objects, scalars
from zevm.rpc.dispatch.dispatcher import Dispatcher
from zevm.rpc.execution.workers import Workers
from zevm.rpc.limits import Limits
from zevm.rpc.methods.support.reading import on_writer
from zevm.rpc.registry import REGISTRY, Cost, Param, Registry
from zevm.rpc.server import SWITCH_INTERVAL_SECONDS, Server, ServerOptions
from zevm.rpc.services import Services
from zevm.rpc.wallet import UnknownAccountError, Wallet
from zevm.storage.errors import CorruptionError

if TYPE_CHECKING:
    from zevm.chain.blockchain import Chain

ALICE = bytes.fromhex("aa" * 20)
BOB = bytes.fromhex("bb" * 20)
TOPIC = bytes.fromhex("11" * 32)
OTHER_TOPIC = bytes.fromhex("22" * 32)

FAULTS: dict[str, Exception] = {
    "unforeseen": RuntimeError("boom"),
    "recursion": RecursionError("too deep"),
    "corruption": CorruptionError("block 7: bad checksum"),
    "revert": ExecutionRevertedError(b"\x01\x02"),
    "transaction": TransactionError(Reason.NONCE_TOO_LOW, "nonce too low: next nonce 1, tx nonce 0"),
    "block": UnknownBlockError(),
    "account": UnknownAccountError(ALICE),
    "timeout": ExecutionTimeoutError(),
}


@dataclass
class TinyChain:
    """What the transports need of a chain."""

    events: Events = field(default_factory=Events)
    writer: Writer = field(default_factory=Writer)
    written: list[Any] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    executions: int = 0
    database: Any = field(default_factory=lambda: SimpleNamespace(fault=None))
    options: ChainOptions = field(default_factory=ChainOptions)

    is_for_development: bool = False

    @property
    def head(self) -> Any:
        return replace_head(Header(parent_hash=bytes(32), number=7, timestamp=int(time.time())))

    def header_by_number(self, number: int) -> Header:
        return replace(self.head.header, number=number)

    def on_one_ground(self, read: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        return read(*arguments, **options)


def replace_head(header: Header) -> Any:
    @dataclass
    class Head:
        header: Header

    return Head(header)


def make_registry() -> Registry:  # noqa: C901
    registry = Registry()

    @registry.method("test_echo", cost=Cost.LIGHT, params=(Param("value", scalars.anything, default=None),))
    def echo(services: Services, value: Any) -> Any:  # noqa: ARG001
        return value

    @registry.method(
        "test_types",
        cost=Cost.LIGHT,
        params=(
            Param("address", scalars.address),
            Param("quantity", scalars.quantity, default=5),
            Param("call", objects.transaction_arguments, default=None),
        ),
    )
    def types(services: Services, address: bytes, quantity: int, call: Any) -> str:  # noqa: ARG001
        return f"{address.hex()}:{quantity}"

    @registry.method("test_execute", cost=Cost.EXECUTION)
    def execute(services: Services, *, deadline: Deadline) -> float:
        chain = cast(TinyChain, services.chain)
        chain.executions += 1
        if not chain.gate.wait(deadline.remaining()):
            raise ExecutionTimeoutError
        return 1.0

    @registry.method("test_spin", cost=Cost.EXECUTION)
    def spin(services: Services, *, deadline: Deadline) -> str:  # noqa: ARG001
        while not deadline.expired():
            pass
        raise ExecutionTimeoutError

    @registry.method("test_write", cost=Cost.WRITE, params=(Param("value", scalars.anything),))
    def write(services: Services, value: Any) -> str:
        cast(TinyChain, services.chain).written.append(value)
        return threading.current_thread().name

    @registry.method("test_async", cost=Cost.ASYNC)
    async def pause(services: Services) -> str:  # noqa: ARG001
        await asyncio.sleep(0)
        return "later"

    @registry.method("test_write_apart", cost=Cost.ASYNC, params=(Param("value", scalars.anything),))
    async def write_apart(services: Services, value: Any) -> str:
        return await on_writer(services, write, services, value)

    @registry.method("test_hold", cost=Cost.ASYNC, params=(Param("value", scalars.anything),), holds_back=True)
    async def hold(services: Services, value: Any) -> str:
        await asyncio.to_thread(cast(TinyChain, services.chain).gate.wait)
        return await on_writer(services, write, services, value)

    @registry.method("test_fault", cost=Cost.LIGHT, params=(Param("kind", scalars.string),), aliases=("test_defect",))
    def fault(services: Services, kind: str) -> None:  # noqa: ARG001
        raise FAULTS[kind]

    @registry.method("test_big", cost=Cost.LIGHT, params=(Param("size", scalars.number),))
    def big(services: Services, size: int) -> str:  # noqa: ARG001
        return "x" * size

    @registry.method("test_object", cost=Cost.LIGHT)
    def unencodable(services: Services) -> object:  # noqa: ARG001
        return object()

    assert zevm.rpc.methods.eth.subscribe
    for name in ("eth_subscribe", "eth_unsubscribe"):
        registry.by_name[name] = REGISTRY.by_name[name]
    return registry


def make_services(**limits: Any) -> Services:
    chain = cast("Chain", TinyChain())
    return Services(chain, cast(Wallet, None), replace(Limits(), **limits), "zEVM/test", bytes(32))


def tiny(services: Services) -> TinyChain:
    return cast(TinyChain, services.chain)


@asynccontextmanager
async def running_dispatcher(**limits: Any) -> AsyncIterator[tuple[Dispatcher, Services]]:
    services = make_services(**limits)
    rules = services.limits
    workers = Workers(rules.evm_workers, queue_ms=rules.evm_queue_ms, timeout_seconds=rules.evm_timeout_seconds)
    try:
        yield Dispatcher(make_registry(), services, workers), services
    finally:
        tiny(services).gate.set()
        workers.close()
        services.chain.writer.stop()


async def ask(dispatcher: Dispatcher, body: Any) -> Any:
    """The decoded answer to a body, given as bytes or as a JSON value."""
    reply = await dispatcher.answer(body if isinstance(body, bytes) else orjson.dumps(body))
    return None if reply is None else orjson.loads(reply)


def call(name: str, *params: Any, identifier: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identifier, "method": name, "params": list(params)}


DIRECT_HTTP = True
"""Whether servers without options of their own answer POST / directly."""


@asynccontextmanager
async def running_server(options: ServerOptions | None = None, **limits: Any) -> AsyncIterator[tuple[int, Services]]:
    """A listening server: its port and services."""
    services = make_services(**limits)
    server = Server(services, options or ServerOptions(port=0, direct_http=DIRECT_HTTP), make_registry())
    await server.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    try:
        yield server.addresses[0][1], services
    finally:
        sys.setswitchinterval(interval)
        tiny(services).gate.set()
        await server.stop()
        services.chain.writer.stop()


@dataclass
class HttpAnswer:
    """Status, headers by lower-case name, body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


async def read_answer(reader: asyncio.StreamReader, *, head_only: bool = False) -> HttpAnswer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = b"" if head_only else await reader.readexactly(int(headers.get("content-length", 0)))
    return HttpAnswer(int(head[0].split()[1]), headers, body)


async def http(
    port: int, body: Any = b"", headers: dict[str, str] | None = None, *, method: str = "POST", path: str = "/"
) -> HttpAnswer:
    """One HTTP request over a connection of its own."""
    payload = body if isinstance(body, bytes) else orjson.dumps(body)
    wanted = {"Host": f"127.0.0.1:{port}", "Content-Type": "application/json", "Content-Length": str(len(payload))}
    wanted |= headers or {}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in wanted.items() if value)]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + payload)
        await writer.drain()
        return await asyncio.wait_for(read_answer(reader, head_only=method == "HEAD"), 20)
    finally:
        writer.close()


def log(address: bytes = ALICE, *topics: bytes, data: bytes = b"") -> Log:
    return Log(address, topics, data)


def block(number: int, *logs: tuple[Log, ...], salt: int = 0) -> BlockAndReceipts:
    """A block with one transaction for each tuple of logs."""
    transactions = tuple(transaction(number * 100 + index) for index in range(len(logs)))
    receipts = tuple(Receipt(2, 1, 21_000, items, bytes(256), ALICE, 21_000, 1) for items in logs)
    header = Header(parent_hash=bytes(32), number=number, timestamp=1_000 + number, extra_data=bytes((salt,)))
    return BlockAndReceipts(Block(header, transactions, withdrawals=()), receipts)


def transaction(nonce: int) -> Transaction:
    return Transaction(
        type=TransactionType.DYNAMIC_FEE, chain_id=31337, nonce=nonce, gas_limit=21_000, to=BOB
    ).impersonating(ALICE)


def publish(services: Services, *added: BlockAndReceipts, removed: tuple[BlockAndReceipts, ...] = ()) -> None:
    services.chain.events.publish(HeadChanged(added, removed))
