"""Call data for contracts/load/probe.zig: lists of steps, and random ones."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from random import Random

WORD = 32
MOST_STEPS = 6
STEP_BYTES_LIMIT = 0xFFFF


class Step(IntEnum):
    """The kinds of steps, numbered as in probe.zig."""

    KEEP = 0
    LOAD = 1
    STORE = 2
    TRANSIENT = 3
    CALL = 4
    CREATE = 5
    LOG = 6
    FACTS = 7
    NUMBERS = 8
    WORK = 9
    GROW = 10
    DEEP = 11
    SPIN = 12
    TRAP = 13
    EXIT = 14
    DESTRUCT = 15


CALL_KINDS = (0, 1, 2)
"""CALL, DELEGATECALL, STATICCALL."""


def step(kind: Step, *parts: bytes) -> bytes:
    """One step."""
    body = b"".join(parts)
    if len(body) > STEP_BYTES_LIMIT:
        raise ValueError(f"a step of {len(body)} bytes; at most {STEP_BYTES_LIMIT}")
    return bytes((kind,)) + len(body).to_bytes(2, "little") + body


def call_step(kind: int, target: bytes, data: bytes, *, gas: int = 1 << 62, value_wei: int = 0) -> bytes:
    """A call out. kind: of CALL_KINDS."""
    return step(Step.CALL, bytes((kind,)), gas.to_bytes(8, "little"), target, value_wei.to_bytes(WORD, "big"), data)


def create_step(code: bytes, *, salt: int | None = None, value_wei: int = 0) -> bytes:
    """A creation; by CREATE2 with a salt."""
    numbers = value_wei.to_bytes(WORD, "big") + (salt or 0).to_bytes(WORD, "big")
    return step(Step.CREATE, bytes((salt is not None,)), numbers, code)


class ProbeData:
    """Random call data. accounts: whom it asks about, calls and pays; creations: what it creates."""

    def __init__(self, random: Random, accounts: Sequence[bytes], creations: Sequence[bytes]) -> None:
        self.random = random
        self.accounts = accounts
        self.creations = [code for code in creations if len(code) < STEP_BYTES_LIMIT - 100]

    def make(self, depth: int = 3) -> bytes:
        """A list of steps; calls to probes nest to `depth`. Most lists end by keeping what they saw."""
        steps = [self._step(depth) for _ in range(self.random.randrange(1, MOST_STEPS))]
        if self.random.random() < 0.8:
            steps.append(step(Step.KEEP, self._slot()))
        if self.random.random() < 0.25:
            steps.append(self._ending())
        return b"".join(steps)

    def _step(self, depth: int) -> bytes:
        table = {
            self._load: 4, self._store: 5, self._transient: 2, self._log: 3, self._facts: 3, self._numbers: 2,
            self._work: 3, self._grow: 2, self._deep: 2, self._create: 1,
        }  # fmt: skip
        if depth:
            return self.random.choices([self._call, *table], [8, *table.values()])[0](depth)
        return self.random.choices(list(table), list(table.values()))[0](depth)

    def _slot(self) -> bytes:
        return self.random.randrange(12).to_bytes(WORD, "big")

    def _word(self) -> bytes:
        return (self.random.getrandbits(256) if self.random.random() < 0.7 else 0).to_bytes(WORD, "big")

    def _load(self, _: int) -> bytes:
        return step(Step.LOAD, self._slot())

    def _store(self, _: int) -> bytes:
        return step(Step.STORE, self._slot(), self._word())

    def _transient(self, _: int) -> bytes:
        return step(Step.TRANSIENT, self._slot(), self._word())

    def _log(self, _: int) -> bytes:
        topics = self.random.randrange(6)  # 5 is one too many
        data = self.random.randbytes(WORD * topics + self.random.randrange(100))
        return step(Step.LOG, bytes((topics,)), data)

    def _facts(self, _: int) -> bytes:
        return step(Step.FACTS, self.random.choice(self.accounts))

    def _numbers(self, _: int) -> bytes:
        return step(Step.NUMBERS, self._word(), self._word(), self._word())

    def _work(self, _: int) -> bytes:
        return step(Step.WORK, self.random.randrange(20_000).to_bytes(4, "little"))

    def _grow(self, _: int) -> bytes:
        pages = self.random.choice((0, 1, 1, 2, 5, 40, 2_000))
        return step(Step.GROW, pages.to_bytes(4, "little"))

    def _deep(self, _: int) -> bytes:
        return step(Step.DEEP, self.random.choice((3, 50, 1_000, 100_000)).to_bytes(4, "little"))

    def _create(self, _: int) -> bytes:
        salt = self.random.choice((None, self.random.randrange(3)))
        return create_step(self.random.choice(self.creations), salt=salt, value_wei=self.random.choice((0, 0, 1)))

    def _call(self, depth: int) -> bytes:
        gas = self.random.choice((1 << 62, 1 << 62, 100_000, 3_000, 0))
        value_wei = self.random.choice((0, 0, 0, 1))
        target = self.random.choice(self.accounts)
        return call_step(self.random.choice(CALL_KINDS), target, self.make(depth - 1), gas=gas, value_wei=value_wei)

    def _ending(self) -> bytes:
        return self.random.choice(
            (
                step(Step.TRAP),
                step(Step.SPIN),
                step(Step.EXIT, bytes((self.random.randrange(4),))),
                step(Step.DESTRUCT, self.random.choice(self.accounts)),
            )
        )
