"""Which fork rules which block: geth's chain configuration, parsed, checked and written back.

Forks up to the merge start at block numbers, later ones at timestamps. One table drives parsing,
ordering checks, selection, and the fork identifier (EIP-2124).
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from zevm.chain.errors import GenesisError
from zevm.chain.rules.forks import BlobParameters, Fork, ForkRules
from zevm.chain.rules.json_fields import Json, address_field, bool_field, hex_string, mapping_field, number_field
from zevm.storage.primitives import ZERO_ADDRESS, Address, Hash32

ZVM = "zvm"
ZVM_SCHEDULES = (ZVM, "stylus")
"""Price schedules of WebAssembly contracts that a genesis may choose; the first is the default."""

MAINNET_DEPOSIT_CONTRACT = Address(bytes.fromhex("00000000219ab540356cbb839cbe05303d7705fa"))

DEFAULT_BLOB_SCHEDULE: dict[Fork, BlobParameters] = {
    Fork.CANCUN: BlobParameters(3, 6, 3_338_477),
    Fork.PRAGUE: BlobParameters(6, 9, 5_007_716),
    Fork.BPO1: BlobParameters(10, 15, 8_346_193),
    Fork.BPO2: BlobParameters(14, 21, 11_684_671),
}
"""Defaults for missing blobSchedule entries; Osaka keeps Prague's parameters (EIP-7691, EIP-7892)."""


class _Row(NamedTuple):
    """A configuration key. `fork` is None where the key alone changes no rules."""

    key: str
    fork: Fork | None
    optional: bool = False

    @property
    def by_time(self) -> bool:
        return self.key.endswith("Time")


_ROWS = (
    _Row("homesteadBlock", Fork.HOMESTEAD),
    _Row("daoForkBlock", None, optional=True),
    _Row("eip150Block", Fork.TANGERINE_WHISTLE),
    _Row("eip155Block", None),
    _Row("eip158Block", Fork.SPURIOUS_DRAGON),
    _Row("byzantiumBlock", Fork.BYZANTIUM),
    _Row("constantinopleBlock", Fork.CONSTANTINOPLE),
    _Row("petersburgBlock", Fork.PETERSBURG),
    _Row("istanbulBlock", Fork.ISTANBUL),
    _Row("muirGlacierBlock", Fork.MUIR_GLACIER, optional=True),
    _Row("berlinBlock", Fork.BERLIN),
    _Row("londonBlock", Fork.LONDON),
    _Row("arrowGlacierBlock", Fork.ARROW_GLACIER, optional=True),
    _Row("grayGlacierBlock", Fork.GRAY_GLACIER, optional=True),
    _Row("mergeNetsplitBlock", Fork.PARIS, optional=True),
    _Row("shanghaiTime", Fork.SHANGHAI),
    _Row("cancunTime", Fork.CANCUN, optional=True),
    _Row("pragueTime", Fork.PRAGUE, optional=True),
    _Row("osakaTime", Fork.OSAKA, optional=True),
    _Row("bpo1Time", Fork.BPO1, optional=True),
    _Row("bpo2Time", Fork.BPO2, optional=True),
)
_KNOWN_KEYS = {row.key for row in _ROWS} | {
    "chainId",
    "terminalTotalDifficulty",
    "terminalTotalDifficultyPassed",
    "blobSchedule",
    "depositContractAddress",
    "development",
    "zvm",
}
_KEY_OF = {row.fork: row.key for row in _ROWS if row.fork is not None}


