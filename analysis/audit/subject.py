"""The contract under audit: its code, what is known of its source, and where it runs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from eth_utils.abi import abi_to_signature

from zevm.contracts.artifact import Abi
from zevm.storage.keccak import keccak256


@dataclass(frozen=True, slots=True)
class Subject:
    """One contract.

    code: as an account has it. creation: code that makes it, without the constructor's arguments; b"" if unknown.
    locate: offset in the code -> (file, line from 1), or None where no source is known. notes: doubts about what the
    code is, each a sentence.
    """

    name: str
    code: bytes
    creation: bytes = b""
    abi: Abi = field(default_factory=list)
    locate: Callable[[int], tuple[str, int] | None] = lambda _offset: None
    notes: tuple[str, ...] = ()

    @property
    def functions(self) -> list[dict[str, Any]]:
        """The functions of the ABI."""
        return [entry for entry in self.abi if entry.get("type") == "function"]

    @property
    def names(self) -> dict[bytes, str]:
        """Selector -> signature, by the ABI."""
        signatures = [abi_to_signature(entry) for entry in self.functions]  # type: ignore[arg-type]
        return {keccak256(signature.encode())[:4]: signature for signature in signatures}

    @property
    def constructor_types(self) -> str:
        """The types of the constructor's arguments, with commas."""
        for entry in self.abi:
            if entry.get("type") == "constructor":
                named = {**entry, "type": "function", "name": ""}
                return abi_to_signature(named)[1:-1]  # type: ignore[arg-type]
        return ""
