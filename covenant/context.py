"""The caller's side of an execution: who calls, with what, and what it has used so far."""

from dataclasses import dataclass, field

from zevm.chain.types import Log
from zevm.covenant.errors import InsufficientGas
from zevm.covenant.values import MAXIMUM_GAS, MAXIMUM_WEI, ContractAddress, GasLimit, checked_address, checked_integer


@dataclass(slots=True)
class ExecutionContext:
    """One caller's budget and the block that its calls see. Several calls may share a context, and its gas.

    sender, origin: 20 bytes; the origin is the sender unless given. gas_limit, gas_used: gas. value: wei that the next
    call sends. data: the last call's data, selector included. block_number, timestamp (Unix seconds): of the block that
    contracts see. timeout_ms: wall-clock limit of one call, None for none but its gas. logs, console: those of the last
    call that succeeded. Raises InvalidParameters for values out of range.
    """

    sender: ContractAddress
    gas_limit: GasLimit
    origin: ContractAddress = b""
    gas_used: GasLimit = 0
    value: int = 0
    data: bytes = b""
    block_number: int = 0
    timestamp: int = 0
    timeout_ms: int | None = None
    logs: tuple[Log, ...] = field(default=(), compare=False)
    console: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        self.origin = self.origin or self.sender
        self.check()

    def check(self) -> None:
        """Raise InvalidParameters for a field out of range: they may have been changed since."""
        checked_address(self.sender, "sender")
        checked_address(self.origin, "origin")
        checked_integer(self.gas_limit, MAXIMUM_GAS, "gas_limit")
        checked_integer(self.gas_used, self.gas_limit, "gas_used")
        checked_integer(self.value, MAXIMUM_WEI, "value")
        checked_integer(self.block_number, MAXIMUM_GAS, "block_number")
        checked_integer(self.timestamp, MAXIMUM_GAS, "timestamp")
        if self.timeout_ms is not None:
            checked_integer(self.timeout_ms, MAXIMUM_GAS, "timeout_ms")

    @property
    def gas_left(self) -> GasLimit:
        """Gas that further calls may use."""
        return self.gas_limit - self.gas_used

    def consume_gas(self, amount: GasLimit) -> None:
        """Use gas. Raises InsufficientGas, and uses none, if less is left."""
        checked_integer(amount, MAXIMUM_GAS, "amount")
        if amount > self.gas_left:
            raise InsufficientGas(
                f"{amount} gas is needed, {self.gas_left} of {self.gas_limit} is left; raise gas_limit"
            )
        self.gas_used += amount