@dataclass(frozen=True)
class ForkSchedule:
    """The forks of one chain and the parameters that come with them.

    activations: configuration key -> block number or timestamp.
    blob_schedule: the parameters that each blob fork configures; forks without an entry keep the previous one's.
    extra: configuration entries that mean nothing here (as "ethash"), kept for `to_config`.
    zvm: name of the price schedule of WebAssembly contracts, None where there are none.
    development: a network for trying things, where tools decide: no gas cap per transaction (EIP-7825), and what else
    a node asks of real money it does not ask here.
    transaction_gas_cap: whether EIP-7825's cap holds; None as `development` has it. A node's switch, never written.
    """

    chain_id: int
    activations: Mapping[str, int]
    blob_schedule: Mapping[Fork, BlobParameters] = field(default_factory=dict)
    terminal_total_difficulty: int | None = None
    terminal_total_difficulty_passed: bool = False
    deposit_contract: Address = ZERO_ADDRESS
    zvm: str | None = None
    development: bool = False
    transaction_gas_cap: bool | None = None
    extra: Mapping[str, Json] = field(default_factory=dict)
    _rules: dict[Fork, ForkRules] = field(default_factory=dict, init=False, repr=False, compare=False)
    _blocks: tuple[tuple[int, Fork], ...] = field(default=(), init=False, repr=False, compare=False)
    _times: tuple[tuple[int, Fork], ...] = field(default=(), init=False, repr=False, compare=False)
    _merge_block: int | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        blocks = [(self.activations[row.key], row.fork) for row in _ROWS if self._selects(row) and not row.by_time]
        times = [(self.activations[row.key], row.fork) for row in _ROWS if self._selects(row) and row.by_time]
        # Latest fork first: selection stops at the first one that has begun.
        object.__setattr__(self, "_blocks", tuple(reversed(blocks)))
        object.__setattr__(self, "_times", tuple(reversed(times)))
        object.__setattr__(self, "_merge_block", self._find_merge_block())
        object.__setattr__(self, "_rules", {fork: self._build_rules(fork) for fork in Fork})

    def _selects(self, row: _Row) -> bool:
        return row.fork is not None and row.fork is not Fork.PARIS and row.key in self.activations

    def _find_merge_block(self) -> int | None:
        """The first block without proof of work, or None where the configuration does not tell."""
        netsplit = self.activations.get("mergeNetsplitBlock")
        if self.terminal_total_difficulty == 0:
            return 0
        if netsplit is not None:
            return netsplit
        return 0 if self.terminal_total_difficulty_passed else None

    def check_merge(self) -> None:
        """Raise GenesisError where the merge waits for a total difficulty alone: this node adds none up."""
        if self._merge_block is None and self.terminal_total_difficulty is not None:
            raise GenesisError(
                f"config.terminalTotalDifficulty: {self.terminal_total_difficulty} would never be noticed, this node "
                "merges at a block: name it as mergeNetsplitBlock, set terminalTotalDifficulty to 0 for a chain merged "
                "from its start, or remove the entry for one that stays before the merge"
            )

    def _build_rules(self, fork: Fork) -> ForkRules:
        capped = self.transaction_gas_cap
        return ForkRules(
            fork=fork,
            chain_id=self.chain_id,
            blob=self.blob_parameters(fork),
            zvm=self.zvm,
            deposit_contract=self.deposit_contract,
            unlimited_transaction_gas=self.development if capped is None else not capped,
        )

    def blob_parameters(self, fork: Fork) -> BlobParameters | None:
        """The blob parameters under `fork`, None before Cancun."""
        if fork < Fork.CANCUN:
            return None
        schedule = DEFAULT_BLOB_SCHEDULE | dict(self.blob_schedule)
        reached = [entry for entry in schedule if entry <= fork and self._configures_blobs(entry, fork)]
        return schedule[max(reached)]

    def _configures_blobs(self, entry: Fork, fork: Fork) -> bool:
        """Whether `entry` is a fork of this chain; a fork that it skips changes nothing."""
        return entry in (Fork.CANCUN, fork) or _KEY_OF[entry] in self.activations

    def fork_at(self, number: int, timestamp: int) -> Fork:
        """The fork that rules the block with this number and timestamp (Unix seconds)."""
        fork = Fork.FRONTIER
        for start, begun in self._blocks:
            if start <= number:
                fork = begun
                break
        if fork < Fork.LONDON or (self._merge_block is not None and number < self._merge_block):
            return fork
        for start, begun in self._times:
            if start <= timestamp:
                return begun
        return fork if self._merge_block is None else Fork.PARIS

    def rules(self, number: int, timestamp: int) -> ForkRules:
        """The rules of the block with this number and timestamp (Unix seconds)."""
        return self._rules[self.fork_at(number, timestamp)]

    def with_transaction_gas_cap(self, capped: bool | None) -> "ForkSchedule":
        """The same schedule with the gas cap per transaction (EIP-7825) or without; None as `development` has it."""
        return self if capped is None else replace(self, transaction_gas_cap=capped)

    def with_changes(self, **changes: Any) -> "ForkSchedule":
        """A copy with some fields replaced."""
        return replace(self, **changes)

    def activations_up_to(self, fork: Fork) -> dict[str, object]:
        """The fields that make every fork up to `fork` active from genesis on, and none after it."""
        wanted = self.default(self.chain_id, fork)
        own = {entry: blob for entry, blob in self.blob_schedule.items() if entry <= fork}
        return {
            "activations": wanted.activations,
            "blob_schedule": {**wanted.blob_schedule, **own},
            "terminal_total_difficulty": wanted.terminal_total_difficulty,
            "terminal_total_difficulty_passed": wanted.terminal_total_difficulty_passed,
        }

    def later_times(self, timestamp: int) -> tuple[tuple[int, Fork], ...]:
        """The time-based forks after `timestamp`, soonest first; of those at the same time the last."""
        by_time = {start: fork for start, fork in reversed(self._times) if start > timestamp}
        return tuple(sorted(by_time.items()))

    def activation_time(self, fork: Fork) -> int:
        """The Unix time at which `fork` begins; 0 for forks by block number (EIP-7910)."""
        return self.activations.get(_KEY_OF[fork], 0) if fork > Fork.PARIS else 0

    def fork_id(self, genesis_hash: Hash32, genesis_timestamp: int, number: int, timestamp: int) -> tuple[bytes, int]:
        """EIP-2124: the 4-byte checksum of the forks passed, and the next fork's number or time (0: none)."""
        keyed = [(row.by_time, self.activations[row.key]) for row in _ROWS if row.key in self.activations]
        numbers = sorted({start for by_time, start in keyed if not by_time and start > 0})
        times = sorted({start for by_time, start in keyed if by_time and start > genesis_timestamp})
        checksum = zlib.crc32(genesis_hash)
        for start, reached in [*((start, number) for start in numbers), *((start, timestamp) for start in times)]:
            if start > reached:
                return checksum.to_bytes(4, "big"), start
            checksum = zlib.crc32(start.to_bytes(8, "big"), checksum)
        return checksum.to_bytes(4, "big"), 0

    @classmethod
    def default(cls, chain_id: int, fork: Fork, *, zvm: str | None = None, development: bool = False) -> "ForkSchedule":
        """Every fork up to `fork` from genesis on, none after it."""
        rows = [row for row in _ROWS if row.key != "daoForkBlock"]
        activations = {row.key: 0 for row in rows if _fork_of(row) <= fork}
        return cls(
            chain_id=chain_id,
            activations=activations,
            blob_schedule={entry: blob for entry, blob in DEFAULT_BLOB_SCHEDULE.items() if entry <= fork},
            terminal_total_difficulty=0 if fork >= Fork.PARIS else None,
            terminal_total_difficulty_passed=fork >= Fork.PARIS,
            deposit_contract=MAINNET_DEPOSIT_CONTRACT,
            zvm=zvm,
            development=development,
        )

    @classmethod
    def from_config(cls, config: Mapping[str, Json]) -> "ForkSchedule":
        """Parse geth's `config` object. Raises GenesisError naming the entry."""
        chain_id = number_field(config, "chainId", bits=256, where="config")
        if chain_id is None:
            raise GenesisError("config.chainId: missing, want the chain's number, as 31337")
        activations = _parse_activations(config)
        _check_order(activations)
        return cls(
            chain_id=chain_id,
            activations=activations,
            blob_schedule=_parse_blob_schedule(config),
            terminal_total_difficulty=number_field(config, "terminalTotalDifficulty", bits=256, where="config"),
            terminal_total_difficulty_passed=bool_field(config, "terminalTotalDifficultyPassed", where="config"),
            deposit_contract=address_field(config, "depositContractAddress", where="config") or ZERO_ADDRESS,
            zvm=_parse_zvm(config.get("zvm")),
            development=bool_field(config, "development", where="config"),
            extra={key: value for key, value in config.items() if key not in _KNOWN_KEYS},
        )

    def to_config(self) -> dict[str, Json]:
        """Geth's `config` object; `from_config` reads it back to an equal schedule."""
        config: dict[str, Json] = {"chainId": self.chain_id}
        config |= {row.key: self.activations[row.key] for row in _ROWS if row.key in self.activations}
        if self.terminal_total_difficulty is not None:
            config["terminalTotalDifficulty"] = self.terminal_total_difficulty
        if self.terminal_total_difficulty_passed:
            config["terminalTotalDifficultyPassed"] = True
        if self.blob_schedule:
            config["blobSchedule"] = {
                fork.name.lower(): {
                    "target": blob.target,
                    "max": blob.maximum,
                    "baseFeeUpdateFraction": blob.base_fee_update_fraction,
                }
                for fork, blob in sorted(self.blob_schedule.items())
            }
        config["depositContractAddress"] = hex_string(self.deposit_contract)
        config |= self.extra
        if self.development:
            config["development"] = True
        if self.zvm is not None:
            config["zvm"] = True if self.zvm == ZVM else self.zvm
        return config


