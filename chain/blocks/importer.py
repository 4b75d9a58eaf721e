"""Blocks from elsewhere: checked against their parent, executed, and compared field by field."""

from collections.abc import Callable
from dataclasses import fields

from zevm.chain.blocks.context import ChainSpec
from zevm.chain.blocks.execution import BlockExecution, BodyRoots, SealedBlock, body_roots, execute_all
from zevm.chain.blocks.history import History
from zevm.chain.blocks.uncles import check_uncles
from zevm.chain.errors import BlockError, Reason, TransactionError
from zevm.chain.rules.difficulty import next_difficulty
from zevm.chain.rules.fees import GAS_LIMIT_BOUND_DIVISOR, MIN_GAS_LIMIT, next_base_fee, next_excess_blob_gas
from zevm.chain.rules.forks import Fork, ForkRules
from zevm.chain.types import Block, Header
from zevm.chain.types.header import MAX_EXTRA_DATA_BYTES
from zevm.storage import rlp
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Hash32
from zevm.storage.state import StateStore

MAX_BLOCK_BYTES = 10 * 1024 * 1024 - 2 * 1024 * 1024
"""RLP size of a block from Osaka on (EIP-7934)."""
_MAX_GAS_LIMIT = (1 << 63) - 1


class Verifier:
    """Checks and executes blocks under a chain's rules, and writes nothing.

    states: prepares the state after a block.
    """

    def __init__(self, spec: ChainSpec, history: History, states: StateStore) -> None:
        self._spec = spec
        self._history = history
        self._states = states

    def verify_and_execute(
        self,
        block: Block,
        parent: Header,
        *,
        roots: BodyRoots | None = None,
        block_hash: Callable[[int], Hash32 | None] | None = None,
        recoveries: tuple[tuple[bytes, bytes], ...] = (),
        development: bool = False,
    ) -> SealedBlock:
        """Check a child of `parent` and execute it. Raises BlockError naming the field, what it has and should have.

        roots: of the block's own lists, where they were computed before. block_hash: looks up the ancestors' hashes by
        number where they are not canonical. recoveries: see BlockEnvironment. development: take what only a
        development node makes: leaps of the gas limit, any base fee, equal timestamps, and transactions of impersonated
        accounts, which anyone can make.
        """
        if not development:
            _check_signed(block)

        def check_header(checked: Header, its_parent: Header) -> None:
            _check_header(checked, its_parent, self._spec.of(checked), development=development)
            if not development:
                _check_gas_limit(checked, its_parent)
                _check_later(checked, its_parent)

        header, roots = block.header, roots or body_roots(block.transactions, block.withdrawals)
        check_header(header, parent)
        _check_body(block, self._spec.of(header), roots)
        check_uncles(block, parent, self._history, check_header)
        lookup = block_hash or self._history.records.canonical_hash
        environment = self._spec.environment(header, lookup, recoveries)
        execution = BlockExecution(environment, self._states, self._history.state_of(parent))
        try:
            execute_all(execution, block.transactions)
        except TransactionError as error:
            raise BlockError(error.reason, f"block {header.number}: {error.message}") from error
        sealed = execution.seal(header, uncles=block.uncles, withdrawals=block.withdrawals or (), roots=roots)
        _compare(header, sealed.block.header)
        return sealed


def _check_header(header: Header, parent: Header, rules: ForkRules, *, development: bool) -> None:
    cancun, merged = rules.fork >= Fork.CANCUN, rules.fork >= Fork.PARIS
    expected: dict[str, object] = {
        "number": parent.number + 1,
        "parent_hash": parent.hash,
        "difficulty": next_difficulty(parent, header.timestamp, rules.fork),
        "base_fee_per_gas": next_base_fee(parent, rules),
        "excess_blob_gas": next_excess_blob_gas(parent, rules) if cancun else None,
    }
    if development and header.base_fee_per_gas is not None and expected["base_fee_per_gas"] is not None:
        # anvil_setNextBlockBaseFeePerGas chooses it for one block
        del expected["base_fee_per_gas"]
    if merged:
        expected["nonce"] = bytes(8)
    for name, want in expected.items():
        _expect(header.number, name, getattr(header, name), want)
    if header.timestamp < parent.timestamp:
        raise BlockError(
            Reason.TIMESTAMP_BEFORE_PARENT,
            f"block {header.number}: timestamp {header.timestamp} is before its parent's {parent.timestamp}",
        )
    if len(header.extra_data) > MAX_EXTRA_DATA_BYTES:
        raise BlockError(
            Reason.EXTRA_DATA_SIZE, f"block {header.number}: extra data has {len(header.extra_data)} bytes, at most 32"
        )
    if header.gas_limit > _MAX_GAS_LIMIT:
        raise BlockError(
            Reason.GAS_LIMIT_OUT_OF_RANGE,
            f"block {header.number}: invalid gasLimit: have {header.gas_limit}, max {_MAX_GAS_LIMIT}",
        )
    if header.gas_used > header.gas_limit:
        raise BlockError(
            Reason.GAS_USED_ABOVE_LIMIT,
            f"block {header.number}: invalid gasUsed: have {header.gas_used}, gasLimit {header.gas_limit}",
        )
    if cancun and header.parent_beacon_block_root is None:
        raise BlockError(Reason.BEACON_ROOT_MISSING, f"block {header.number}: parent beacon block root is missing")


