"""Pages of the chain as a whole: home, the list of blocks, a block, the pool."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from zevm.chain.types import Block, Receipt
from zevm.chain.view import ChainView
from zevm.rpc.explorer.charts import charts
from zevm.rpc.explorer.labels import Labels
from zevm.rpc.explorer.names import hash_named
from zevm.rpc.explorer.page import NotFoundError, Page, PageRequest
from zevm.rpc.explorer.paging import Pager, paged
from zevm.rpc.explorer.rows import TransactionRow, row_of, waiting_row
from zevm.rpc.methods.support.reading import account_of

HOME_ROWS = 10
HOME_ACCOUNTS = 20


def home(request: PageRequest) -> Page:
    """The newest blocks and transactions, the node's accounts, and how to reach the node."""
    services = request.services
    chain = services.chain
    following = chain.next_header()
    accounts = services.wallet.addresses()
    state = chain.head.state
    blocks = list(_blocks_down(chain, chain.head.number, HOME_ROWS))
    labels = Labels(services, request.text())
    fork = chain.schedule.fork_at(following.number, following.timestamp).name.replace("_", " ").title()
    values: dict[str, Any] = {
        "client": services.client_version,
        "head": chain.head.header,
        "chain_id": chain.chain_id,
        "fork": fork.replace("Bpo", "BPO"),
        "base_fee": following.base_fee_per_gas,
        "gas_limit": following.gas_limit,
        "pool": chain.pool.stats(),
        "blocks": blocks,
        "transactions": list(islice(_newest_transactions(chain, blocks, labels), HOME_ROWS)),
        "accounts": [(each, account_of(state, each).balance) for each in accounts[:HOME_ACCOUNTS]],
        "more_accounts": max(0, len(accounts) - HOME_ACCOUNTS),
        "origin": request.origin,
        "socket": request.origin.replace("http", "ws", 1),
    }
    return Page("home.html", f"Chain {chain.chain_id}", values)


def blocks(request: PageRequest) -> Page:
    """Blocks down from `?from=`, or from the head."""
    chain = request.services.chain
    head, first = chain.head.number, chain.first_kept
    top = min(head, max(first, request.number("from", head)))
    last = max(first, top - request.rows + 1)
    newer = min(head, top + request.rows)
    pager = Pager(
        f"{last:,} to {top:,} of {head:,}",
        f"/blocks?from={newer}" if top < head else None,
        f"/blocks?from={last - 1}" if last > first else None,
    )
    shown = list(_blocks_down(chain, top, request.rows))
    values = {"blocks": shown, "charts": charts([each.header for each in shown]), "pager": pager}
    return Page("blocks.html", "Blocks", values)


def block(request: PageRequest) -> Page:
    """A block by its number, hash or `latest`. Raises NotFoundError."""
    chain = request.services.chain
    found = _find_block(chain, request.arguments[0])
    header, receipts = found.header, chain.receipts(found.hash)
    is_canonical = chain.records.canonical_hash(header.number) == found.hash
    chosen, pager = paged(request, len(found.transactions), f"/block/0x{found.hash.hex()}")
    text = request.text()
    labels = Labels(request.services, text)
    values = {
        "block": found,
        "header": header,
        "is_canonical": is_canonical,
        "next": header.number + 1 if is_canonical and header.number < chain.head.number else None,
        "previous": header.number - 1 if header.number > chain.first_kept else None,
        "transactions": [row_of(found, receipts, index, labels) for index in chosen],
        "extra_data": text.data(header.extra_data),
        "withdrawals": (found.withdrawals or ())[: request.rows],
        "fees_wei": _fees_wei(found, receipts),
        "pager": pager,
    }
    return Page("block.html", f"Block {header.number:,}", values)


def pool(request: PageRequest) -> Page:
    """The waiting transactions, by account and nonce."""
    held = request.services.chain.pool
    waiting = [
        (group, sender, transaction)
        for group, accounts in (("pending", held.pending()), ("queued", held.queued()))
        for sender, transactions in sorted(accounts.items())
        for transaction in transactions
    ]
    chosen, pager = paged(request, len(waiting), "/pool")
    shown = waiting[chosen.start : chosen.stop]
    labels = Labels(request.services, request.text())
    rows = [(group, waiting_row(sender, each, labels), each) for group, sender, each in shown]
    return Page("pool.html", "Pool", {"rows": rows, "stats": held.stats(), "pager": pager})


def _blocks_down(chain: ChainView, top: int, count: int) -> Iterator[Block]:
    for number in range(top, max(chain.first_kept, top - count + 1) - 1, -1):
        found = chain.block_by_number(number)
        if found is not None:
            yield found


def _newest_transactions(chain: ChainView, blocks: Sequence[Block], labels: Labels) -> Iterator[TransactionRow]:
    for found in blocks:
        if found.transactions:
            receipts = chain.receipts(found.hash)
            yield from (row_of(found, receipts, index, labels) for index in reversed(range(len(found.transactions))))


def _find_block(chain: ChainView, name: str) -> Block:
    found = None
    if name == "latest":
        found = chain.block_by_hash(chain.head.header.hash)
    elif name.isascii() and name.isdigit() and len(name) <= 18:
        found = chain.block_by_number(int(name)) if int(name) <= chain.head.number else None
    else:
        found = chain.block_by_hash(hash_named(name))
    if found is None:
        raise NotFoundError(f"The chain has no block {name[:80]}; its newest is {chain.head.number:,}.")
    return found


def _fees_wei(block: Block, receipts: Sequence[Receipt] | None) -> int | None:
    """The total of the transactions' fees for gas, burned or not."""
    if receipts is None or len(receipts) != len(block.transactions):
        return None
    return sum(receipt.gas_used * receipt.effective_gas_price for receipt in receipts)
