"""Pairs of one primitive type that were swapped: addresses, hashes, wei and gas are types, and mypy refuses each line.

`make lint` proves it: where a line type-checks, mypy complains of its ignore, which nothing uses.
"""

from zevm.chain.types import Log, Withdrawal
from zevm.chain.types.block_reference import BlockReference
from zevm.chain.vm.frame import Frame
from zevm.chain.vm.host_interface import call, create
from zevm.storage.account import Account, AccountChange, StateReader
from zevm.storage.primitives import Address, Gas, Hash32, Wei


def right(state: StateReader, frame: Frame, address: Address, digest: Hash32, gas: Gas, wei: Wei) -> None:
    """A module that type-checks."""
    state.account(address)
    state.storage(address, 1)
    Log(address, (digest,), b"")
    Withdrawal(1, 2, address, 3)
    BlockReference(hash=digest)
    AccountChange(1, wei, digest)
    call(frame, 0xF1, gas, address, wei, b"")


def wrong(state: StateReader, frame: Frame, address: Address, digest: Hash32, gas: Gas, wei: Wei) -> None:
    """The same, swapped."""
    state.account(digest)  # type: ignore[arg-type]
    state.storage(digest, 1)  # type: ignore[arg-type]
    Log(digest, (address,), b"")  # type: ignore[arg-type]
    Withdrawal(1, 2, digest, 3)  # type: ignore[arg-type]
    BlockReference(hash=address)  # type: ignore[arg-type]
    state.account(b"")  # type: ignore[arg-type]
    Account(wei, 1)  # type: ignore[arg-type]
    AccountChange(1, gas, digest)  # type: ignore[arg-type]
    AccountChange(1, wei, address)  # type: ignore[arg-type]
    call(frame, 0xF1, wei, address, gas, b"")  # type: ignore[arg-type]
    create(frame, 0xF0, gas, b"", None)  # type: ignore[arg-type]
