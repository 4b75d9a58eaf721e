"""The first block: geth's genesis format read and written, and the default development network."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from pathlib import Path

from zevm.chain.errors import GenesisError, InvalidRequestError
from zevm.chain.rules.bounds import BLOCK_NUMBER, GAS_LIMIT, TIMESTAMP
from zevm.chain.rules.difficulty import MINIMUM_DIFFICULTY
from zevm.chain.rules.forks import LATEST_FORK, Fork
from zevm.chain.rules.json_fields import (
    Json,
    bytes_field,
    hex_string,
    mapping_field,
    number_field,
    parse_bytes,
    parse_number,
    path,
)
from zevm.chain.rules.name_service import NAME_SERVICE_ADDRESSES
from zevm.chain.rules.predeploys import (
    CREATE2_DEPLOYER_ADDRESS,
    CREATE2_DEPLOYER_CODE,
    REQUEST_CONTRACTS,
    STYLUS_DEPLOYER_ADDRESSES,
    STYLUS_DEPLOYER_CODE,
    SYSTEM_CONTRACTS,
)
from zevm.chain.rules.schedule import ZVM, ForkSchedule
from zevm.chain.rules.units import ETHER
from zevm.chain.types import Header
from zevm.storage.account import EMPTY_ROOT, AccountChange, StateDiff
from zevm.storage.keccak import EMPTY_KECCAK, keccak256
from zevm.storage.primitives import ZERO_ADDRESS, ZERO_HASH, Address, Hash32, Wei

INITIAL_BASE_FEE_WEI = 1_000_000_000
"""The base fee of the first London block (EIP-1559)."""

EMPTY_REQUESTS_HASH = sha256(b"").digest()
"""The requests hash of a block without requests (EIP-7685)."""

DEFAULT_CHAIN_ID = 31_337
DEFAULT_GAS_LIMIT = 60_000_000
"""Of a block: what mainnet has (EIP-7935), and what Hardhat's users send in one transaction."""

DEFAULT_BALANCE_WEI = 10_000 * ETHER
_DEFAULT_FILE = Path(__file__).with_name("genesis.json")
"""The default network's; in the source tree it is a link to the file at the top."""


@dataclass(frozen=True, slots=True)
class GenesisAccount:
    """An account of `alloc`. storage: slot -> value, both 256-bit."""

    balance_wei: int = 0
    nonce: int = 0
    code: bytes = b""
    storage: Mapping[int, int] = field(default_factory=dict)


def accounts_diff(accounts: Mapping[Address, GenesisAccount]) -> StateDiff:
    """Whole accounts as a change of the empty state."""
    diff = StateDiff()
    for address, account in accounts.items():
        code_hash = keccak256(account.code) if account.code else EMPTY_KECCAK
        diff.accounts[address] = AccountChange(account.nonce, Wei(account.balance_wei), code_hash)
        if account.code:
            diff.code[code_hash] = account.code
        slots = {slot: value for slot, value in account.storage.items() if value}
        if slots:
            diff.storage[address] = slots
    return diff


