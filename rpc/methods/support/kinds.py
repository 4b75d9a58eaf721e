"""Kinds of executions: what calls that take about the same time have in common; None for those that are never short."""

from collections.abc import Sequence
from functools import lru_cache

from zevm.chain.blocks.brief_sends import BRIEF_WAITING
from zevm.chain.calls.overrides import NO_OVERRIDES, BlockOverrides, StateOverrides
from zevm.chain.types import Transaction
from zevm.chain.types.block_reference import LATEST, PENDING_TAG, BlockReference
from zevm.chain.types.selectors import SELECTOR_BYTES
from zevm.rpc.codec.objects import LogFilter, TransactionArguments
from zevm.rpc.dispatch.function_kinds import BRIEF_DATA_BYTES
from zevm.rpc.execution.durations import Kind
from zevm.rpc.services import Services
from zevm.storage.primitives import Address

BRIEF_ACCESSES = 16
"""Most entries of a message's own access list."""
BRIEF_SLOTS = 64
"""Most slots of a proof."""
BRIEF_ITEMS = 8
"""Most addresses and topics of a log filter; they are kept with its time."""
BRIEF_HISTORY = 64
"""Most blocks, and rewards of blocks, of a fee history."""

decode_once = lru_cache(16)(Transaction.decode)
"""A signed transaction of at most BRIEF_DATA_BYTES, which its kind and its sending need."""


def kind_of_message(
    services: Services,
    arguments: TransactionArguments,
    block: BlockReference,  # noqa: ARG001
    state_overrides: StateOverrides,
    block_overrides: BlockOverrides = NO_OVERRIDES.block,
) -> Kind | None:
    """Messages to the same code with the same selector."""
    if state_overrides or block_overrides is not NO_OVERRIDES.block:
        return None
    return _kind_of_code(services, arguments)


def _kind_of_code(services: Services, message: TransactionArguments | Transaction) -> Kind | None:
    to, accesses = message.to, message.access_list or ()
    if (
        to is None
        or len(message.data) > BRIEF_DATA_BYTES
        or message.authorization_list
        or message.blob_versioned_hashes
        or (accesses and sum([1 + len(entry.storage_keys) for entry in accesses]) > BRIEF_ACCESSES)
        # a program that is shown every instruction
        or services.chain.options.watcher is not None
    ):
        return None
    account = services.chain.head.state.account(to)
    return None if account is None else account.code_hash, message.data[:SELECTOR_BYTES]


def kind_of_sending(services: Services, arguments: TransactionArguments) -> Kind | None:
    """Transactions to the same code with the same selector; one without a gas limit has to be estimated as well."""
    if _waits(services):
        return None if arguments.gas is None or arguments.blobs else _kind_of_waiting(arguments)
    if arguments.blobs or not _mines_alone(services):
        return None
    kind = _kind_of_code(services, arguments)
    return None if kind is None else (*kind, arguments.gas is None)


def kind_of_raw_sending(services: Services, raw: bytes) -> Kind | None:
    """Signed transactions to the same code with the same selector."""
    if len(raw) > BRIEF_DATA_BYTES:
        return None
    if _waits(services):
        return _kind_of_waiting(decode_once(raw))
    if not _mines_alone(services):
        return None
    return _kind_of_code(services, decode_once(raw))


def _waits(services: Services) -> bool:
    """Whether a transaction stays in the pool, of which few wait there, and the writer lends its role for that."""
    chain = services.chain
    return chain.writer.lends and not chain.mining.automine and chain.pool.size <= BRIEF_WAITING


def _kind_of_waiting(message: TransactionArguments | Transaction) -> Kind | None:
    """Transactions that execute nothing now."""
    if len(message.data) > BRIEF_DATA_BYTES or message.authorization_list or message.blob_versioned_hashes:
        return None
    return ("waits",)


def _mines_alone(services: Services) -> bool:
    """Whether a transaction goes into a block of its own at once, and the writer lends its role for that."""
    chain = services.chain
    return chain.writer.lends and chain.mining.automine and chain.pool.is_empty


def kind_of_proof(
    services: Services,  # noqa: ARG001
    address: Address,  # noqa: ARG001
    keys: Sequence[object],
    block: BlockReference,
) -> Kind | None:
    """Proofs of as many slots."""
    if len(keys) > BRIEF_SLOTS or block.tag is PENDING_TAG:
        return None
    return (len(keys),)


def kind_of_search(services: Services, criteria: LogFilter) -> Kind | None:
    """Searches for the same addresses and topics in a range of about the same length."""
    if len(criteria.addresses) + sum([len(wanted or ()) for wanted in criteria.topics]) > BRIEF_ITEMS:
        return None
    first, last = [services.chain.number_of(bound or LATEST) for bound in (criteria.from_block, criteria.to_block)]
    return criteria.addresses, criteria.topics, criteria.block_hash is None, (last - first).bit_length()


def kind_of_history(
    services: Services,  # noqa: ARG001
    count: int,
    newest: BlockReference,
    percentiles: Sequence[float] = (),
) -> Kind | None:
    """Histories of as many blocks and rewards."""
    if newest.tag is PENDING_TAG or count * max(1, len(percentiles)) > BRIEF_HISTORY:
        return None
    return count, len(percentiles)
