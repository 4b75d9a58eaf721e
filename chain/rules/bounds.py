"""How large Ethereum's integers may be: a row for each kind of field. Every door that takes one from outside asks here.

Timestamps, numbers and gas limits have 64 bits in a block and half of that range at the doors, so that blocks can
follow for ever: clients keep them in signed integers, and geth bounds gas limits so too (params.MaxGasLimit).
"""

from typing import NamedTuple

from zevm.chain.errors import InvalidRequestError


class Bound(NamedTuple):
    """A kind of field and its largest value."""

    name: str
    most: int

    def check(self, value: int) -> int:
        """The value. Raises InvalidRequestError naming it and the limit."""
        if not 0 <= value <= self.most:
            raise InvalidRequestError(f"{self.name} {value} is out of range: want at most {self.most}")
        return value


TIMESTAMP = Bound("timestamp", 2**63 - 1)
TIMESTAMP_INTERVAL = Bound("interval between timestamps", 2**32 - 1)
BLOCK_NUMBER = Bound("block number", 2**63 - 1)
GAS_LIMIT = Bound("gas limit", 2**63 - 1)
BASE_FEE = Bound("base fee", 2**256 - 1)
GAS_PRICE = Bound("gas price", 2**256 - 1)
NONCE = Bound("nonce", 2**64 - 1)
BALANCE = Bound("balance", 2**256 - 1)
