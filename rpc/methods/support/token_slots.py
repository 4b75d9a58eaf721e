"""The storage slot of an ERC-20 token's balance or allowance, found by calling the token.

Each slot that a known layout could use is overridden with a distinct number; the number that the token returns
identifies the slot. One call finds it among hundreds, and nothing is written.
"""

from collections.abc import Callable, Iterator, Mapping

from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address

BALANCE_OF = bytes.fromhex("70a08231")
ALLOWANCE = bytes.fromhex("dd62ed3e")
PLAIN_SLOTS = 256
MARK = 0x5A00_0000
"""Added to a candidate's number, so that no genuine balance looks like one."""


def _erc7201(namespace: bytes) -> int:
    inner = int.from_bytes(keccak256(namespace), "big") - 1
    return int.from_bytes(keccak256(inner.to_bytes(32, "big")), "big") & ~0xFF


NAMESPACES = (
    _erc7201(b"openzeppelin.storage.ERC20"),
    int.from_bytes(keccak256(b"solidstate.contracts.storage.ERC20Base"), "big"),
)
"""Roots of the storage structs of upgradeable tokens; the mappings are among their first fields."""

SOLADY_BALANCE_SEED = bytes.fromhex("87a211a2")
SOLADY_ALLOWANCE_SEED = bytes.fromhex("7f5e9f20")

Answer = Callable[[bytes, Mapping[int, int]], bytes | None]
"""(call data, slot -> overriding value) -> the token's result, or None if it fails."""


def _word(number: int | bytes) -> bytes:
    return number.to_bytes(32, "big") if isinstance(number, int) else number.rjust(32, b"\0")


def _solidity(root: bytes, key: bytes) -> bytes:
    return keccak256(_word(key) + root)


def _vyper(root: bytes, key: bytes) -> bytes:
    return keccak256(root + _word(key))


def _roots() -> Iterator[bytes]:
    yield from (_word(number) for number in range(PLAIN_SLOTS))
    yield from (_word(root + offset) for root in NAMESPACES for offset in range(4))


def _mapping_slots(*keys: bytes) -> Iterator[int]:
    for layout in (_solidity, _vyper):
        for slot in _roots():
            for key in keys:
                slot = layout(slot, key)
            yield int.from_bytes(slot, "big")


def balance_candidates(holder: bytes) -> list[int]:
    """The slots of `holder`'s balance in the known layouts."""
    solady = keccak256(holder + bytes(8) + SOLADY_BALANCE_SEED)
    return [*_mapping_slots(holder), int.from_bytes(solady, "big")]


def allowance_candidates(owner: Address, spender: Address) -> list[int]:
    """The slots of `spender`'s allowance from `owner` in the known layouts."""
    solady = keccak256(owner + bytes(8) + SOLADY_ALLOWANCE_SEED + spender)
    return [*_mapping_slots(owner, spender), int.from_bytes(solady, "big")]


def find_balance_slot(answer: Answer, holder: bytes) -> int | None:
    """The token's storage slot of `holder`'s balance, or None if no layout matches."""
    return _find(answer, BALANCE_OF + _word(holder), balance_candidates(holder))


def find_allowance_slot(answer: Answer, owner: Address, spender: Address) -> int | None:
    """The token's storage slot of the allowance, or None if no layout matches."""
    return _find(answer, ALLOWANCE + _word(owner) + _word(spender), allowance_candidates(owner, spender))


def _find(answer: Answer, data: bytes, candidates: list[int]) -> int | None:
    marked = {slot: MARK + index for index, slot in enumerate(candidates)}
    output = answer(data, marked)
    if output is None or len(output) < 32:
        return None
    index = int.from_bytes(output[:32], "big") - MARK
    return candidates[index] if 0 <= index < len(candidates) else None
