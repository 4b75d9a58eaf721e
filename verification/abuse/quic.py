"""Abuse a node's QUIC port, and look whether it answers as before.

    python -m verification.abuse.quic --seconds 60 --seed 7

Attacks take turns: malformed frames of zvm/1, lengths without an end, half-closed streams, random datagrams,
unfinished handshakes, replayed signatures, clients that vanish or never read, and a path that loses 20 % of the
datagrams, repeats and reorders them. Each answer must be a result or a reset with a code of docs/quic.md. At the end
the node must answer, have no connection left, no error in its log, and little more memory than after the first turn.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import re
import resource
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from coincurve import PrivateKey

import zevm
from testing.udp_relay import Faults, relayed
from testing.wasm_modules import maths
from zevm.covenant.wasm import WasmExecutionRequest
from zevm.rpc.transport.quic.client import ClientConnection, Trust, connect
from zevm.rpc.transport.quic.codes import AUTHENTICATION_REQUIRED, BAD_FRAME, BUSY, DEADLINE, TOO_LARGE
from zevm.rpc.transport.quic.key_exchange import offer_groups
from zevm.rpc.transport.quic.options import AUTHORITY_NAME, QuicError
from zevm.rpc.transport.quic.streams import Stream, StreamResetError
from zevm.rpc.transport.quic.zvm import authentication
from zevm.rpc.transport.quic.zvm.messages import ALPN, decode_result, encode_request, framed
from zevm.storage.keccak import keccak256

CODES = {TOO_LARGE, BAD_FRAME, BUSY, AUTHENTICATION_REQUIRED, DEADLINE}
KEY = PrivateKey(b"\x07" * 32)
CALLER = keccak256(KEY.public_key.format(compressed=False)[1:])[12:]
QUIC_LINE = re.compile(r"QUIC on \S+:(?P<port>\d+)")
"""The line in which a node of its own process tells its port."""

UNFINISHED_HANDSHAKES = 1_000
HANDSHAKES = 8
"""Attempts to connect over a path that loses one datagram of five."""
MEMORY_MEBIBYTES = 64
IDLE_SECONDS = 10.0
"""A busy machine may leave both sides, which share this process, without a processor for seconds."""
LIMITS: dict[str, Any] = {
    "rpc_quic_idle_seconds": IDLE_SECONDS,
    "rpc_quic_body_seconds": 0.5,
    "rpc_quic_handshake_seconds": 1.0,
    "rpc_quic_write_seconds": 1.0,
}


class FaultError(Exception):
    """The node did what it must not do."""


@dataclass
class Target:
    """The node's port, and what has been sent."""

    port: int
    authority: Path
    chance: random.Random
    sent: Counter[str] = field(default_factory=Counter)

    def dial(self, port: int | None = None, seconds: float = 30.0):  # type: ignore[no-untyped-def]
        """A connection to the node, or through another port."""
        trust = Trust(authority=self.authority)
        return connect("127.0.0.1", port or self.port, alpn=ALPN, trust=trust, timeout_seconds=seconds)


def request(**fields: object) -> bytes:
    """The bytes of a request that succeeds, with fields changed."""
    values = {"request_id": 5, "module_bytecode": maths(), "function_name": "gcd", "arguments": [54, 24]}
    limits = {"gas_limit": 10**7, "memory_limit": 2**26, "timeout_ms": 10_000}
    return encode_request(WasmExecutionRequest(**{**values, **limits, **fields}))  # type: ignore[arg-type]


async def outcome(stream: Stream) -> str:
    """How a stream ends: a status, or a code. Raises FaultError for anything else."""
    try:
        async with asyncio.timeout(20):
            size = int.from_bytes(await stream.readexactly(4), "big")
            return decode_result(await stream.readexactly(size)).status.name
    except StreamResetError as error:
        if error.code not in CODES:
            raise FaultError(f"a stream ended with {error}") from error
        return f"0x{error.code:x}"
    except TimeoutError:
        raise FaultError("a stream had no end within 20 s") from None


