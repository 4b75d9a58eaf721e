"""Prometheus metrics. A call costs one look-up and one observation; the rest is read at each scrape."""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from prometheus_client import CollectorRegistry, make_asgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from zevm import __version__
from zevm.chain.blockchain import Chain
from zevm.chain.events import Event, HeadChanged, TransactionsDropped
from zevm.chain.vm.engines.choice import messages
from zevm.core import CORE
from zevm.node.quic_metrics import QuicCollector
from zevm.node.replication.service import Replication
from zevm.rpc.execution.brief import BriefExecutions
from zevm.rpc.transport.quic.options import QuicFigures

LATENCY_SECONDS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
METHOD_LIMIT = 512
"""Maximum of method names with a series; further names, which a client may invent, count as `other`."""

OK = "ok"


@dataclass(slots=True)
class Totals:
    """Counts since the start; changed only on the writer thread."""

    blocks: int = 0
    removed_blocks: int = 0
    gas: int = 0
    succeeded: int = 0
    failed: int = 0
    dropped: int = 0


@dataclass(slots=True)
class _Series:
    """The calls of one method with one outcome: how many in each bucket, the last of which has no bound."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_SECONDS) + 1))
    seconds: float = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(LATENCY_SECONDS, seconds)] += 1
        self.seconds += seconds


class _Latencies:
    """A histogram of the calls, observed and read on the event loop alone, so that no call waits for a lock."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str], _Series] = {}
        self._methods: set[str] = set()

    def series(self, method: str, outcome: str) -> _Series:
        """The calls of a method with an outcome."""
        return self._series.get((method, outcome)) or self._new(method, outcome)

    def _new(self, method: str, outcome: str) -> _Series:
        is_new = method not in self._methods
        if is_new and (len(self._methods) >= METHOD_LIMIT or outcome == "-32601"):
            return self._series.setdefault(("other", outcome), _Series())
        self._methods.add(method)
        return self._series.setdefault((method, outcome), _Series())

    def describe(self) -> Iterator[Metric]:
        """Describe nothing in advance."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The histogram as it is now."""
        about = "Time to answer calls, by method and outcome (ok or the error's code)"
        family = HistogramMetricFamily("zevm_rpc_request_seconds", about, labels=("method", "outcome"))
        bounds = [*map(str, LATENCY_SECONDS), "+Inf"]
        for labels, series in list(self._series.items()):
            buckets = list(zip(bounds, accumulate(series.counts), strict=True))
            family.add_metric(labels, buckets, series.seconds)
        yield family


class Metrics:
    """Collects from the chain's events and the calls, and serves `application` at /metrics."""

    def __init__(self, chain: Chain, folder: Path | None) -> None:
        self._chain = chain
        self._totals = Totals()
        self.registry = CollectorRegistry()
        self._latencies = _Latencies()
        self.registry.register(self._latencies)
        self.registry.register(_NodeCollector(chain, self._totals, folder))
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    def called(self, method: str, params: object, seconds: float, error: Exception | None) -> None:  # noqa: ARG002
        """An answered call (rpc.services.CallLog)."""
        outcome = OK if error is None else str(getattr(error, "code", "error"))
        self._latencies.series(method, outcome).observe(seconds)

    def on_event(self, event: Event) -> None:
        """A chain event (chain.events.Listener)."""
        totals = self._totals
        if isinstance(event, HeadChanged):
            totals.removed_blocks += len(event.removed)
            for record in event.added:
                totals.blocks += 1
                totals.gas += record.block.header.gas_used
                failed = [receipt.status for receipt in record.receipts].count(0)
                totals.failed += failed
                totals.succeeded += len(record.receipts) - failed
        elif isinstance(event, TransactionsDropped):
            totals.dropped += len(event.hashes)

    def watch_connections(self, count: Callable[[], int]) -> None:
        """Tell from now on how many connections `count` says are open."""
        self.registry.register(_ConnectionCollector(count))

    def watch_brief_executions(self, brief: BriefExecutions) -> None:
        """Tell from now on what executions on the event loop came to."""
        self.registry.register(_BriefCollector(brief))

    def watch_quic(self, figures: Callable[[], QuicFigures | None]) -> None:
        """Tell from now on the figures of the QUIC port."""
        self.registry.register(QuicCollector(figures))

    def watch_replication(self, replication: Replication) -> None:
        """Tell from now on how far this node's leader and followers are."""
        self.registry.register(_ReplicationCollector(self._chain, replication))

    def endpoint(self) -> "MetricsEndpoint":
        """The ASGI application for /metrics."""
        return MetricsEndpoint(self.registry)


class MetricsEndpoint:
    """An ASGI application; a class, since routers take functions for request handlers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._serve = make_asgi_app(registry)

    async def __call__(self, scope: object, receive: object, send: object) -> None:
        """Answer a scrape."""
        await self._serve(scope, receive, send)


class _ConnectionCollector:
    """Asks the server when scraped."""

    def __init__(self, count: Callable[[], int]) -> None:
        self._count = count

    def describe(self) -> Iterator[Metric]:
        """Describe nothing in advance."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The number as it is now."""
        yield GaugeMetricFamily("zevm_connections", "Open HTTP and WebSocket connections", value=self._count())


class _BriefCollector:
    """Reads the counts of executions on the event loop when scraped."""

    def __init__(self, brief: BriefExecutions) -> None:
        self._brief = brief

    def describe(self) -> Iterator[Metric]:
        """Describe nothing in advance."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The counts as they are now."""
        about = "Executions on the event loop: ended there, or begun again on a worker since they took too long"
        family = CounterMetricFamily("zevm_brief_executions", about, labels=("outcome",))
        family.add_metric(("ended",), self._brief.here)
        family.add_metric(("again",), self._brief.overran)
        yield family


