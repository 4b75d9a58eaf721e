"""The name service (ZNS) of the default genesis: where its contracts are, its top-level names, and the hashes of names.

The contracts are in contracts/zns; docs/zns.md describes them.
"""

from types import ModuleType

from zevm.chain.errors import InvalidNameError
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

MAXIMUM_NAME_BYTES = 255
"""Of a whole name in UTF-8, as in DNS; ENS knows no limit."""

ETHER_COIN_TYPE = 60
"""Ether's number in SLIP-44: the coin type of an address on this chain (ENSIP-9)."""


def namehash(name: str) -> Hash32:
    """The node of a normalised name (EIP-137); 32 zero bytes for the empty name."""
    node = bytes(32)
    for label in reversed(name.split(".") if name else []):
        node = keccak256(node + keccak256(label.encode()))
    return Hash32(node)


def dns_form(name: str) -> bytes:
    """A normalised name in DNS wire format (RFC 1035, 3.1), of labels of at most 255 bytes, as ENSIP-10 has it."""
    labels = [label.encode() for label in name.split(".")] if name else []
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def normalised(text: str) -> str:
    """The normal form of a name (ENSIP-15). A first label `*`, which normal names have not, is kept as it is.

    Raises InvalidNameError.
    """
    size = len(text.encode(errors="surrogatepass"))
    if size > MAXIMUM_NAME_BYTES:
        raise InvalidNameError(f"the name has {size} bytes, at most {MAXIMUM_NAME_BYTES} are possible")
    first, dot, rest = text.partition(".")
    if first == "*" and dot:
        return f"*.{normalised(rest)}"
    if not text:
        raise InvalidNameError("the name is empty")
    library = _library()
    try:
        name: str = library.ens_normalize(text)
    except library.DisallowedSequence as error:
        raise InvalidNameError(f"{text!r} is no name: {error}{_place_of(error)}") from error
    if len(name.encode()) > MAXIMUM_NAME_BYTES:
        raise InvalidNameError(
            f"the name has {len(name.encode())} bytes once it is normalised, at most {MAXIMUM_NAME_BYTES} are possible"
        )
    return name


def _place_of(error: Exception) -> str:
    """Which characters ens_normalize refuses, where, and what it would take instead; empty where it does not say."""
    sequence, index = getattr(error, "sequence", None), getattr(error, "index", None)
    if not sequence or index is None:
        return ""
    other = getattr(error, "suggested", None)
    return f", {sequence!r} at {index}{f'; write {other!r} there' if other else ''}"


def is_normal(name: str) -> bool:
    """Whether a name is in its normal form (ENSIP-15). Raises InvalidNameError where the library is not installed."""
    return bool(_library().is_ens_normalized(name))


def _library() -> ModuleType:
    """ens_normalize: megabytes of tables, of use to requests about names alone. Raises InvalidNameError."""
    try:
        import ens_normalize
    except ModuleNotFoundError as error:
        raise InvalidNameError("names need ens-normalize: pip install 'zevm-node[zns]'") from error
    library: ModuleType = ens_normalize
    return library
