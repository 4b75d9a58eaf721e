"""Twins from their sources: forge's artifacts for Solidity, this project's builder for Zig."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from testing.contracts import CONTRACTS, EXAMPLES, build_examples, compiled
from testing.twins.deployed import Code

Language = Literal["solidity", "zig"]
LANGUAGES: tuple[Language, ...] = ("solidity", "zig")


@dataclass(frozen=True, slots=True)
class Twin:
    """One contract in two languages: the artifact's name in examples, and the source in contracts/zig."""

    solidity: str
    zig: str


TWINS = {
    "simple_token": Twin("SimpleToken", "simple_token.zig"),
    "token": Twin("TwinToken", "token.zig"),
    "managed_token": Twin("ManagedToken", "managed_token.zig"),
    "owned_collectible": Twin("OwnedCollectible", "owned_collectible.zig"),
    "items": Twin("Items", "items.zig"),
    "multisig": Twin("Multisig", "multisig.zig"),
    "escrow": Twin("Escrow", "escrow.zig"),
    "exchange": Twin("Exchange", "exchange.zig"),
    "registry": Twin("Registry", "registry.zig"),
    "zns_registry": Twin("ZnsRegistry", "zns_registry.zig"),
    "zns_resolver": Twin("ZnsResolver", "zns_resolver.zig"),
    "zns_registrar": Twin("ZnsRegistrar", "zns_registrar.zig"),
    "zns_reverse_registrar": Twin("ZnsReverseRegistrar", "zns_reverse_registrar.zig"),
    "zns_universal_resolver": Twin("ZnsUniversalResolver", "zns_universal_resolver.zig"),
}
"""Every contract that both languages have, by the name of its Zig source."""


@cache
def solidity(name: str) -> Code:
    """A contract of examples/src, examples/twins or contracts/zns. Raises RuntimeError with forge's text."""
    profiles = ("zns",) if name.startswith("Zns") else ("default", "twins")
    for profile in profiles:
        build_examples(profile)
    folder = EXAMPLES / "out" / "zns" if profiles == ("zns",) else EXAMPLES / "out"
    built = json.loads(next(folder.glob(f"*.sol/{name}.json")).read_text())
    return _code(built)


@cache
def zig(source: str) -> Code:
    """A contract of contracts/zig. Raises BuildError."""
    return _code(compiled(CONTRACTS / "zig" / source).as_json())


def code_of(twin: str, language: Language) -> Code:
    """One of TWINS in one language."""
    return _COMPILERS[language](TWINS[twin])


_COMPILERS: dict[Language, Callable[[Twin], Code]] = {
    "solidity": lambda twin: solidity(twin.solidity),
    "zig": lambda twin: zig(twin.zig),
}


def _code(built: dict[str, Any]) -> Code:
    return Code(built["abi"], bytes.fromhex(built["bytecode"]["object"][2:]), built.get("storageLayout", {}))