def _check_body(block: Block, rules: ForkRules, roots: BodyRoots) -> None:
    number = block.number
    uncles_hash = keccak256(rlp.wrap_list(b"".join([uncle.encode() for uncle in block.uncles])))
    _expect(number, "uncles_hash", block.header.uncles_hash, uncles_hash)
    _expect(number, "transactions_root", block.header.transactions_root, roots.transactions)
    if rules.fork >= Fork.PARIS and block.uncles:
        raise BlockError(
            Reason.UNCLES_AFTER_MERGE,
            f"block {number}: uncles are not allowed after the merge, there are {len(block.uncles)}",
        )
    if (block.withdrawals is None) != (rules.fork < Fork.SHANGHAI):
        raise BlockError(
            Reason.WITHDRAWALS_PRESENCE, f"block {number}: withdrawals must be present from Shanghai on, and only then"
        )
    if block.withdrawals is not None:
        _expect(number, "withdrawals_root", block.header.withdrawals_root, roots.withdrawals)
    for index, transaction in enumerate(block.transactions):
        if transaction.sidecar is not None:
            raise BlockError(
                Reason.SIDECAR_IN_BLOCK, f"block {number}: unexpected blob sidecar in transaction at index {index}"
            )
    if rules.fork >= Fork.OSAKA and (size := block.size) > MAX_BLOCK_BYTES:
        raise BlockError(Reason.BLOCK_SIZE, f"block {number}: RLP size {size} exceeds the limit {MAX_BLOCK_BYTES}")


def _check_signed(block: Block) -> None:
    for index, transaction in enumerate(block.transactions):
        if transaction.is_impersonated:
            raise BlockError(
                Reason.UNSIGNED_TRANSACTION,
                f"block {block.number}: transaction {index} [0x{transaction.hash.hex()}] has no signature: a "
                "development node sent it for an impersonated account",
            )


def _check_later(header: Header, parent: Header) -> None:
    if header.timestamp == parent.timestamp:
        raise BlockError(
            Reason.TIMESTAMP_OF_PARENT,
            f"block {header.number}: timestamp {header.timestamp} is not after its parent's {parent.timestamp}",
        )


def _check_gas_limit(header: Header, parent: Header) -> None:
    """The gas limit moves by less than 1/1024 (Yellow Paper 4.4.4), from twice the parent's at London (EIP-1559)."""
    is_first_of_london = parent.base_fee_per_gas is None and header.base_fee_per_gas is not None
    before = parent.gas_limit * (2 if is_first_of_london else 1)
    bound = before // GAS_LIMIT_BOUND_DIVISOR
    if abs(header.gas_limit - before) >= bound:
        raise BlockError(
            Reason.GAS_LIMIT_LEAP,
            f"block {header.number}: invalid gas limit: have {header.gas_limit}, want {before} +-= {bound - 1}",
        )
    if header.gas_limit < MIN_GAS_LIMIT:
        raise BlockError(
            Reason.GAS_LIMIT_OUT_OF_RANGE, f"block {header.number}: invalid gas limit below {MIN_GAS_LIMIT}"
        )


def _compare(header: Header, computed: Header) -> None:
    """Every field that execution determines must be what the header says."""
    for item in fields(Header):
        if item.init:
            _expect(header.number, item.name, getattr(header, item.name), getattr(computed, item.name))


def _expect(number: int, name: str, have: object, want: object) -> None:
    if have != want:
        raise BlockError(
            Reason.HEADER_FIELD_MISMATCH,
            f"block {number}: {name.replace('_', ' ')} is {_show(have)}, want {_show(want)}",
        )


def _show(value: object) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