def _parse_zvm(value: Json) -> str | None:
    """The price schedule that `config.zvm` asks for: true is the default one, false or nothing none."""
    if value is None or value is False:
        return None
    if value is True:
        return ZVM
    if isinstance(value, str) and value in ZVM_SCHEDULES:
        return value
    known = ", ".join(f'"{name}"' for name in ZVM_SCHEDULES)
    raise GenesisError(f"config.zvm: {value!r} is not true, false, or one of {known}")


def _fork_of(row: _Row) -> Fork:
    return Fork.SPURIOUS_DRAGON if row.fork is None else row.fork


def _parse_activations(config: Mapping[str, Json]) -> dict[str, int]:
    """Every fork key that is set. Refuses forks that this node does not know."""
    for key, value in config.items():
        if key not in _KNOWN_KEYS and key.endswith(("Block", "Time")) and value is not None:
            raise GenesisError(f"config.{key}: this node does not know that fork (the newest is bpo2Time); remove it")
    activations = {}
    for row in _ROWS:
        start = number_field(config, row.key, bits=64, where="config")
        if start is not None:
            activations[row.key] = start
    if activations.get("daoForkBlock", 0) > 0 and bool_field(config, "daoForkSupport", where="config"):
        raise GenesisError("config.daoForkBlock: the DAO fork's refund is not supported; remove the entry")
    if activations.get("eip155Block") != activations.get("eip158Block"):
        raise GenesisError("config.eip155Block: must be the same block as eip158Block (Spurious Dragon)")
    return activations


