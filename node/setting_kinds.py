"""A setting's flag, and the kinds of values that settings have in addition to those of pydantic."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import core_schema
from pydantic_settings import NoDecode

from zevm.chain.rules.forks import Fork, fork_by_name
from zevm.chain.rules.genesis import Genesis

SERVER, ACCOUNTS, CHAIN, MINING = "Server", "Accounts", "Chain", "Mining"
DATA, OUTPUT, LIMITS, POOL = "Data", "Output", "Limits of the server", "Limits of the pool"
ENGINE, FORK = "Consensus client", "Fork of another chain"
QUIC, REPLICAS, NAMES = "QUIC", "Replicas", "Names"


@dataclass(frozen=True, slots=True)
class Flag:
    """A setting's form on the command line: its names, its group in the help, its value's name.

    bare_value: the flag's meaning without a value; None if a value must follow.
    """

    names: tuple[str, ...]
    panel: str
    metavar: str | None
    bare_value: str | None


def setting(
    default: object,
    *names: str,
    panel: str,
    about: str,
    metavar: str | None = None,
    bare_value: str | None = None,
    **constraints: Any,
) -> Any:
    """A field with its flag."""
    flag = Flag(names, panel, metavar, bare_value)
    return Field(default, description=about, json_schema_extra={"flag": cast(Any, flag)}, **constraints)


def dashed(name: str) -> str:
    """A setting's name as its flag has it, without the dashes before it."""
    return name.replace("_", "-")


def _split(value: object) -> object:
    """A comma-separated text as its parts; other values as they are."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _fork(value: object) -> object:
    if value is None or isinstance(value, Fork):
        return value
    return fork_by_name(str(value))


def _word_count(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _addresses(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if len(value) != 42 or value[:2] != "0x" or not all(digit in "0123456789abcdefABCDEF" for digit in value[2:]):
            raise ValueError(f"{value!r} is not an address (0x and 40 hex digits)")
    return values


def _paths(value: object) -> object:
    """Paths of a comma-separated text, or of a path alone; other values as they are."""
    value = str(value) if isinstance(value, Path) else value
    return _split(value)


def _folders(values: tuple[Path, ...]) -> tuple[Path, ...]:
    """The paths, ~ expanded. One that does not exist may be built later."""
    paths = tuple(path.expanduser() for path in values)
    for path in paths:
        if path.exists() and not path.is_dir():
            raise ValueError(f"{str(path)!r} is not a folder")
    return paths


def _programs(values: tuple[Path, ...]) -> tuple[Path, ...]:
    """The paths, ~ expanded, of programs that can be run."""
    paths = tuple(path.expanduser() for path in values)
    for path in paths:
        if not path.is_file() or not os.access(path, os.X_OK):
            raise ValueError(f"{str(path)!r} is not a program that can be run")
    return paths


NODE_SCHEMES = ("http", "https", "ws", "wss")
"""Of a node that serves JSON-RPC."""


def is_url(value: str, schemes: tuple[str, ...] = ("http", "https")) -> bool:
    parts = urlsplit(value)
    return parts.scheme in schemes and bool(parts.hostname)


def _origins(values: tuple[str, ...]) -> tuple[str, ...]:
    """URLs of nodes; a path, or file: and a path, is that of a node's socket."""
    for value in values:
        if not is_url(value, NODE_SCHEMES) and not value.startswith(("/", "file:///")):
            raise ValueError(
                f"{value!r} is not a URL of a node (http://HOST:PORT, ws://HOST:PORT), nor its socket's path (/PATH)"
            )
    return values


def _url(value: str) -> str:
    if not is_url(value):
        raise ValueError(f"{value!r} is not a URL (http://HOST:PORT)")
    return value


