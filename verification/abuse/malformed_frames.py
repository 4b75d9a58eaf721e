"""Give malformed frames by the million to the protocols of a node's QUIC port, in this process and without a socket.

    python -m verification.abuse.malformed_frames --count 1000000 --seed 7

Subjects take turns: both messages of zvm/1, streams of zvm/1, zvm-sync/1 and HTTP/3 that end, are reset or broken off
at every stage, the messages of zvm-sync/1, first datagrams, frames within packets of an open connection, and names.
Each must end in a result, a refusal of its protocol or a code of docs/quic.md; no other exception may arise, the log
may hold no error, and nothing may stay held. The same count and seed give the same bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import resource
import socket
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aioquic.quic import events

import zevm
from verification.abuse import frame_makers as makers
from verification.abuse.broken_packets import Endpoint, FaultError, broken_datagram, broken_packets
from verification.abuse.memory_quic import MemoryConnection
from zevm.chain.errors import InvalidNameError
from zevm.chain.rules.name_service import dns_form, namehash, normalised
from zevm.covenant.errors import InvalidParameters
from zevm.node.replication import messages as sync
from zevm.rpc.transport.quic.codes import AUTHENTICATION_REQUIRED, BAD_FRAME, BUSY, DEADLINE, TOO_LARGE
from zevm.rpc.transport.quic.streams import StreamResetError
from zevm.rpc.transport.quic.zvm import messages as zvm

CODES = {TOO_LARGE, BAD_FRAME, BUSY, AUTHENTICATION_REQUIRED, DEADLINE}
STREAMS = 16
"""Of one connection, before it is closed."""
MEMORY_MEBIBYTES = 96
PROGRESS_FRAMES = 100_000
LIMITS: dict[str, Any] = {
    "rpc_quic_body_seconds": 2.0,
    "rpc_quic_handshake_seconds": 0.5,
    "rpc_quic_idle_seconds": 1.0,
    "rpc_quic_connections_per_address": 100_000,
}
GIVING_UP: dict[str, type[events.StreamReset | events.StopSendingReceived]] = {
    "reset": events.StreamReset,
    "stop": events.StopSendingReceived,
}
Report = Counter[str]


class Subjects:
    """The parts that are attacked, in the node's process and on its event loop."""

    def __init__(self, server: Any, chance: random.Random, report: Report) -> None:
        self._protocols, self._key = server.quic._protocols, server.quic.server_key_hash
        self._port = server.quic
        self._chance = chance
        self._report = report
        self.endpoint = Endpoint(server.quic)

    async def zvm_messages(self, count: int) -> None:
        """Requests and results of zvm/1, decoded."""
        for number in range(count):
            make, decode, encode = (
                (makers.zvm_request, zvm.decode_request, zvm.encode_request),
                (makers.zvm_result, zvm.decode_result, zvm.encode_result),
            )[number % 2]
            data = make(self._chance)
            if self._chance.random() < 0.3:
                data = makers.damaged(self._chance, data)
            try:
                found = cast(Any, decode)(data)
            except (zvm.MessageError, InvalidParameters) as error:
                self._report[f"zvm message: {type(error).__name__}"] += 1
                continue
            except Exception as error:
                raise FaultError(f"a message of zvm/1: {error!r}: {data.hex()}") from error
            self._report["zvm message: read"] += 1
            if cast(Any, encode)(found) != data:
                raise FaultError(f"a message of zvm/1 is read as other bytes: {data.hex()}")

    async def sync_messages(self, count: int) -> None:
        """Messages of zvm-sync/1, decoded."""
        kinds = list(makers.SYNC_DECODERS)
        for number in range(count):
            kind = kinds[number % len(kinds)]
            data = makers.sync_message(self._chance, kind)
            try:
                makers.SYNC_DECODERS[kind](data)
            except sync.MessageError:
                self._report["sync message: MessageError"] += 1
            except Exception as error:
                raise FaultError(f"{kind.name} of zvm-sync/1: {error!r}: {data.hex()}") from error
            else:
                self._report["sync message: read"] += 1

    async def names(self, count: int) -> None:
        """Names, normalised: what is normal stays as it is."""
        for _ in range(count):
            text = makers.name(self._chance)
            try:
                found = normalised(text)
                if normalised(found) != found:
                    raise FaultError(f"{found!r}, the normal form of {text!r}, is not normal")
                namehash(found)
                dns_form(found)
            except InvalidNameError:
                self._report["name: InvalidNameError"] += 1
            except FaultError:
                raise
            except Exception as error:
                raise FaultError(f"the name {text!r}: {error!r}") from error
            else:
                self._report["name: normal"] += 1

    async def zvm_streams(self, count: int) -> None:
        """Streams of zvm/1."""
        await self._streams("zvm/1", lambda: makers.zvm_stream(self._chance, self._key), count, self._judge_zvm)

    async def sync_streams(self, count: int) -> None:
        """Streams of zvm-sync/1."""
        await self._streams("zvm-sync/1", lambda: makers.sync_stream(self._chance), count, self._count_end)

    async def http_streams(self, count: int) -> None:
        """Connections of HTTP/3."""
        while count > 0:
            requests = self._chance.randrange(1, 8)
            count -= requests
            connection = MemoryConnection(self._protocols["h3"])
            for stream_id, data, ends in makers.HttpMaker(self._chance, requests).parts():
                self._in_parts(connection, stream_id, data, ends=ends)
            await self._close(connection)
            code = connection.quic.close_code
            self._report["h3: open" if code is None else f"h3: closed with 0x{code:x}"] += requests

    async def datagrams(self, count: int) -> None:
        """First datagrams."""
        for number in range(count):
            self.endpoint.receive(broken_datagram(self._chance))
            self._report["datagram"] += 1
            if number % 16 == 0:
                await asyncio.sleep(0)

    async def frames_in_packets(self, count: int) -> None:
        """Malformed frames that are encrypted as they should be."""
        while count > 0:
            sent, outcome = await broken_packets(self.endpoint, self._chance)
            count -= sent
            self._report[f"frame in a packet: {outcome}"] += sent

    async def _streams(
        self, alpn: str, make: Callable[[], bytes], count: int, judge: Callable[[MemoryConnection, int, str], None]
    ) -> None:
        while count > 0:
            connection = MemoryConnection(self._protocols[alpn])
            ends: dict[int, str] = {}
            for stream_id in range(0, 4 * min(STREAMS, count), 4):
                ends[stream_id] = self._chance.choices(("end", "reset", "stop", "nothing"), (7, 1, 1, 1))[0]
                self._in_parts(connection, stream_id, make(), ends=ends[stream_id] == "end")
                if ends[stream_id] in GIVING_UP:
                    connection.give_up(stream_id, GIVING_UP[ends[stream_id]], self._chance.randrange(2**62))
            count -= len(ends)
            await self._close(connection, [number for number, end in ends.items() if end == "end"])
            for stream_id, end in ends.items():
                judge(connection, stream_id, end)

    def _in_parts(self, connection: MemoryConnection, stream_id: int, data: bytes, *, ends: bool) -> None:
        while self._chance.random() < 0.3 and len(data) > 1:
            cut = self._chance.randrange(1, len(data))
            connection.give(stream_id, data[:cut], ends=False)
            data = data[cut:]
        connection.give(stream_id, data, ends=ends)

    async def _close(self, connection: MemoryConnection, awaited: list[int] | None = None) -> None:
        """Wait for the streams that have ended, close the connection, and see that nothing is held."""
        receiver = connection.receiver
        tasks = receiver._tasks
        waited = list(tasks) if awaited is None else [tasks[number] for number in awaited if number in tasks]
        if waited:
            # a stream that does not end by itself has its deadline
            await asyncio.wait(waited, timeout=0.5 if awaited is None else 20)
        receiver.closed(StreamResetError("the connection has ended"))
        rest = list(tasks.values() if isinstance(tasks, dict) else tasks)
        if rest:
            _, late = await asyncio.wait(rest, timeout=20)
            if late:
                raise FaultError(f"{len(late)} streams of {type(receiver).__name__} go on after their connection's end")
        if connection.held_bytes or connection.pending_bytes or any(connection.unread.values()):
            raise FaultError(
                f"{type(receiver).__name__} holds {connection.held_bytes}, {connection.pending_bytes} bytes"
            )

    def _judge_zvm(self, connection: MemoryConnection, stream_id: int, end: str) -> None:
        quic = connection.quic
        if end != "end":
            self._report[f"zvm stream: {end}"] += 1
            return
        code = quic.resets.get(stream_id)
        if code is not None:
            if code not in CODES:
                raise FaultError(f"a stream of zvm/1 was reset with 0x{code:x}")
            self._report[f"zvm stream: 0x{code:x}"] += 1
            return
        reply = bytes(quic.sent.get(stream_id, b""))
        if int.from_bytes(reply[:4], "big") != len(reply) - 4:
            raise FaultError(f"a stream of zvm/1 ended with {reply.hex()}")
        self._report[f"zvm stream: {zvm.decode_result(reply[4:]).status.name}"] += 1

    def _count_end(self, connection: MemoryConnection, stream_id: int, end: str) -> None:
        code = connection.quic.resets.get(stream_id)
        if code is not None and code not in CODES:
            raise FaultError(f"a stream of zvm-sync/1 was reset with 0x{code:x}")
        answered = bool(connection.quic.sent.get(stream_id))
        self._report[f"sync stream: {end}, {'answered' if answered else 'no answer'}"] += 1