@dataclass(frozen=True, slots=True)
class Genesis:
    """A chain's genesis. Fields are the header's; None means the fork's own value."""

    schedule: ForkSchedule
    accounts: Mapping[Address, GenesisAccount]
    gas_limit: int
    timestamp: int = 0
    nonce: int = 0
    extra_data: bytes = b""
    difficulty: int = 0
    mix_hash: bytes = bytes(32)
    coinbase: Address = ZERO_ADDRESS
    base_fee_per_gas: int | None = None
    excess_blob_gas: int | None = None
    blob_gas_used: int | None = None
    number: int = 0
    gas_used: int = 0
    parent_hash: Hash32 = ZERO_HASH

    @property
    def chain_id(self) -> int:
        """The chain's number."""
        return self.schedule.chain_id

    def with_changes(self, **changes: object) -> "Genesis":
        """A copy with some fields replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def diff(self) -> StateDiff:
        """The accounts as a change of the empty state. Empty accounts stay: geth's genesis state has them."""
        return accounts_diff(self.accounts)

    def check_system_contracts(self) -> None:
        """Raise GenesisError if no block can follow: from Prague on, two contracts need code (EIP-7002, EIP-7251).

        The system calls of Cancun and of EIP-2935 do nothing where there is no code.
        """
        if self.schedule.fork_at(self.number + 1, self.timestamp + 1) < Fork.PRAGUE:
            return
        lacking = [address for address in REQUEST_CONTRACTS if not self.accounts.get(address, GenesisAccount()).code]
        if lacking:
            raise GenesisError(
                f"alloc: {' and '.join(f'0x{address.hex()}' for address in lacking)} need code (EIP-7002, EIP-7251): "
                "Prague is active in the first block, which is invalid without them; copy their entries from the "
                "genesis of a development chain, or set config.pragueTime to a time at which they are deployed"
            )

    def header(self, state_root: Hash32) -> Header:
        """The genesis header with the fields of its fork, over the state with this root."""
        fork = self.schedule.fork_at(self.number, self.timestamp)
        base_fee, excess, used = self.base_fee_per_gas, self.excess_blob_gas, self.blob_gas_used
        return Header(
            parent_hash=self.parent_hash,
            coinbase=self.coinbase,
            state_root=state_root,
            difficulty=self.difficulty,
            number=self.number,
            gas_limit=self.gas_limit,
            gas_used=self.gas_used,
            timestamp=self.timestamp,
            extra_data=self.extra_data,
            mix_hash=self.mix_hash,
            nonce=self.nonce.to_bytes(8, "big"),
            base_fee_per_gas=INITIAL_BASE_FEE_WEI if base_fee is None and fork >= Fork.LONDON else base_fee,
            withdrawals_root=EMPTY_ROOT if fork >= Fork.SHANGHAI else None,
            blob_gas_used=(used or 0) if fork >= Fork.CANCUN else None,
            excess_blob_gas=(excess or 0) if fork >= Fork.CANCUN else None,
            parent_beacon_block_root=bytes(32) if fork >= Fork.CANCUN else None,
            requests_hash=EMPTY_REQUESTS_HASH if fork >= Fork.PRAGUE else None,
        )

    @classmethod
    def default(
        cls,
        chain_id: int = DEFAULT_CHAIN_ID,
        fork: Fork = LATEST_FORK,
        accounts: Sequence[Address] = (),
        *,
        balance_wei: int = DEFAULT_BALANCE_WEI,
        gas_limit: int = DEFAULT_GAS_LIMIT,
        base_fee: int | None = INITIAL_BASE_FEE_WEI,
        timestamp: int = 0,
        create2_deployer: bool = True,
        zvm: bool = True,
        name_service: bool = True,
        development: bool = True,
    ) -> "Genesis":
        """A network for development: every fork up to `fork` active, `accounts` funded, the usual contracts in place.

        development: false keeps mainnet's rules for transactions; see ForkSchedule.
        """
        schedule = ForkSchedule.default(chain_id, fork, zvm=ZVM if zvm else None, development=development)
        alloc: dict[Address, GenesisAccount] = {
            address: GenesisAccount(balance_wei=balance_wei) for address in accounts
        }
        for since, address, code in SYSTEM_CONTRACTS:
            if fork >= since:
                alloc[address] = GenesisAccount(nonce=1, code=code)
        if create2_deployer:
            alloc[CREATE2_DEPLOYER_ADDRESS] = GenesisAccount(nonce=1, code=CREATE2_DEPLOYER_CODE)
        if zvm:
            alloc |= {
                address: GenesisAccount(nonce=1, code=STYLUS_DEPLOYER_CODE) for address in STYLUS_DEPLOYER_ADDRESSES
            }
        if name_service and fork >= Fork.LONDON:
            alloc |= _name_service_accounts()
        return cls(
            schedule=schedule,
            accounts=alloc,
            gas_limit=gas_limit,
            timestamp=timestamp,
            difficulty=0 if fork >= Fork.PARIS else MINIMUM_DIFFICULTY,
            base_fee_per_gas=base_fee if fork >= Fork.LONDON else None,
        )

    @classmethod
    def from_json(cls, data: Json) -> "Genesis":
        """Parse geth's genesis object. Raises GenesisError naming the field."""
        if not isinstance(data, dict):
            raise GenesisError("genesis: want a JSON object")
        for required in ("config", "alloc", "gasLimit"):
            if data.get(required) is None:
                raise GenesisError(f"missing required field '{required}' for Genesis")
        schedule = ForkSchedule.from_config(mapping_field(data, "config"))
        numbers = {name: number_field(data, key, bits=bits) for name, (key, bits) in _NUMBERS.items()}
        number, timestamp = numbers["number"] or 0, numbers["timestamp"] or 0
        if numbers["difficulty"] is None:
            merged = schedule.fork_at(number, timestamp) >= Fork.PARIS
            numbers["difficulty"] = 0 if merged else MINIMUM_DIFFICULTY
        optional = {name: value for name, value in numbers.items() if value is not None}
        hashes = {name: bytes_field(data, key, size=size) for name, (key, size) in _STRINGS.items()}
        strings = {name: value for name, value in hashes.items() if value is not None}
        blob_gas = optional.get("excess_blob_gas", 0) + optional.get("blob_gas_used", 0)
        _check_blob_gas(schedule, number, timestamp, blob_gas)
        return cls(schedule=schedule, accounts=_parse_alloc(data), **optional, **strings)  # type: ignore[arg-type]

    def encode(self) -> bytes:
        """As JSON, the same bytes for the same genesis."""
        return json.dumps(self.to_json(), sort_keys=True, separators=(",", ":")).encode()

    def to_json(self) -> dict[str, Json]:
        """Geth's genesis object; `from_json` reads it back to an equal genesis."""
        data: dict[str, Json] = {"config": self.schedule.to_config()}
        for name, (key, _) in _NUMBERS.items():
            value = getattr(self, name)
            if value is not None:
                data[key] = hex(value)
        for name, (key, _) in _STRINGS.items():
            data[key] = hex_string(getattr(self, name))
        data["alloc"] = {address.hex(): _account_to_json(account) for address, account in self.accounts.items()}
        return data