def _urls(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if not is_url(value):
            raise ValueError(f"{value!r} is not a URL of a node (http://HOST:PORT)")
    return values


def _header_lines(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        name, colon, _ = value.partition(":")
        if not colon or not name.strip() or any(letter in value for letter in "\r\n"):
            raise ValueError(f"{value!r} is not a header (NAME:VALUE)")
    return values


def _fork_block(value: str) -> str:
    if value in FORK_TAGS or value.lstrip("-").isdecimal():
        return value
    raise ValueError(f"{value!r} is neither a block's number nor one of {', '.join(FORK_TAGS)}")


def _transaction_hash(value: str) -> str:
    if len(value) == 66 and value.startswith("0x"):
        with suppress(ValueError):
            return f"0x{int(value[2:], 16):064x}"
    raise ValueError(f"{value!r} is not the hash of a transaction (0x and 64 hexadecimal digits)")


def _text(value: object) -> object:
    return str(value) if isinstance(value, int) else value


FORK_TAGS = ("latest", "safe", "finalized", "earliest")
TransactionHash = Annotated[str, AfterValidator(_transaction_hash)]
ForkBlock = Annotated[str, BeforeValidator(_text), AfterValidator(_fork_block)]
HeaderLines = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_header_lines)]
ForkUrls = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_origins)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Addresses = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_addresses)]
Url = Annotated[str, AfterValidator(_url)]
Urls = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_urls)]
Folders = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_paths), AfterValidator(_folders)]
Programs = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_paths), AfterValidator(_programs)]
UserPath = Annotated[Path, AfterValidator(Path.expanduser)]


def _address(value: str) -> str:
    """HOST:PORT, as a socket's address is written. Raises ValueError."""
    try:
        parts = urlsplit(f"//{value}")
        if parts.hostname and parts.port and parts.netloc == value and "@" not in value:
            return value
    except ValueError:
        pass
    raise ValueError(f"{value!r} is not the address of a node (HOST:PORT)")


NodeAddress = Annotated[str, AfterValidator(_address)]


class _Instance:
    """Marks a type of ours whose values are taken as they are."""

    def __get_pydantic_core_schema__(self, source: type, _: object) -> core_schema.CoreSchema:
        return core_schema.is_instance_schema(source)


def as_text(value: object) -> str:
    """A setting's value as the command line takes it."""
    return ",".join(value) if isinstance(value, tuple) else str(value)


NewestFork = Annotated[Fork | None, BeforeValidator(_fork)]
WordCount = BeforeValidator(_word_count)
GenesisSource = Annotated[UserPath | Annotated[Genesis, _Instance()] | None, NoDecode]
"""A program may give a genesis itself in the place of its file."""


def _proofs(text: str) -> str:
    """A count of states, or "all". Raises ValueError."""
    if text != "all" and not (text.isascii() and text.isdigit() and int(text[:9]) >= 1 and len(text) <= 7):
        raise ValueError(f"{text!r} is neither a number from 1 to 9999999 nor all")
    return text


Proofs = Annotated[str, AfterValidator(_proofs)]
ABOUT_PROOFS = (
    "Newest states whose trie nodes are all at hand, for eth_getProof and similar methods. Nodes of an older state are "
    "made again from what changed since. `all` keeps the nodes of every state on the disk for good."
)
ABOUT_PRUNE = (
    "Number of newest blocks whose bodies, receipts, logs and states are kept; older ones keep their headers. "
    "(default: all)"
)
ABOUT_UNITS = (
    "Compute units a second that each node of --fork-url grants, 20 for a call; faster requests wait. (default: as "
    "many as it takes, until it answers 429)"
)
ABOUT_NO_RATE = "Lift --compute-units-per-second."
ABOUT_RETRIES = "Further attempts of a failed request to a node of --fork-url."
ABOUT_FORK_ID = "Chain id of the forked chain, which is not asked for then."
ABOUT_BUNDLE = "Begin on the block of a bundle (zevm fork pack), and read the other chain from there alone."
ABOUT_CACHE = "Folder for answers of the other chain. (default: zevm/forks in the user's caches)"
ABOUT_OTLP = "Send a span for each call to this OpenTelemetry collector (OTLP over HTTP); needs the extra telemetry."
ABOUT_SOLC = (
    "Solidity compilers with which contracts are verified, before those that Foundry, Hardhat and the search path have."
)
ABOUT_VERIFIER = (
    "Verify contracts at /api for other computers too, and on every chain. (default: for programs of this computer, on "
    "development chains)"
)
