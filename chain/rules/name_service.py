"""The name service (ZNS) of the default genesis: where its contracts are, its top-level names, and the hashes of names.

The contracts are in contracts/zns; docs/zns.md describes them.
"""

from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address, Hash32

REGISTRY_ADDRESS = Address(bytes.fromhex("00000000000c2e074ec69a0dfb2997ba6c7d2e1e"))
UNIVERSAL_RESOLVER_ADDRESS = Address(bytes.fromhex("eeeeeeee14d718c2b47d9923deab1335e144eeee"))
RESOLVER_ADDRESS = Address(bytes.fromhex("4976fb03c32e5b8cfe2b6ccb31c09ba78ebaba41"))
REVERSE_REGISTRAR_ADDRESS = Address(bytes.fromhex("a58e81fe9b61b5c3fe2afd33cf304c454abfc7cb"))
REGISTRAR_ADDRESS = Address(bytes.fromhex("57f1887a8bf19b14fc0df6fd9b2acc9af147ea85"))
"""ENS' addresses on Ethereum's main network: the ones that web3.py, ethers, viem and wallets have."""

NAME_SERVICE_ADDRESSES = (
    REGISTRY_ADDRESS,
    UNIVERSAL_RESOLVER_ADDRESS,
    RESOLVER_ADDRESS,
    REVERSE_REGISTRAR_ADDRESS,
    REGISTRAR_ADDRESS,
)

TOP_LEVEL_NAMES = ("ghost", "gcc", "zns", "kz", "zkellz", "bc")
"""The names that the registrar owns from the first block on."""

ETHER_COIN_TYPE = 60
"""Ether's number in SLIP-44: the coin type of an address on this chain (ENSIP-9)."""


def namehash(name: str) -> Hash32:
    """The node of a normalised name (EIP-137); 32 zero bytes for the empty name."""
    node = bytes(32)
    for label in reversed(name.split(".") if name else []):
        node = keccak256(node + keccak256(label.encode()))
    return Hash32(node)
