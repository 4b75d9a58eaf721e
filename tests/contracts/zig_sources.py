"""Compile Zig sources of tests, and run them on a chain in memory."""

import re
from functools import cache

from testing.contracts import CACHE
from tests.chain.vm.support import CONTRACT, FakeAccount
from tests.chain.zvm.contracts import accounts_of, executor, request_to
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import Outcome
from zevm.contracts import Artifact, BuildError, BuildOptions, compile_zig
from zevm.storage.keccak import keccak256

PANIC = bytes.fromhex("4e487b71")


@cache
def artifact(source: str, *, source_map: bool = False) -> Artifact:
    """The artifact of a source. Raises BuildError with the compiler's text."""
    return compile_zig(source, "contract", BuildOptions(cache=CACHE, source_map=source_map))


def compiled(source: str) -> bytes:
    """The module of a source. Raises BuildError with the compiler's text."""
    module = artifact(source).module
    assert module is not None
    return module


def errors_of(source: str) -> list[str]:
    """The errors by which the compiler refuses a source, without their places; none where it compiles."""
    try:
        compiled(source)
    except BuildError as error:
        return re.findall(r"\S:\d+:\d+: error: (.*)$", str(error), flags=re.MULTILINE)
    return []


def running(source: str, others: dict[bytes, bytes] | None = None, **environment: object) -> Executor:
    """A state in which the source's contract is at CONTRACT, and these codes at their addresses."""
    accounts = {CONTRACT: FakeAccount(nonce=1, code=compiled(source))} | accounts_of(others or {})
    return executor(accounts, **environment)


def selector(signature: str) -> bytes:
    return keccak256(signature.encode())[:4]


def call(runner: Executor, signature: str, arguments: bytes = b"", **changes: object) -> Outcome:
    """An eth_call of the contract's function with encoded arguments."""
    return runner.call(request_to(CONTRACT, selector(signature) + arguments, **changes))


def panic(code: int) -> bytes:
    """The revert data of Panic(uint256)."""
    return PANIC + code.to_bytes(32, "big")
