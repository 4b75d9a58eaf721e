"""Forwarding of the pool's transactions: nodes that peer only through consensus clients share no pool."""

import logging
import threading
from collections import deque
from collections.abc import Sequence

from zevm.chain.blockchain import Chain
from zevm.chain.events import Event, TransactionAdded
from zevm.chain.types.transaction import encode_network_form
from zevm.node.client import CallFailedError, Client
from zevm.node.errors import NodeError
from zevm.rpc.limits import Limits
from zevm.storage.primitives import Hash32

LOGGER = logging.getLogger("zevm.node")


class Forwarder:
    """Sends every transaction that enters the pool to other nodes, with one thread for each.

    A node is asked for a transaction before it is sent, so none goes in a circle, and the log of a node that forwards
    back tells of no refusal. The queues hold hashes: a transaction that has left the pool meanwhile is not sent.
    """

    def __init__(self, chain: Chain, urls: Sequence[str], limits: Limits) -> None:
        self._targets = [_Target(chain, url, limits) for url in urls]

    def start(self) -> None:
        """Start sending."""
        for target in self._targets:
            target.start()

    def on_event(self, event: Event) -> None:
        """A chain event (chain.events.Listener)."""
        if isinstance(event, TransactionAdded) and not event.transaction.is_impersonated:
            for target in self._targets:
                target.put(event.transaction.hash)

    def close(self) -> None:
        """Stop sending; a running call ends with the process."""
        for target in self._targets:
            target.close()


class _Target:
    """One destination node. Transactions missed while it was unreachable follow once it answers again."""

    def __init__(self, chain: Chain, url: str, limits: Limits) -> None:
        self._chain = chain
        self._client = Client(url, timeout_seconds=limits.forward_seconds)
        self._limit = limits.forward_queue
        self._waiting: deque[Hash32] = deque()
        self._missed: deque[Hash32] = deque(maxlen=self._limit)
        self._changed = threading.Condition()
        self._stopped = False
        self._fails = False
        self._overflows = False
        self._thread = threading.Thread(target=self._run, name="forward-transactions", daemon=True)

    def start(self) -> None:
        """Start sending."""
        self._thread.start()

    def put(self, transaction_hash: Hash32) -> None:
        """Queue a transaction; if the queue is full, drop it and log so once."""
        with self._changed:
            overflows = len(self._waiting) >= self._limit
            if not overflows:
                self._waiting.append(transaction_hash)
                self._changed.notify()
        if overflows and not self._overflows:
            LOGGER.warning(
                "%s is slow: %d transactions wait for it, and further ones are not forwarded (--rpc-forward-queue)",
                self._client.url,
                self._limit,
            )
        self._overflows = overflows

    def close(self) -> None:
        """End the thread once its call has ended."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _run(self) -> None:
        while (transaction_hash := self._next()) is not None:
            transaction = self._chain.pool.get(transaction_hash)
            if transaction is None:
                continue
            try:
                if self._client.call("eth_getTransactionByHash", "0x" + transaction_hash.hex()) is None:
                    self._client.call("eth_sendRawTransaction", "0x" + encode_network_form(transaction).hex())
            except CallFailedError as refusal:
                # the node answers: it cannot use the transaction, or has it since it was asked
                LOGGER.debug("%s refuses 0x%s: %s", self._client.url, transaction_hash.hex(), refusal)
            except NodeError as error:
                self._tell_failure(error)
                self._missed.append(transaction_hash)
                continue
            self._fails = False
            self._send_missed()

    def _next(self) -> Hash32 | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopped)
            return None if self._stopped else self._waiting.popleft()

    def _send_missed(self) -> None:
        """Queue the transactions that the node missed before the waiting ones, so that nonces stay in order."""
        with self._changed:
            self._waiting.extendleft(reversed(self._missed))
        self._missed.clear()

    def _tell_failure(self, error: NodeError) -> None:
        """Log a failure once, until a call succeeds again."""
        if not self._fails:
            LOGGER.warning("transactions cannot be forwarded: %s", error)
        self._fails = True