SHARES: dict[Callable[[Subjects, int], Awaitable[None]], float] = {
    Subjects.zvm_messages: 0.4,
    Subjects.sync_messages: 0.2,
    Subjects.names: 0.15,
    Subjects.zvm_streams: 0.1,
    Subjects.sync_streams: 0.05,
    Subjects.http_streams: 0.05,
    Subjects.datagrams: 0.04,
    Subjects.frames_in_packets: 0.01,
}
"""Parts of the count: the dearer, the fewer."""


async def attack(server: Any, chance: random.Random, count: int, seconds: float, report: Report) -> int:
    """Attack in turns; the frames that were given. Raises FaultError."""
    subjects, given, until = Subjects(server, chance, report), 0, time.monotonic() + seconds
    turn = min(count, 10_000)
    try:
        while given < count and time.monotonic() < until:
            for subject, share in SHARES.items():
                await subject(subjects, max(1, round(turn * share)))
            given += turn
            if given % PROGRESS_FRAMES < turn:
                print(f"{given:,} frames; memory at most {_memory_mebibytes()} MiB", flush=True)
    finally:
        subjects.endpoint.restore()
    return given


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        self.found.append(f"{text}: {record.exc_info[1]!r}" if record.exc_info else text)


def _memory_mebibytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_024