async def malformed_frames(target: Target) -> None:
    """Send frames with bytes cut, changed, doubled and spliced."""
    chance = target.chance
    async with target.dial() as client:
        for _ in range(40):
            data = bytearray(framed(request()))
            for _ in range(chance.randrange(1, 5)):
                at = chance.randrange(len(data))
                kind = chance.randrange(4)
                if kind == 0:
                    data[at] = chance.randrange(256)
                elif kind == 1:
                    data = data[: at + 1]
                elif kind == 2:
                    data[at:at] = chance.randbytes(chance.randrange(1, 9))
                else:
                    data += data[at : at + 50]
            await _ask(target, client, bytes(data))


async def lengths_without_an_end(target: Target) -> None:
    """Announce what does not come, or far too much."""
    async with target.dial() as client:
        for size in (2**32 - 1, 2**31, 2 * 1024 * 1024 + 1):
            if await _ask(target, client, size.to_bytes(4, "big"), ends=False) != f"0x{TOO_LARGE:x}":
                raise FaultError(f"a length of {size} was not refused as too large")
        streams = [client.open_stream() for _ in range(8)]
        for stream in streams:
            await stream.write((2**21).to_bytes(4, "big") + target.chance.randbytes(1_000))
        for stream in streams:
            target.sent[await outcome(stream)] += 1
            client.close_stream(stream)


async def half_closed_streams(target: Target) -> None:
    """End or give up streams at every stage."""
    data = framed(request())
    async with target.dial() as client:
        for _ in range(30):
            stream = client.open_stream()
            await stream.write(data[: target.chance.randrange(1, len(data))])
            if target.chance.random() < 0.5:
                stream.write_eof()
                target.sent[await outcome(stream)] += 1
            else:
                stream.reset(target.chance.randrange(2**30))
                target.sent["given up"] += 1
            client.close_stream(stream)


async def random_datagrams(target: Target) -> None:
    """Send random bytes, and first packets with changed bytes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(100):
            data = bytearray(target.chance.randbytes(target.chance.randrange(1, 1_500)))
            if target.chance.random() < 0.5:
                data = bytearray(_first_datagrams(target)[0])
                for _ in range(target.chance.randrange(0, 4)):
                    data[target.chance.randrange(len(data))] = target.chance.randrange(256)
            sender.sendto(data, ("127.0.0.1", target.port))
            target.sent["datagram"] += 1
        await asyncio.sleep(0)


async def unfinished_handshakes(target: Target) -> None:
    """Begin handshakes and say no more."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(UNFINISHED_HANDSHAKES // 10):
            for datagram in _first_datagrams(target):
                sender.sendto(datagram, ("127.0.0.1", target.port))
            target.sent["unfinished handshake"] += 1
            await asyncio.sleep(0)


async def replayed_signatures(target: Target) -> None:
    """Send a signed request twice, and with another's signature."""
    async with target.dial() as client:
        message = request(caller_address=CALLER)
        now = int(time.time())
        proof = authentication.sign(KEY, 31_337, client.server_key_hash, message, expiry=now + 30)
        foreign = authentication.sign(KEY, 31_337, bytes(32), message, expiry=now + 30)
        for given, wanted in ((proof, "SUCCESS"), (proof, "AUTHENTICATION_FAILED"), (foreign, "AUTHENTICATION_FAILED")):
            found = await _ask(target, client, framed(message) + framed(given.encode()))
            if found != wanted:
                raise FaultError(f"a signed request ended in {found}, not in {wanted}")


async def clients_that_vanish(target: Target) -> None:
    """Send requests and never read, answer or say goodbye."""
    async with target.dial() as client:
        for _ in range(8):
            await client.open_stream().write(framed(request()))
        client._connection.transmit = lambda: None
        target.sent["vanished client"] += 1


