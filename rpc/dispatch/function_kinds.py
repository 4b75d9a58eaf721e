"""Kinds of calls of functions: what those have in common that take about the same time, over HTTP and over QUIC."""

from collections.abc import Sequence
from typing import Any

from zevm.chain.types.block_reference import BlockReference
from zevm.chain.types.selectors import SELECTOR_BYTES
from zevm.covenant.values import ADDRESS_BYTES
from zevm.rpc.execution.durations import Kind
from zevm.rpc.services import Services
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address

BRIEF_DATA_BYTES = 16 * 1024
"""Most bytes of call data."""
BRIEF_MODULE_BYTES = 16 * 1024
"""Most bytes of a module that comes with a call: they are hashed."""
BRIEF_NAME_LENGTH = 64
"""Longest name of a function; it is kept with its time."""
BRIEF_INTEGERS = 16
"""Most integers that a function takes."""


def kind_of_function_call(
    services: Services,
    call: dict[str, Any],
    block: BlockReference,  # noqa: ARG001
) -> Kind | None:
    """Calls of the same function of the same code, as zvm_executeFunction takes them; None for those never short."""
    code = call.get("module") or call["address"]
    return kind_of_function(services, code, call.get("name"), call.get("arguments", b""))


def kind_of_function(
    services: Services, code: bytes, name: str | None, arguments: bytes | Sequence[int]
) -> Kind | None:
    """Calls of the same function; None for those never short. code: a module, or a contract's address."""
    is_bytes = isinstance(arguments, bytes)
    if (
        len(code) > BRIEF_MODULE_BYTES
        or len(name or "") > BRIEF_NAME_LENGTH
        or len(arguments) > (BRIEF_DATA_BYTES if is_bytes else BRIEF_INTEGERS)
        # a program that is shown every instruction
        or services.chain.options.watcher is not None
    ):
        return None
    if len(code) != ADDRESS_BYTES:
        return keccak256(code), name
    account = services.chain.head.state.account(Address(code))
    return None if account is None else (account.code_hash, name, arguments[:SELECTOR_BYTES] if is_bytes else None)
