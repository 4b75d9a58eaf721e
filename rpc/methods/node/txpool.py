"""txpool_: pending and queued transactions, by account and nonce."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from eth_utils.address import to_checksum_address

from zevm.chain.types import Transaction
from zevm.rpc.codec import results, scalars
from zevm.rpc.codec.later import Later
from zevm.rpc.codec.results import Json
from zevm.rpc.methods.support.reading import of_pool
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.storage.primitives import Address

Shown = TypeVar("Shown")
Content = dict[str, dict[str, dict[str, Shown]]]
"""{"pending" or "queued": {address: {nonce: the shown form of a transaction}}}."""


def _by_nonce(transactions: Iterable[Transaction], show: Callable[[Transaction], Shown]) -> dict[str, Shown]:
    return {str(transaction.nonce): show(transaction) for transaction in transactions}


def _content(services: Services, show: Callable[[Transaction], Shown]) -> Content[Shown]:
    pool = services.chain.pool
    return {
        name: {to_checksum_address(sender): _by_nonce(waiting, show) for sender, waiting in sorted(group.items())}
        for name, group in (("pending", pool.pending()), ("queued", pool.queued()))
    }


def _pending_json(transaction: Transaction) -> Json:
    return results.transaction(transaction, None)


def _summary(transaction: Transaction) -> str:
    to = "contract creation" if transaction.to is None else to_checksum_address(transaction.to)
    return f"{to}: {transaction.value} wei + {transaction.gas_limit} gas × {transaction.max_fee_per_gas} wei"  # noqa: RUF001


@method("txpool_status", cost=Cost.LIGHT, result="{pending, queued}")
def status(services: Services) -> dict[str, str]:
    """The number of executable transactions, and of those behind a nonce gap."""
    stats = services.chain.pool.stats()
    return {"pending": hex(stats.pending), "queued": hex(stats.queued)}


@method("txpool_content", cost=Cost.LIGHT, result="{pending, queued}: {address: {nonce: transaction}}")
def content(services: Services) -> Content[Json] | Later:
    """All transactions of the pool."""
    return of_pool(services, _content, _pending_json)


@method("txpool_inspect", cost=Cost.LIGHT, result="{pending, queued}: {address: {nonce: text}}")
def inspect(services: Services) -> Content[str] | Later:
    """All transactions of the pool, one line each."""
    return of_pool(services, _content, _summary)


@method(
    "txpool_contentFrom",
    cost=Cost.LIGHT,
    params=(Param("address", scalars.address),),
    result="{pending, queued}: {nonce: transaction}",
)
def content_from(services: Services, address: Address) -> dict[str, dict[str, Json]] | Later:
    """The transactions of one account in the pool."""
    return of_pool(services, _content_from, address)


def _content_from(services: Services, address: Address) -> dict[str, dict[str, Json]]:
    executable, queued = services.chain.pool.of_sender(address)
    return {"pending": _by_nonce(executable, _pending_json), "queued": _by_nonce(queued, _pending_json)}
