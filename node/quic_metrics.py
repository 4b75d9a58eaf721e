"""Metrics of the QUIC port, read at each scrape."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from zevm.rpc.transport.quic.options import QuicFigures

_Row = tuple[str, Callable[[QuicFigures], float]]
_LABELS = ("protocol", "group")
_COUNTERS: dict[str, _Row] = {
    "zevm_quic_refused_connections": ("Connections refused over a limit", lambda found: found.refused_connections),
    "zevm_quic_executions": ("Executions of zvm/1 since the start", lambda found: found.executions),
    "zevm_quic_gas": ("Gas of executions of zvm/1 since the start", lambda found: found.gas),
    "zevm_quic_busy": ("Requests of zvm/1 that were told the server is busy", lambda found: found.refused_busy),
    "zevm_quic_refused_authentications": (
        "Signed requests of zvm/1 with status 7",
        lambda found: found.refused_authentications,
    ),
}
_GAUGES: dict[str, _Row] = {
    "zevm_quic_half_open_connections": ("Unfinished QUIC handshakes", lambda found: found.half_open),
    "zevm_quic_active_executions": ("Executions of zvm/1 under way", lambda found: found.active_executions),
    "zevm_quic_oldest_execution_seconds": (
        "Age of the oldest execution of zvm/1 under way",
        lambda found: found.oldest_execution_age_ms / 1_000,
    ),
}
"""Name -> its meaning, and where it is among the figures."""


class QuicCollector:
    """Asks the port when scraped."""

    def __init__(self, figures: Callable[[], QuicFigures | None]) -> None:
        self._figures = figures

    def describe(self) -> Iterator[Metric]:
        """Describe nothing in advance."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The figures as they are now."""
        found = self._figures()
        if found is None:
            return
        about = "Open QUIC connections by protocol and TLS group"
        yield _labelled(GaugeMetricFamily("zevm_quic_connections", about, labels=_LABELS), found.connections)
        about = "QUIC handshakes since the start by protocol and TLS group"
        yield _labelled(CounterMetricFamily("zevm_quic_handshakes", about, labels=_LABELS), found.handshakes)
        for name, (about, read) in _GAUGES.items():
            yield GaugeMetricFamily(name, about, value=read(found))
        for name, (about, read) in _COUNTERS.items():
            yield CounterMetricFamily(name, about, value=read(found))


def _labelled(
    family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[tuple[str, str], int]
) -> GaugeMetricFamily | CounterMetricFamily:
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family