def _check_order(activations: Mapping[str, int]) -> None:
    """Check that forks come in order without gaps, with geth's texts."""
    last: _Row | None = None
    for row in _ROWS:
        if row.key in activations and last is not None:
            _check_pair(activations, last, row)
        if not row.optional or row.key in activations:
            last = row


def _check_pair(activations: Mapping[str, int], last: _Row, row: _Row) -> None:
    here = f"{row.key} enabled at {_unit(row)} {activations[row.key]}"
    if last.key not in activations:
        raise GenesisError(f"unsupported fork ordering: {last.key} not enabled, but {here}")
    if last.by_time == row.by_time and activations[last.key] > activations[row.key]:
        before = f"{last.key} enabled at {_unit(last)} {activations[last.key]}"
        raise GenesisError(f"unsupported fork ordering: {before}, but {here}")


def _unit(row: _Row) -> str:
    return "timestamp" if row.by_time else "block"


def _parse_blob_schedule(config: Mapping[str, Json]) -> dict[Fork, BlobParameters]:
    entries = mapping_field(config, "blobSchedule", where="config")
    by_name = {fork.name.lower(): fork for fork in Fork if fork >= Fork.CANCUN}
    schedule = {}
    for name, entry in entries.items():
        if entry is None:
            continue
        if name not in by_name:
            known = ", ".join(by_name)
            raise GenesisError(f"config.blobSchedule.{name}: unknown fork, want one of {known}")
        schedule[by_name[name]] = _parse_blob_parameters(name, entry)
    return schedule


def _parse_blob_parameters(name: str, entry: Json) -> BlobParameters:
    where = f"config.blobSchedule.{name}"
    if not isinstance(entry, dict):
        raise GenesisError(f"{where}: want an object with target, max and baseFeeUpdateFraction")
    numbers = [number_field(entry, key, bits=64, where=where) for key in ("target", "max", "baseFeeUpdateFraction")]
    target, maximum, fraction = [number or 0 for number in numbers]
    reason = f'invalid chain configuration in blobSchedule for fork "{name}"'
    if fraction == 0:
        raise GenesisError(f"{reason}: update fraction must be defined and non-zero")
    if maximum == 0 or target > maximum:
        raise GenesisError(f"{reason}: target {target} must not exceed max {maximum}, and max must not be 0")
    return BlobParameters(target, maximum, fraction)
