"""Metrics: what is counted, and that a client cannot make series without end."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.chain.chain_fixtures import transfer
from zevm.chain.blockchain import Chain
from zevm.chain.blocks.mining import MiningMode
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.options import ChainOptions
from zevm.chain.rules.genesis import load_default_genesis
from zevm.chain.vm.engines.engine import default_engine
from zevm.core import CORE
from zevm.node.metrics import METHOD_LIMIT, Metrics
from zevm.rpc.errors import InvalidParamsError, MethodNotFoundError
from zevm.rpc.execution.brief import NOT_BRIEF, BriefExecutions
from zevm.rpc.transport.quic.options import QuicFigures
from zevm.storage.database import Database


@pytest.fixture
def chain() -> Iterator[Chain]:
    database = Database.open(None)
    chain = Chain(database, load_default_genesis(), ChainOptions(mining=MiningMode(automine=False)))
    yield chain
    chain.close()
    database.close()


def _read(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    text = generate_latest(metrics.registry).decode()
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_chain_is_measured(chain: Chain) -> None:
    metrics = Metrics(chain, None)
    metrics.watch_connections(lambda: 3)
    chain.events.subscribe(metrics.on_event)
    write = chain.writer.run
    write(chain.send_transaction, transfer(0))
    assert _read(metrics)["zevm_pool_transactions", ("executable",)] == 1
    write(chain.mine)
    write(chain.send_transaction, transfer(1))
    write(chain.drop_all_transactions)
    write(chain.mine)
    write(chain.rollback, 1)
    values = _read(metrics)
    assert values["zevm_head_number", ()] == 1
    assert values["zevm_head_gas_used", ()] == 21_000
    assert values["zevm_blocks_total", ()] == 2
    assert values["zevm_removed_blocks_total", ()] == 1
    assert values["zevm_gas_total", ()] == 21_000
    assert values["zevm_transactions_total", ("succeeded",)] == 1
    assert values["zevm_transactions_total", ("failed",)] == 0
    assert values["zevm_dropped_transactions_total", ()] == 1
    assert values["zevm_pool_transactions", ("executable",)] == 0
    assert values["zevm_connections", ()] == 3
    assert values["zevm_core_info", (CORE.kernel or "", str(CORE.library is not None).lower())] == 1
    assert values["zevm_core_memory_bytes", ()] >= 0
    assert values["zevm_evm_info", (default_engine().value,)] == 1
    assert sum(values["zevm_evm_messages_total", (name,)] for name in ("native", "py-evm")) >= 1
    assert values["process_resident_memory_bytes", ()] > 0


def test_calls_are_counted_by_method_and_outcome(chain: Chain) -> None:
    metrics = Metrics(chain, None)
    metrics.called("eth_call", [], 0.003, None)
    metrics.called("eth_call", [], 0.3, None)
    metrics.called("eth_call", [], 0.1, InvalidParamsError("no"))
    metrics.called("nothing_here", [], 0.1, MethodNotFoundError("nothing_here"))
    values = _read(metrics)
    assert values["zevm_rpc_request_seconds_count", ("eth_call", "ok")] == 2
    assert values["zevm_rpc_request_seconds_sum", ("eth_call", "ok")] == pytest.approx(0.303)
    assert values["zevm_rpc_request_seconds_bucket", ("0.005", "eth_call", "ok")] == 1
    assert values["zevm_rpc_request_seconds_count", ("eth_call", "-32602")] == 1
    assert values["zevm_rpc_request_seconds_count", ("other", "-32601")] == 1


def test_executions_on_the_event_loop_are_counted(chain: Chain) -> None:
    metrics, brief = Metrics(chain, None), BriefExecutions(1.0, 10)
    metrics.watch_brief_executions(brief)

    def take_long(deadline: Deadline) -> None:
        deadline.bound(2, 1)

    assert brief.run(("kind",), (lambda deadline: deadline.remaining() > 0,)) is True
    assert brief.run(("kind",), (take_long,)) is NOT_BRIEF
    assert brief.run(("kind",), (take_long,)) is NOT_BRIEF
    values = _read(metrics)
    assert values["zevm_brief_executions_total", ("ended",)] == 1
    assert values["zevm_brief_executions_total", ("again",)] == 2


def test_invented_names_make_no_series(chain: Chain) -> None:
    metrics = Metrics(chain, None)
    for index in range(METHOD_LIMIT + 100):
        metrics.called(f"name_{index}", [], 0.0, InvalidParamsError("no"))
    methods = {labels[0] for name, labels in _read(metrics) if name == "zevm_rpc_request_seconds_count"}
    assert len(methods) == METHOD_LIMIT + 1
    assert _read(metrics)["zevm_rpc_request_seconds_count", ("other", "-32602")] == 100


def test_the_size_of_the_folder(chain: Chain, tmp_path: Path) -> None:
    (tmp_path / "leveldb").mkdir()
    (tmp_path / "leveldb" / "000005.ldb").write_bytes(bytes(1234))
    assert _read(Metrics(chain, tmp_path))["zevm_database_bytes", ()] == 1234
    assert ("zevm_database_bytes", ()) not in _read(Metrics(chain, None))


def test_the_quic_port_is_measured(chain: Chain) -> None:
    metrics = Metrics(chain, None)
    figures: list[QuicFigures] = []
    metrics.watch_quic(lambda: figures[0] if figures else None)
    assert not any(name.startswith("zevm_quic") for name, _ in _read(metrics))
    pair = ("zvm/1", "X25519MLKEM768")
    figures.append(QuicFigures({pair: 2}, 1, {pair: 5}, 3, 4, 6, 700, 1_500, 8, 9))
    values = {name: value for (name, _), value in _read(metrics).items() if name.startswith("zevm_quic")}
    assert values == {
        "zevm_quic_connections": 2,
        "zevm_quic_half_open_connections": 1,
        "zevm_quic_handshakes_total": 5,
        "zevm_quic_refused_connections_total": 3,
        "zevm_quic_active_executions": 4,
        "zevm_quic_executions_total": 6,
        "zevm_quic_gas_total": 700,
        "zevm_quic_oldest_execution_seconds": 1.5,
        "zevm_quic_busy_total": 8,
        "zevm_quic_refused_authentications_total": 9,
    }
    assert _read(metrics)["zevm_quic_connections", ("X25519MLKEM768", "zvm/1")] == 2