class _ReplicationCollector:
    """Asks both sides of the replication when scraped; says nothing of a side that is not there."""

    def __init__(self, chain: Chain, replication: Replication) -> None:
        self._chain = chain
        self._replication = replication

    def describe(self) -> Iterator[Metric]:
        """Describe nothing in advance."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        head = self._chain.head.number
        follower, leader = self._replication.follower, self._replication.leader
        if follower is not None:
            report = follower.report()
            connected = "1 while this node is connected to its leader; 0 otherwise"
            yield GaugeMetricFamily("zevm_replica_connected", connected, value=int(report.connected))
            refused = "1 while this node refuses what its leader sends; 0 otherwise"
            yield GaugeMetricFamily("zevm_replica_refused", refused, value=int(report.refusal is not None))
            behind = 0 if report.head is None else max(0, report.head - head)
            yield GaugeMetricFamily("zevm_replica_behind_blocks", "Blocks that this node lacks", value=behind)
            heard = "Seconds since the leader's last word; -1 before the first"
            seconds = -1 if report.heard_seconds is None else report.heard_seconds
            yield GaugeMetricFamily("zevm_replica_heard_seconds", heard, value=seconds)
        if leader is not None:
            followers = leader.followers
            yield GaugeMetricFamily("zevm_followers", "Connected followers of this node", value=len(followers))
            furthest = "Blocks that the slowest connected follower has not acknowledged"
            behind = max((max(0, head - synced) for synced in followers), default=0)
            yield GaugeMetricFamily("zevm_followers_behind_blocks", furthest, value=behind)


class _NodeCollector:
    """Reads the chain when scraped."""

    def __init__(self, chain: Chain, totals: Totals, folder: Path | None) -> None:
        self._chain = chain
        self._totals = totals
        self._folder = folder

    def describe(self) -> Iterator[Metric]:
        """Describe nothing in advance."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        header = self._chain.head.header
        info = GaugeMetricFamily("zevm_build_info", "Version and chain; always 1", labels=("version", "chain_id"))
        info.add_metric((__version__, str(self._chain.chain_id)), 1)
        yield info
        core = GaugeMetricFamily("zevm_core_info", "Where the core computes; always 1", labels=("native", "kernel"))
        core.add_metric((str(CORE.library is not None).lower(), CORE.kernel or ""), 1)
        yield core
        engine = GaugeMetricFamily("zevm_evm_info", "What runs the EVM's code; always 1", labels=("engine",))
        engine.add_metric((self._chain.options.engine.value,), 1)
        yield engine
        about = "Outermost messages that ran native, or on py-evm, the refused ones after the core gave them up"
        ran = CounterMetricFamily("zevm_evm_messages", about, labels=("engine",))
        for name in ("native", "py-evm", "refused"):
            ran.add_metric((name,), messages[name])
        yield ran
        about = "Memory that the native core has allocated"
        yield GaugeMetricFamily("zevm_core_memory_bytes", about, value=CORE.memory_bytes)
        yield GaugeMetricFamily("zevm_head_number", "Number of the newest block", value=header.number)
        yield GaugeMetricFamily("zevm_head_timestamp_seconds", "Time of the newest block", value=header.timestamp)
        yield GaugeMetricFamily("zevm_head_gas_used", "Gas used by the newest block", value=header.gas_used)
        yield GaugeMetricFamily("zevm_head_gas_limit", "Gas limit of the newest block", value=header.gas_limit)
        fee = header.base_fee_per_gas or 0
        yield GaugeMetricFamily("zevm_head_base_fee_wei", "Base fee of the newest block", value=fee)
        pool = GaugeMetricFamily("zevm_pool_transactions", "Transactions that wait", labels=("kind",))
        waiting = self._chain.pool.stats()
        pool.add_metric(("executable",), waiting.pending)
        pool.add_metric(("queued",), waiting.queued)
        yield pool
        database = self._chain.database
        fault = "1 while the database refuses writes after a failure, such as a full disk; 0 otherwise"
        yield GaugeMetricFamily("zevm_database_fault", fault, value=int(database.fault is not None))
        failed = "Writes that the medium refused since the start"
        yield CounterMetricFamily("zevm_database_failed_writes", failed, value=database.failed_writes)
        if self._folder is not None:
            size = folder_bytes(self._folder)
            yield GaugeMetricFamily("zevm_database_bytes", "Size of the database on disk", value=size)
        yield from self._counters()

    def _counters(self) -> Iterator[Metric]:
        totals = self._totals
        yield CounterMetricFamily("zevm_blocks", "Blocks added since the start", value=totals.blocks)
        removed = "Blocks removed by reorganisations and rewinds since the start"
        yield CounterMetricFamily("zevm_removed_blocks", removed, value=totals.removed_blocks)
        yield CounterMetricFamily("zevm_gas", "Gas used in added blocks since the start", value=totals.gas)
        transactions = CounterMetricFamily(
            "zevm_transactions", "Transactions mined since the start, by their status", labels=("status",)
        )
        transactions.add_metric(("succeeded",), totals.succeeded)
        transactions.add_metric(("failed",), totals.failed)
        yield transactions
        dropped = "Transactions that left the pool without being mined since the start"
        yield CounterMetricFamily("zevm_dropped_transactions", dropped, value=totals.dropped)


def folder_bytes(folder: Path) -> int:
    """The size of the files in a folder; files that vanish meanwhile count as 0."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total
