"""methods.support.token_slots: the layouts of Solidity, Vyper, OpenZeppelin's upgradeable tokens and Solady."""

from collections.abc import Callable, Mapping

import pytest

from zevm.rpc.methods.support.token_slots import (
    ALLOWANCE,
    BALANCE_OF,
    SOLADY_ALLOWANCE_SEED,
    SOLADY_BALANCE_SEED,
    find_allowance_slot,
    find_balance_slot,
)
from zevm.storage.keccak import keccak256

HOLDER = b"\x11" * 20
SPENDER = b"\x22" * 20
OPENZEPPELIN = bytes.fromhex("52c63247e1f47db19d5ce0460030c497f067ca4cebf71ba98eeadabe20bace00")


def word(value: int | bytes) -> bytes:
    return value.to_bytes(32, "big") if isinstance(value, int) else value.rjust(32, b"\0")


def solidity(root: bytes, *keys: bytes) -> bytes:
    for key in keys:
        root = keccak256(word(key) + root)
    return root


def vyper(root: bytes, *keys: bytes) -> bytes:
    for key in keys:
        root = keccak256(root + word(key))
    return root


def token(slot: bytes, expected: bytes) -> Callable[[bytes, Mapping[int, int]], bytes]:
    """A token that answers the call data `expected` with the slot's value."""

    def answer(data: bytes, storage: Mapping[int, int]) -> bytes:
        assert data == expected
        return word(storage.get(int.from_bytes(slot, "big"), 0))

    return answer


@pytest.mark.parametrize(
    "slot",
    [
        solidity(word(0), HOLDER),
        solidity(word(255), HOLDER),
        vyper(word(3), HOLDER),
        solidity(OPENZEPPELIN, HOLDER),
        keccak256(HOLDER + bytes(8) + SOLADY_BALANCE_SEED),
    ],
)
def test_balance_slot(slot: bytes) -> None:
    found = find_balance_slot(token(slot, BALANCE_OF + word(HOLDER)), HOLDER)
    assert found == int.from_bytes(slot, "big")


@pytest.mark.parametrize(
    "slot",
    [
        solidity(word(1), HOLDER, SPENDER),
        vyper(word(4), HOLDER, SPENDER),
        keccak256(HOLDER + bytes(8) + SOLADY_ALLOWANCE_SEED + SPENDER),
    ],
)
def test_allowance_slot(slot: bytes) -> None:
    found = find_allowance_slot(token(slot, ALLOWANCE + word(HOLDER) + word(SPENDER)), HOLDER, SPENDER)
    assert found == int.from_bytes(slot, "big")


@pytest.mark.parametrize("output", [None, b"", b"\x01", word(0), word(1_000), word(2**255)])
def test_no_layout_fits(output: bytes | None) -> None:
    assert find_balance_slot(lambda _data, _storage: output, HOLDER) is None
