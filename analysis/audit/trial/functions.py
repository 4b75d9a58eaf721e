"""Functions under trial: a selector, the types of its arguments, and the call data that fills them."""

from collections.abc import Iterator
from dataclasses import dataclass

from zevm.analysis.audit.trial.values import AMOUNTS, Filling, encoded
from zevm.chain.rules.units import ETHER


@dataclass(frozen=True, slots=True)
class TriedFunction:
    """A function. selector: b"" for a plain transfer of ether. types: comma-separated. payable: None if unknown."""

    name: str
    selector: bytes
    types: str
    changes_state: bool = True
    payable: bool | None = None

    def inputs(self, address: bytes) -> Iterator[bytes]:
        """Call data with an address of choice and amounts in turn, each once."""
        seen = set()
        for amount in AMOUNTS:
            data = self.input(address, amount)
            if data is not None and data not in seen:
                seen.add(data)
                yield data

    def input(self, address: bytes, amount: int = ETHER, data: bytes = b"") -> bytes | None:
        """Call data with one amount; None for types that cannot be encoded."""
        if not self.selector:
            return b""
        arguments = encoded(self.types, Filling(address, amount, data))
        return None if arguments is None else self.selector + arguments

    @property
    def values(self) -> tuple[int, ...]:
        """Wei to try to send."""
        return {True: (ETHER, 0), False: (0,), None: (0, ETHER)}[self.payable]
