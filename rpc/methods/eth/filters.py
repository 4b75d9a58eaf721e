"""eth_: logs and polling filters."""

import asyncio
from collections.abc import Iterator, Sequence

from zevm.chain.canonical.log_records import LogRecord
from zevm.chain.canonical.log_search import LogQuery
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import InvalidRequestError
from zevm.chain.tracing.encoded import Encoded, enclosed, size_of
from zevm.chain.types.block_reference import LATEST, BlockReference
from zevm.rpc.codec import objects, scalars
from zevm.rpc.codec.later import Later
from zevm.rpc.codec.objects import LogFilter
from zevm.rpc.errors import InvalidParamsError, told
from zevm.rpc.methods.support.filling import execution_deadline
from zevm.rpc.methods.support.kinds import kind_of_search
from zevm.rpc.notifications.filters import check_log_filter
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services

FILTER = Param("filter", objects.log_filter)
LOGS_BETWEEN_LOOKS = 32
"""Logs encoded between two checks of the clock."""

JOINED_BYTES = 64 * 1024
"""Most bytes of their texts that are copied into one part."""

LIGHT_CHANGES = 20
"""Maximum of changes that the event loop sends; each may be a log with its data."""

IDENTIFIER = Param("filterId", scalars.string)


def _height(services: Services, reference: BlockReference | None) -> int:
    """A bound's height; the pending block has no logs, so `pending` is the head."""
    return services.chain.number_of(reference or LATEST)


def find(services: Services, criteria: LogFilter, deadline: Deadline) -> Sequence[LogRecord]:
    """The logs that match a filter, within the limits on range and results."""
    check_log_filter(criteria, services.limits)
    first = last = None
    if criteria.block_hash is None:
        first, last = _height(services, criteria.from_block), _height(services, criteria.to_block)
        limit = services.limits.log_block_range
        # a range beyond the head has an error of its own, which asking for less would not mend
        if 0 < limit < last - first and last <= services.chain.head.number:
            raise InvalidParamsError(
                f"block range of {last - first} is too large: want at most {limit} (--rpc-log-block-range)"
            )
    query = LogQuery(first, last, criteria.block_hash, criteria.addresses, criteria.topics)
    try:
        return services.chain.logs(query, deadline=deadline)
    except InvalidRequestError as error:
        raise InvalidParamsError(told(error)) from error


def search(services: Services, criteria: LogFilter, deadline: Deadline) -> Encoded:
    """The logs that match a filter as JSON, a few at a time, so that other threads can run in between."""
    return Encoded(enclosed(b"[", _encoded(services, find(services, criteria, deadline), deadline), b"]"))


def _encoded(services: Services, records: Sequence[LogRecord], deadline: Deadline) -> Iterator[list[bytes]]:
    """The texts of a few logs each, with commas between: in one part where they are small."""
    head_number = services.chain.head.number
    for first in range(0, len(records), LOGS_BETWEEN_LOOKS):
        deadline.check("the search for logs took too long; ask for fewer blocks")
        texts = services.encoded_logs.all_encoded(records[first : first + LOGS_BETWEEN_LOOKS], head_number)
        is_small = size_of(texts) <= JOINED_BYTES
        yield [b",".join(texts)] if is_small else enclosed(b"", ((text,) for text in texts), b"")


@method("eth_getLogs", cost=Cost.EXECUTION, kind=kind_of_search, params=(FILTER,), result="[log]")
def get_logs(services: Services, criteria: LogFilter, *, deadline: Deadline) -> Encoded:
    """The logs of a block or a range of blocks, by addresses and topics."""
    return search(services, criteria, deadline)


@method("eth_newFilter", cost=Cost.LIGHT, params=(FILTER,), result="filter id")
def new_filter(services: Services, criteria: LogFilter) -> str:
    """Create a filter that collects matching logs of coming blocks."""
    return services.filters.new_log_filter(criteria)


@method("eth_newBlockFilter", cost=Cost.LIGHT, result="filter id")
def new_block_filter(services: Services) -> str:
    """Create a filter that collects the hashes of coming blocks."""
    return services.filters.new_block_filter()


@method(
    "eth_newPendingTransactionFilter",
    cost=Cost.LIGHT,
    params=(Param("full", scalars.boolean, default=False, summary="objects instead of hashes"),),
    result="filter id",
)
def new_pending_transaction_filter(services: Services, full: bool) -> str:
    """Create a filter that collects transactions as they enter the pool."""
    return services.filters.new_pending_transaction_filter(full)


@method("eth_getFilterChanges", cost=Cost.LIGHT, params=(IDENTIFIER,), result="[hash | log | transaction]")
def get_filter_changes(services: Services, identifier: str) -> Encoded | Later:
    """The changes that a filter has collected since the last call."""
    changes = services.filters.changes(identifier)
    return _listed(changes) if len(changes) <= LIGHT_CHANGES else Later(_listed, changes)


def _listed(items: list[bytes]) -> Encoded:
    return Encoded(enclosed(b"[", ((item,) for item in items), b"]"))


@method("eth_getFilterLogs", cost=Cost.ASYNC, params=(IDENTIFIER,), result="[log]")
async def get_filter_logs(services: Services, identifier: str) -> Encoded:
    """All logs that match a filter's criteria, including old ones."""
    criteria = services.filters.criteria(identifier)
    deadline = execution_deadline(services)
    try:
        return await asyncio.to_thread(search, services, criteria, deadline)
    except asyncio.CancelledError:
        deadline.cancellation.cancel()
        raise


@method("eth_uninstallFilter", cost=Cost.LIGHT, params=(IDENTIFIER,), result="boolean")
def uninstall_filter(services: Services, identifier: str) -> bool:
    """Remove a filter; return whether there was one."""
    return services.filters.uninstall(identifier)