def run(count: int, seed: int, seconds: float = float("inf")) -> tuple[int, int, Report]:
    """The frames that were given, the growth of memory after the first turn (MiB), and how they ended.

    Raises FaultError.
    """
    errors, report = _Errors(), Report()
    logging.getLogger().addHandler(errors)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        with zevm.Node(quic_port=port, **LIMITS) as node:
            server, chance, door = node._opened().server, random.Random(seed), node._door()
            first = door.run(attack(server, chance, min(count, 10_000), seconds, report)).result()
            before, until = _memory_mebibytes(), time.monotonic() + seconds
            rest = count - first
            given = first + door.run(attack(server, chance, rest, until - time.monotonic(), report)).result()
            grown = _memory_mebibytes() - before
            if node.request("eth_chainId") != "0x7a69":
                raise FaultError("the node does not answer as before")
    finally:
        logging.getLogger().removeHandler(errors)
    if errors.found:
        raise FaultError(f"{len(errors.found)} errors in the log: {errors.found[0]}")
    if grown > MEMORY_MEBIBYTES:
        raise FaultError(f"{grown} MiB more memory than after the first turn, the limit is {MEMORY_MEBIBYTES}")
    return given, grown, report


def main(arguments: list[str] | None = None) -> int:
    """Run the campaign; 1 if it found something."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time, with fewer frames")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    given = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        count, grown, report = run(given.count, given.seed, given.seconds)
    except FaultError as error:
        print(f"seed {given.seed}: {error}", file=sys.stderr)
        return 1
    for name, number in sorted(report.items()):
        print(f"{name}: {number}")
    seconds = time.monotonic() - began
    print(
        f"seed {given.seed}: {count} frames in {seconds:.0f} s; memory +{grown} MiB, at most {_memory_mebibytes()} MiB"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
