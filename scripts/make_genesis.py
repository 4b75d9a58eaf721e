"""Write the name service into genesis.json: the code of contracts/zns as forge compiles it, and its first names.

python scripts/make_genesis.py            write genesis.json
python scripts/make_genesis.py --check    fail where it differs
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

from testing.contracts import EXAMPLES, build_examples
from testing.node_process import ROOT
from zevm.chain.rules.genesis import Genesis, GenesisAccount, load_default_genesis
from zevm.chain.rules.name_service import (
    ETHER_COIN_TYPE,
    REGISTRAR_ADDRESS,
    REGISTRY_ADDRESS,
    RESOLVER_ADDRESS,
    REVERSE_REGISTRAR_ADDRESS,
    TOP_LEVEL_NAMES,
    UNIVERSAL_RESOLVER_ADDRESS,
    namehash,
)
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address

FILE = ROOT / "genesis.json"

CONTRACTS = {
    REGISTRY_ADDRESS: "ZnsRegistry",
    UNIVERSAL_RESOLVER_ADDRESS: "ZnsUniversalResolver",
    RESOLVER_ADDRESS: "ZnsResolver",
    REVERSE_REGISTRAR_ADDRESS: "ZnsReverseRegistrar",
    REGISTRAR_ADDRESS: "ZnsRegistrar",
}

RESOLVER_NAME = "resolver.eth"
"""The name under which web3.py looks for the resolver that it gives to new names."""

_FIRST_NAMES: dict[str, tuple[Address, Address | None]] = {
    **dict.fromkeys(TOP_LEVEL_NAMES, (REGISTRAR_ADDRESS, None)),
    "addr.reverse": (REVERSE_REGISTRAR_ADDRESS, None),
    # owned by a contract that never uses it, so that nobody can change it
    RESOLVER_NAME: (RESOLVER_ADDRESS, RESOLVER_ADDRESS),
}
"""Name -> owner and resolver."""


def place(key: bytes, slot: int) -> int:
    """The slot of a mapping's value, as Solidity lays it out."""
    return int.from_bytes(keccak256(key + slot.to_bytes(32, "big")), "big")


def registry_storage() -> dict[int, int]:
    """The registry with the first names: `records` in slot 0, `created` in slot 2 of ZnsRegistry.sol."""
    slots = {2: len(_FIRST_NAMES)}
    for incarnation, (name, (owner, resolver)) in enumerate(_FIRST_NAMES.items(), start=1):
        parent = namehash(name.partition(".")[2])
        first = place(namehash(name), 0)
        slots[first] = int.from_bytes(owner, "big")
        slots[first + 1] = int.from_bytes(resolver or b"", "big")
        slots[first + 2] = int.from_bytes(parent, "big")
        slots[first + 3] = incarnation
    return {slot: value for slot, value in slots.items() if value}


def resolver_storage() -> dict[int, int]:
    """The resolver with its own address under RESOLVER_NAME: `addresses` in slot 1 of ZnsResolver.sol."""
    incarnation = list(_FIRST_NAMES).index(RESOLVER_NAME) + 1
    key = keccak256(namehash(RESOLVER_NAME) + incarnation.to_bytes(32, "big") + bytes(32))
    slot = place(ETHER_COIN_TYPE.to_bytes(32, "big"), place(key, 1))
    return {slot: int.from_bytes(RESOLVER_ADDRESS.ljust(31, b"\0") + bytes([2 * len(RESOLVER_ADDRESS)]), "big")}


def name_service() -> dict[Address, GenesisAccount]:
    """The accounts of the name service, from their sources. Raises RuntimeError with forge's text."""
    build_examples("zns")
    storage: Mapping[Address, dict[int, int]] = {
        REGISTRY_ADDRESS: registry_storage(),
        RESOLVER_ADDRESS: resolver_storage(),
    }
    return {
        address: GenesisAccount(nonce=1, code=runtime_code(name), storage=storage.get(address, {}))
        for address, name in CONTRACTS.items()
    }


def runtime_code(name: str) -> bytes:
    """The code of a contract of contracts/zns, once built."""
    built = json.loads((EXAMPLES / "out" / "zns" / f"{name}.sol" / f"{name}.json").read_text())
    return bytes.fromhex(built["deployedBytecode"]["object"][2:])


def with_name_service(genesis: Genesis) -> str:
    """The text of a genesis file, with the name service of the sources."""
    accounts = dict(genesis.accounts) | name_service()
    return json.dumps(genesis.with_changes(accounts=accounts).to_json(), indent=2) + "\n"


def main(arguments: list[str]) -> int:
    """The command: 0 if all is well."""
    text = with_name_service(load_default_genesis())
    if "--check" not in arguments:
        FILE.write_text(text)
    elif FILE.read_text() != text:
        print("genesis.json differs from contracts/zns; run: python scripts/make_genesis.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
