"""The ways from followers to their leader: a relay for each, on loopback or between two network namespaces.

A relay loses, repeats, reorders, delays, slows down and cuts. With namespaces a pair of virtual interfaces is between
leader and followers, and a cut takes one of them down; where the kernel has netem, it loses packets as well.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import threading
from contextlib import AsyncExitStack, ExitStack
from dataclasses import asdict, replace
from random import Random

from testing.udp_relay import Faults, Relay, relayed
from verification.replication.warm import enter_namespace

LOOPBACK = "127.0.0.1"
_LEADERS_HOST, _FOLLOWERS_HOST = "10.77.0.1", "10.77.0.2"
_LEADERS_END, _FOLLOWERS_END = "zevm-leader", "zevm-replica"
CLEAR = Faults()
WEATHER = {
    "clear": CLEAR,
    "lossy": Faults(loss=0.2, repetition=0.1, reordering=0.2),
    "far": Faults(delay_seconds=0.08, loss=0.02),
    "slow": Faults(bytes_per_second=64 * 1024),
    "cut": Faults(loss=1.0),
}
"""A way's condition -> what its relay does."""

_SHARES = {"clear": 5, "lossy": 2, "far": 1, "slow": 1, "cut": 1}


class Namespaces:
    """Two network namespaces with a cable between them. leaders, followers: processes that hold them."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        try:
            self.leaders, self.followers = self._hold(), self._hold()
            ends = (_LEADERS_END, "type", "veth", "peer", "name", _FOLLOWERS_END)
            self._in(self.leaders, "ip", "link", "add", *ends, "netns", str(self.followers))
            for pid, end, host in (
                (self.leaders, _LEADERS_END, _LEADERS_HOST),
                (self.followers, _FOLLOWERS_END, _FOLLOWERS_HOST),
            ):
                self._in(pid, "ip", "link", "set", "lo", "up")
                self._in(pid, "ip", "address", "add", f"{host}/24", "dev", end)
                self._in(pid, "ip", "link", "set", end, "up")
            self.loses = self._tried(
                self.leaders, "tc", "qdisc", "add", "dev", _LEADERS_END, "root", "netem", "loss", "5%"
            )
        except BaseException:
            self.close()
            raise

    def cut(self) -> None:
        """Take the leader's interface down."""
        self._in(self.leaders, "ip", "link", "set", _LEADERS_END, "down")

    def heal(self) -> None:
        """Take it up again."""
        self._in(self.leaders, "ip", "link", "set", _LEADERS_END, "up")

    def close(self) -> None:
        """Give up both namespaces, and the cable with them."""
        self._stack.close()

    def _hold(self) -> int:
        """A new namespace, for as long as its process lives; that process's number."""
        process = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        assert process.stdin is not None
        assert process.stdout is not None
        # it answers once it is in its namespace
        process.stdin.write(b"\n")
        process.stdin.flush()
        if process.stdout.read(1) != b"\n":
            raise OSError("no network namespace can be made: unshare --net is not allowed")
        return process.pid

    @staticmethod
    def _in(pid: int, *command: str) -> None:
        subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", *command], check=True, capture_output=True)

    @classmethod
    def _tried(cls, pid: int, *command: str) -> bool:
        try:
            cls._in(pid, *command)
        except (OSError, subprocess.CalledProcessError):
            return False
        return True


class Network:
    """A way for each of some followers, over a relay of its own. Used on any thread."""

    def __init__(self, count: int, random: Random, namespaces: Namespaces | None = None) -> None:
        self._random = random
        self._namespaces = namespaces
        self.host = LOOPBACK if namespaces is None else _LEADERS_HOST
        self.quic_port = _free_port()
        self.ports = [_free_port() for _ in range(count)]
        self.weather = ["clear"] * count
        self._faults = [replace(CLEAR, seed=random.randrange(1 << 32)) for _ in range(count)]
        self._relays: list[Relay] = []
        self._is_open, self._stopping = threading.Event(), asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="relays", daemon=True)
        self._thread.start()
        if not self._is_open.wait(10):
            raise OSError("the relays do not start")

    @property
    def followers_namespace(self) -> int | None:
        """The process in whose namespace followers run; None for this one's."""
        return None if self._namespaces is None else self._namespaces.followers

    @property
    def leaders_namespace(self) -> int | None:
        """Likewise for the leader."""
        return None if self._namespaces is None else self._namespaces.leaders

    def change_weather(self) -> None:
        """Give each way another condition."""
        for number in range(len(self.ports)):
            self._set(number, self._random.choices(tuple(_SHARES), tuple(_SHARES.values()))[0])
        if self._namespaces is not None and self._random.random() < 0.2:
            self._namespaces.cut()

    def heal(self) -> None:
        """Join what is cut, and leave other conditions as they are."""
        for number, condition in enumerate(self.weather):
            if condition == "cut":
                self._set(number, "clear")
        if self._namespaces is not None:
            self._namespaces.heal()

    def clear(self) -> None:
        """Make every way a good one."""
        for number in range(len(self.ports)):
            self._set(number, "clear")

    def states(self) -> list[dict[str, object]]:
        """Each way's condition, with what its relay has done."""
        return [
            {"weather": condition, **asdict(faults), **asdict(relay.counts)}
            for condition, faults, relay in zip(self.weather, self._faults, self._relays, strict=True)
        ]

    def close(self) -> None:
        """End the relays."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _set(self, number: int, condition: str) -> None:
        self.weather[number] = condition
        faults, wanted = self._faults[number], WEATHER[condition]
        for name in ("loss", "repetition", "reordering", "delay_seconds", "bytes_per_second"):
            setattr(faults, name, getattr(wanted, name))

    def _run(self) -> None:
        if self._namespaces is not None:
            enter_namespace(self._namespaces.followers)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        async with AsyncExitStack() as stack:
            for port, faults in zip(self.ports, self._faults, strict=True):
                way = relayed(self.host, self.quic_port, faults, own_port=port, records=False)
                self._relays.append(await stack.enter_async_context(way))
            self._is_open.set()
            await self._stopping.wait()


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
