"""A new block before its transactions: the context fields of the header, and their environment."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from zevm.chain.rules import fees
from zevm.chain.rules.bounds import BASE_FEE, GAS_LIMIT, GAS_PRICE
from zevm.chain.rules.difficulty import next_difficulty
from zevm.chain.rules.forks import Fork, ForkRules
from zevm.chain.rules.schedule import ForkSchedule
from zevm.chain.types import Header
from zevm.chain.vm.engines.engine import Engine, default_engine
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.frame import WasmMachine
from zevm.chain.vm.tracer import Watcher
from zevm.core.records import quick_init
from zevm.storage.account import StateReader
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import ZERO_ADDRESS, Address, Hash32

NO_HASH = Hash32(b"")
"""The hash that code sees of a block out of reach."""
_BLOCK_HASH_WINDOW = 256
_UNLIMITED_CODE_BYTES = 1 << 62


@dataclass(frozen=True, slots=True)
class BlockSettings:
    """Values of coming blocks that development requests set.

    coinbase, gas_limit, minimum_gas_price stay until changed; base_fee_per_gas and prev_randao hold for
    the next block only. None leaves a field to the rules. recoveries: see BlockEnvironment. Raises InvalidRequestError
    for numbers out of Ethereum's range.
    """

    coinbase: Address = ZERO_ADDRESS
    gas_limit: int | None = None
    minimum_gas_price: int = 0
    base_fee_per_gas: int | None = None
    prev_randao: bytes | None = None
    recoveries: tuple[tuple[bytes, bytes], ...] = ()

    def __post_init__(self) -> None:
        GAS_LIMIT.check(self.gas_limit or 0)
        BASE_FEE.check(self.base_fee_per_gas or 0)
        GAS_PRICE.check(self.minimum_gas_price)

    def after_block(self) -> "BlockSettings":
        """The settings once a block has used up what held for it alone."""
        if self.base_fee_per_gas is None and self.prev_randao is None:
            return self
        return replace(self, base_fee_per_gas=None, prev_randao=None)


class CallFrame(NamedTuple):
    """A call's place of execution: a block's environment over a state."""

    environment: BlockEnvironment
    reader: StateReader


@quick_init
@dataclass(frozen=True, slots=True)
class NextContext:
    """The context of a block on `parent`, and its inputs."""

    parent: Header
    settings: BlockSettings
    schedule: ForkSchedule
    header: Header
    environment: BlockEnvironment

    def is_of(self, parent: Header, timestamp: int, settings: BlockSettings, schedule: ForkSchedule) -> bool:
        """Whether it was made of these very objects, for this time."""
        same = self.parent is parent and self.settings is settings and self.schedule is schedule
        return same and self.header.timestamp == timestamp


class ChainSpec:
    """The schedule with the operator's liberties: another word on the transaction gas cap, or on the code's size.

    watcher, engine: see BlockEnvironment; None for no watcher, and for the default engine. transaction_gas_cap: see
    ForkSchedule.with_transaction_gas_cap. code_size_limit: bytes; None for the fork's own, 0 for no limit.
    """

    def __init__(
        self,
        schedule: ForkSchedule,
        wasm_machine: WasmMachine | None = None,
        *,
        watcher: Watcher | None = None,
        engine: Engine | None = None,
        transaction_gas_cap: bool | None = None,
        code_size_limit: int | None = None,
    ) -> None:
        self.schedule = schedule.with_transaction_gas_cap(transaction_gas_cap)
        self._code_size_limit = _UNLIMITED_CODE_BYTES if code_size_limit == 0 else code_size_limit
        self._wasm_machine, self._watcher = wasm_machine, watcher
        self.engine = engine or default_engine()

    def set_chain_id(self, chain_id: int) -> None:
        """Ask another chain id of the transactions of coming blocks."""
        self.schedule = replace(self.schedule, chain_id=chain_id)

    def at(self, number: int, timestamp: int) -> ForkRules:
        """The rules of the block at a height and time."""
        return self.schedule.rules(number, timestamp)

    def of(self, header: Header) -> ForkRules:
        """The rules of a block."""
        return self.at(header.number, header.timestamp)

    def environment(
        self,
        header: Header,
        block_hash: Callable[[int], Hash32 | None],
        recoveries: tuple[tuple[bytes, bytes], ...] = (),
        rules: ForkRules | None = None,
    ) -> BlockEnvironment:
        """The block of `header` as its transactions see it; `block_hash` looks up the canonical chain.

        rules: its own, where they are at hand.
        """
        rules, number = rules or self.of(header), header.number

        def past_hash(wanted: int) -> Hash32:
            if not number - _BLOCK_HASH_WINDOW <= wanted < number:
                return NO_HASH
            # the parent of a block that is not canonical yet is known without a look-up
            found = header.parent_hash if wanted == number - 1 else block_hash(wanted)
            return found or NO_HASH

        has_blobs = header.excess_blob_gas is not None and rules.blob is not None
        return BlockEnvironment(
            rules=rules,
            coinbase=header.coinbase,
            number=number,
            timestamp=header.timestamp,
            gas_limit=header.gas_limit,
            block_hash=past_hash,
            base_fee_per_gas=header.base_fee_per_gas,
            prev_randao=header.mix_hash,
            difficulty=header.difficulty,
            blob_base_fee=_blob_base_fee(header, rules) if has_blobs else None,
            parent_beacon_block_root=header.parent_beacon_block_root,
            code_size_limit=self._code_size_limit,
            recoveries=recoveries,
            wasm_machine=self._wasm_machine,
            watcher=self._watcher,
            engine=self.engine,
        )

    def header_upon(
        self,
        parent: Header,
        timestamp: int,
        number: int | None = None,
        settings: BlockSettings | None = None,
        rules: ForkRules | None = None,
    ) -> Header:
        """The header after `parent` as the rules alone make it, before transactions; the gas limit is the parent's.

        Coinbase and mix hash are zeros, and so is the beacon block's root. number: None for the parent's next one.
        settings: see `next_header`. rules: its own, where they are at hand.
        """
        number = parent.number + 1 if number is None else number
        rules = rules or self.at(number, timestamp)
        cancun = rules.fork >= Fork.CANCUN
        base_fee = fees.next_base_fee(parent, rules)
        if base_fee is not None and settings is not None and settings.base_fee_per_gas is not None:
            base_fee = settings.base_fee_per_gas
        return Header(
            parent_hash=parent.hash,
            coinbase=ZERO_ADDRESS if settings is None else settings.coinbase,
            difficulty=next_difficulty(parent, timestamp, rules.fork),
            number=number,
            gas_limit=parent.gas_limit if settings is None else settings.gas_limit or parent.gas_limit,
            timestamp=timestamp,
            mix_hash=bytes(32) if settings is None or rules.fork < Fork.PARIS else _prev_randao(parent, settings),
            base_fee_per_gas=base_fee,
            excess_blob_gas=fees.next_excess_blob_gas(parent, rules) if cancun else None,
            parent_beacon_block_root=bytes(32) if cancun else None,
        )

    def next_header(
        self, parent: Header, timestamp: int, settings: BlockSettings, rules: ForkRules | None = None
    ) -> Header:
        """The header of the block after `parent`, with what is known before its transactions run."""
        return self.header_upon(parent, timestamp, settings=settings, rules=rules)


def _blob_base_fee(header: Header, rules: ForkRules) -> int:
    assert header.excess_blob_gas is not None
    assert rules.blob is not None
    return fees.blob_base_fee(header.excess_blob_gas, rules.blob)


def _prev_randao(parent: Header, settings: BlockSettings) -> bytes:
    """Without a beacon chain the value is derived from the parent: unforeseeable enough, and the same in every run."""
    if settings.prev_randao is not None:
        return settings.prev_randao
    return keccak256(b"prevrandao" + parent.hash)