async def a_faulty_path(target: Target) -> None:
    """Ask over a path that loses, repeats and reorders.

    It may lose a handshake's datagrams until the node's limit of time for a handshake has passed: then another begins.
    """
    refusals = []
    for _ in range(HANDSHAKES):
        faults = Faults(0.2, 0.1, 0.2, seed=target.chance.randrange(2**30))
        try:
            async with relayed("127.0.0.1", target.port, faults) as relay, target.dial(relay.port, 30.0) as client:
                found = await asyncio.gather(*(_ask(target, client, framed(request())) for _ in range(4)))
        except QuicError as error:
            refusals.append(str(error))
            continue
        if set(found) != {"SUCCESS"}:
            raise FaultError(f"over a faulty path: {found}")
        return
    raise FaultError(f"no handshake over a faulty path: {refusals}")


ATTACKS: tuple[Callable[[Target], Awaitable[None]], ...] = (
    malformed_frames,
    lengths_without_an_end,
    half_closed_streams,
    random_datagrams,
    unfinished_handshakes,
    replayed_signatures,
    clients_that_vanish,
    a_faulty_path,
)


async def _ask(target: Target, client: ClientConnection, data: bytes, *, ends: bool = True) -> str:
    stream = client.open_stream()
    try:
        await stream.write(data)
        if ends:
            stream.write_eof()
    except StreamResetError:
        pass  # refused before all of it was sent
    found = await outcome(stream)
    client.close_stream(stream)
    target.sent[found] += 1
    return found


def _first_datagrams(target: Target) -> list[bytes]:
    quic = QuicConnection(configuration=QuicConfiguration(is_client=True, alpn_protocols=[ALPN]))
    offer_groups(quic, allow_classical=False)
    quic.connect(("127.0.0.1", target.port), now=0.0)
    return [data for data, _ in quic.datagrams_to_send(now=0.0)]


async def abuse(target: Target, seconds: float) -> int:
    """Attack for a time; the growth of memory since the first turn, in MiB. Raises FaultError."""
    until, before = time.monotonic() + seconds, 0
    while True:
        for attack in ATTACKS:
            await _attack(attack, target)
            if before and time.monotonic() > until:
                break
        before = before or _memory_mebibytes()
        if time.monotonic() > until:
            break
    async with target.dial() as client:
        if await _ask(target, client, framed(request())) != "SUCCESS":
            raise FaultError("the node does not answer as before")
    return _memory_mebibytes() - before


async def _attack(attack: Callable[[Target], Awaitable[None]], target: Target) -> None:
    # places of earlier attacks are free again after the idle time
    until = time.monotonic() + 2 * IDLE_SECONDS
    while time.monotonic() < until:
        try:
            await attack(target)
            return
        except QuicError as error:
            if "too many connections" not in str(error):
                raise FaultError(f"{attack.__name__}: {error}") from error
            await asyncio.sleep(0.2)
    raise FaultError(f"{attack.__name__}: the places of vanished clients stay taken")


def _memory_mebibytes() -> int:
    """The process's largest memory until now."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_024


class _Errors(logging.Handler):
    """Keeps the errors of the log."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(record.getMessage())


def main(arguments: list[str] | None = None) -> int:
    """Run the campaign; 1 if it found something."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    given = parser.parse_args(arguments)
    errors = _Errors()
    logging.getLogger().addHandler(errors)
    try:
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
            probe.close()
            with zevm.Node(Path(folder) / "chain", quic_port=port, **LIMITS):
                target = Target(port, Path(folder) / "chain" / AUTHORITY_NAME, random.Random(given.seed))
                grown = asyncio.run(abuse(target, given.seconds))
        told = ", ".join(f"{name} {count}" for name, count in sorted(target.sent.items()))
        print(f"seed {given.seed}: {told}; memory +{grown} MiB since the first turn")
        if errors.found:
            raise FaultError(f"{len(errors.found)} errors in the log: {errors.found[0]}")
        if grown > MEMORY_MEBIBYTES:
            raise FaultError(f"{grown} MiB more memory than after the first turn, the limit is {MEMORY_MEBIBYTES}")
    except FaultError as error:
        print(f"seed {given.seed}: {error}", file=sys.stderr)
        return 1
    finally:
        logging.getLogger().removeHandler(errors)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