MAX_BLOB_EXPONENT = 177
"""e ** 177 is the last power below 2 ** 256."""


def check_begin(header: Header, schedule: ForkSchedule) -> None:
    """Raise InvalidRequestError for a block of another chain behind which blocks cannot follow for ever."""
    for bound, value in (
        (TIMESTAMP, header.timestamp), (BLOCK_NUMBER, header.number), (GAS_LIMIT, header.gas_limit),
    ):  # fmt: skip
        bound.check(value)
    blob_gas = (header.excess_blob_gas or 0) + (header.blob_gas_used or 0)
    try:
        _check_blob_gas(schedule, header.number, header.timestamp, blob_gas)
    except GenesisError as error:
        raise InvalidRequestError(str(error)) from None


def _check_blob_gas(schedule: ForkSchedule, number: int, timestamp: int, blob_gas: int) -> None:
    """Raise GenesisError where the blob base fee, e ** (excess / fraction), would not fit 256 bits.

    blob_gas: the excess, with what the first block is said to have used, which adds to the next one's.
    """
    blob = schedule.rules(number, timestamp).blob
    if blob is not None and blob_gas > MAX_BLOB_EXPONENT * blob.base_fee_update_fraction:
        most = MAX_BLOB_EXPONENT * blob.base_fee_update_fraction
        raise GenesisError(
            f"excessBlobGas and blobGasUsed: {blob_gas} lets blobs cost more than 256 bits; want at most {most}"
        )


_NUMBERS = {
    "nonce": ("nonce", 64),
    "timestamp": ("timestamp", TIMESTAMP.most.bit_length()),
    "gas_limit": ("gasLimit", GAS_LIMIT.most.bit_length()),
    "difficulty": ("difficulty", 256),
    "number": ("number", BLOCK_NUMBER.most.bit_length()),
    "gas_used": ("gasUsed", 64),
    "base_fee_per_gas": ("baseFeePerGas", 256),
    "excess_blob_gas": ("excessBlobGas", 64),
    "blob_gas_used": ("blobGasUsed", 64),
}
_STRINGS: dict[str, tuple[str, int | None]] = {
    "extra_data": ("extraData", None),
    "mix_hash": ("mixHash", 32),
    "coinbase": ("coinbase", 20),
    "parent_hash": ("parentHash", 32),
}


def _parse_alloc(data: Mapping[str, Json]) -> dict[Address, GenesisAccount]:
    accounts: dict[Address, GenesisAccount] = {}
    for key, entry in mapping_field(data, "alloc").items():
        where = path("alloc", key)
        address = Address(parse_bytes(key, where, 20))
        if address in accounts:
            raise GenesisError(f"{where}: the address occurs twice")
        if not isinstance(entry, dict):
            raise GenesisError(f"{where}: want an object with balance, nonce, code, storage")
        accounts[address] = GenesisAccount(
            balance_wei=number_field(entry, "balance", bits=256, where=where) or 0,
            nonce=number_field(entry, "nonce", bits=64, where=where) or 0,
            code=bytes_field(entry, "code", where=where) or b"",
            storage=_parse_storage(entry, where),
        )
    return accounts


def _parse_storage(entry: Mapping[str, Json], where: str) -> dict[int, int]:
    """Slots and values are hex of up to 32 bytes, with or without 0x, as geth takes them."""
    inside = path(where, "storage")
    slots: dict[int, int] = {}
    for key, value in mapping_field(entry, "storage", where=where).items():
        slots[_word(key, path(inside, key))] = _word(value, path(inside, key))
    return slots


def _word(value: Json, name: str) -> int:
    if not isinstance(value, str):
        raise GenesisError(f"{name}: want a hex string of up to 32 bytes")
    digits = value[2:] if value[:2] in ("0x", "0X") else value
    return parse_number(f"0x{digits}", name, 256)


def _account_to_json(account: GenesisAccount) -> dict[str, Json]:
    entry: dict[str, Json] = {"balance": hex(account.balance_wei)}
    if account.nonce:
        entry["nonce"] = hex(account.nonce)
    if account.code:
        entry["code"] = hex_string(account.code)
    if account.storage:
        entry["storage"] = {f"0x{slot:064x}": f"0x{value:064x}" for slot, value in account.storage.items()}
    return entry


def load_genesis(file: Path) -> Genesis:
    """Read a genesis file. Raises GenesisError naming the file, OSError where it cannot be read."""
    try:
        return Genesis.from_json(json.loads(file.read_bytes()))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise GenesisError(f"{file}: not JSON: {error}") from error
    except GenesisError as error:
        raise GenesisError(f"{file}: {error.message}") from error


def load_default_genesis() -> Genesis:
    """The default network: chain 31337, newest fork, ten funded accounts, CREATE2 and Stylus deployers, ZVM on."""
    return load_genesis(_DEFAULT_FILE)


@cache
def _name_service_accounts() -> Mapping[Address, GenesisAccount]:
    """The contracts of the name service, compiled for London: scripts/make_genesis.py writes them into the file."""
    accounts = load_default_genesis().accounts
    return {address: accounts[address] for address in NAME_SERVICE_ADDRESSES}
