"""Code of an account against code of a compiler: all of it must be equal but what a deployment fills in.

The two kinds of match are Sourcify's (https://docs.sourcify.dev/docs/exact-match-vs-match/): exact where the hash of
the sources in the metadata behind the code is equal too. A source in Yul has no such hash, and
any code can be written in it byte by byte: its match is never exact.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from zevm.analysis.code_match import CodePattern, Range, listed_ranges, without_metadata
from zevm.analysis.verification.errors import NoMatchError
from zevm.contracts.artifact import Artifact

_LIBRARY_START: Final = b"\x73" + bytes(20)
"""A library compares the address that it runs at with its own, which its creation writes here."""
_LIBRARY_ADDRESS: Final = (1, 20)
_SHOWN_BYTES: Final = 8
YUL: Final = "Yul"


class Match(StrEnum):
    """Equal with the hash of the metadata, or without."""

    EXACT = "exact_match"
    PARTIAL = "match"


def compare(artifact: Artifact, code: bytes) -> Match:
    """The match of an account's code. Raises NoMatchError."""
    compiled, holes = artifact.deployed_bytecode, runtime_holes(artifact)
    if not compiled:
        raise NoMatchError(f"{artifact.name} has no code: it is abstract, or an interface")
    if CodePattern(compiled, holes).matches(code):
        return Match.PARTIAL if artifact.language == YUL else Match.EXACT
    body, deployed = without_metadata(compiled), without_metadata(code)
    if len(body) < len(compiled) and CodePattern(body, holes).matches(deployed):
        return Match.PARTIAL
    raise NoMatchError(_difference(artifact.name, body, deployed, holes))


def runtime_holes(artifact: Artifact) -> tuple[Range, ...]:
    """The ranges of deployed code that a deployment fills in: immutables, and a library's own address."""
    described: Any = artifact.extra.get("deployedBytecode", {})
    references = described.get("immutableReferences") if isinstance(described, Mapping) else None
    own = [_LIBRARY_ADDRESS] if artifact.deployed_bytecode.startswith(_LIBRARY_START) else []
    return tuple(sorted({*own, *listed_ranges(references)}))


def _difference(name: str, compiled: bytes, deployed: bytes, holes: tuple[Range, ...]) -> str:
    if len(compiled) != len(deployed):
        return (
            f"{name} compiles to {len(compiled):,} bytes of code and the account has {len(deployed):,}, without "
            "metadata: other sources, another compiler or other settings"
        )
    filled = {place for start, length in holes for place in range(start, start + length)}
    others = (place for place in range(len(compiled)) if compiled[place] != deployed[place] and place not in filled)
    first = next(others, None)
    if first is None:
        return f"{name} compiles without metadata, and the account's code has some: let the compiler append its hash"
    stop = first + _SHOWN_BYTES
    return (
        f"{name} compiles to other code than the account has, from byte {first:,}: 0x{compiled[first:stop].hex()}, "
        f"where the account has 0x{deployed[first:stop].hex()}"
    )
