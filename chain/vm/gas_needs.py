"""The gas that a message must buy: for what comes before it runs, and for its data."""

from typing import NamedTuple

from zevm.chain.rules.forks import Fork, ForkRules
from zevm.chain.rules.gas import CREATION_GAS, INITCODE_WORD_GAS, TRANSACTION_GAS
from zevm.chain.types import Transaction
from zevm.chain.vm.interface import CallRequest

ZERO_BYTE_GAS = 4
NONZERO_BYTE_GAS = 16
NONZERO_BYTE_GAS_FRONTIER = 68
ACCESS_ADDRESS_GAS = 2400
ACCESS_SLOT_GAS = 1900
AUTHORIZATION_GAS = 25_000
FLOOR_TOKEN_GAS = 10


def intrinsic_gas(transaction: Transaction | CallRequest, rules: ForkRules) -> int:
    """The gas that a transaction costs before it runs (Yellow Paper 6.2; EIP-2028, 2930, 3860, 7702)."""
    data = transaction.data
    zeros = data.count(0)
    nonzero_gas = NONZERO_BYTE_GAS if rules.fork >= Fork.ISTANBUL else NONZERO_BYTE_GAS_FRONTIER
    gas = TRANSACTION_GAS + zeros * ZERO_BYTE_GAS + (len(data) - zeros) * nonzero_gas
    if transaction.to is None:
        if rules.fork >= Fork.HOMESTEAD:
            gas += CREATION_GAS
        if rules.fork >= Fork.SHANGHAI:
            gas += INITCODE_WORD_GAS * ((len(data) + 31) // 32)
    for entry in transaction.access_list:
        gas += ACCESS_ADDRESS_GAS + ACCESS_SLOT_GAS * len(entry.storage_keys)
    return gas + AUTHORIZATION_GAS * len(transaction.authorization_list or ())


def floor_gas(transaction: Transaction | CallRequest, rules: ForkRules) -> int:
    """The least gas that a transaction uses for its data (EIP-7623); 0 before Prague."""
    if rules.fork < Fork.PRAGUE:
        return 0
    zeros = transaction.data.count(0)
    tokens = zeros + 4 * (len(transaction.data) - zeros)
    return TRANSACTION_GAS + FLOOR_TOKEN_GAS * tokens


class GasNeeds(NamedTuple):
    """The least gas that a message must buy under a fork: for what comes before it runs, and for its data."""

    fork: Fork
    intrinsic: int
    floor: int


def gas_needs(message: Transaction | CallRequest, rules: ForkRules) -> GasNeeds:
    """The gas that a message must buy under these rules."""
    return GasNeeds(rules.fork, intrinsic_gas(message, rules), floor_gas(message, rules))
