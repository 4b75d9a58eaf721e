"""What is wrong is told by the room that finds it, what to do about it by the rooms that talk to people."""

import ast
import logging
import re
from enum import Enum
from pathlib import Path

import pytest

from zevm.chain import errors as chain_errors
from zevm.chain.errors import BlockError, BlockOverrideError, ExternalConsensusError, Notice, Reason, TransactionError
from zevm.node import hints
from zevm.node.settings import setting_flags
from zevm.rpc import errors as rpc_errors
from zevm.rpc.errors import RefusedError, refusals_as_parameters, translate
from zevm.storage.errors import CorruptionError, StorageError, StorageProblem

ROOT = Path(__file__).resolve().parents[2]


def test_every_problem_and_notice_has_a_hint() -> None:
    assert {topic for topic in hints.HINTS if isinstance(topic, StorageProblem)} == set(StorageProblem)
    assert {topic for topic in hints.HINTS if isinstance(topic, Notice)} == set(Notice)


def _named(room: str) -> set[str]:
    """Every `Class.MEMBER` and every called or raised name in a room's code."""
    named = set()
    for file in (ROOT / room).rglob("*.py"):
        if file.name == "errors.py":
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                named.add(f"{node.value.id}.{node.attr}")
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                named.add(node.id)
    return named


def test_every_hint_belongs_to_what_is_raised() -> None:
    named = _named("chain") | _named("storage") | _named("contracts") | _named("analysis")
    wanted = {str(topic) if isinstance(topic, Enum) else topic.__name__ for topic in hints.HINTS}
    assert wanted - named == set()


def test_the_flags_of_the_hints_exist() -> None:
    flags = {name for flag in setting_flags().values() for name in flag.names}
    offered = {flag for hint in hints.HINTS.values() for flag in re.findall(r"(?<!\w)--[a-z][a-z-]+", hint)}
    assert offered - flags - {"--deep", "--accept", "--development"} == set()


DAMAGED = CorruptionError("block 5 is missing", StorageProblem.RECORD_DAMAGED)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (DAMAGED, "block 5 is missing; run `zevm db check --deep`"),
        (
            StorageError("there is no database at d", StorageProblem.NO_DATABASE),
            "there is no database at d; `zevm run` makes one",
        ),
        (StorageError("the database is closed"), "the database is closed"),
        (
            BlockError(Reason.TIMESTAMP_OF_PARENT, "block 2: t"),
            "block 2: t; `zevm import --development` accepts equal ones",
        ),
        (TransactionError(Reason.ALREADY_KNOWN, "already known"), "already known"),
        (
            ExternalConsensusError(),
            "a consensus client drives this chain through the Engine API, and nothing else changes it; "
            "start without --authrpc to make blocks here",
        ),
    ],
)
def test_what_the_operator_reads(error: Exception, text: str) -> None:
    assert hints.told(error) == text


def test_what_a_client_reads() -> None:
    refused = TransactionError(Reason.GAS_LIMIT_ABOVE_CAP, "transaction gas limit too high (cap: 1, tx: 2)")
    answer = translate(refused, evm_timeout_seconds=1)
    assert isinstance(answer, RefusedError)
    assert answer.to_json() == {
        "code": -32000,
        "message": "transaction gas limit too high (cap: 1, tx: 2); "
        "--disable-tx-gas-limit lifts the cap, which is Osaka's (EIP-7825)",
    }
    damaged = translate(DAMAGED, evm_timeout_seconds=1)
    assert damaged is not None
    assert damaged.message == ("database damaged: block 5 is missing; run `zevm db check --deep`; stop the node first")
    with (
        pytest.raises(rpc_errors.InvalidParamsError, match="; give 1 or more, or start with --allow-blocks-with"),
        refusals_as_parameters(),
    ):
        raise chain_errors.EqualTimestampsError("Timestamp error")


@pytest.mark.parametrize(
    ("field", "name"), [("parent_beacon_block_root", "beaconRoot"), ("withdrawals", "withdrawals")]
)
def test_an_override_is_named_as_clients_name_it(field: str, name: str) -> None:
    assert rpc_errors.told(BlockOverrideError(field)) == f'block override "{name}" is not supported for this RPC method'


def test_the_log_adds_hints(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("zevm.test_hints")
    with caplog.filtering(hints.HintFilter()), caplog.filtering(hints.HintFilter()):
        logger.error("waiting transactions cannot be mined: %s", DAMAGED)
        logger.warning("%d is the limit", 3, extra={"notice": Notice.REORG_LIMIT})
    assert caplog.messages == [
        "waiting transactions cannot be mined: block 5 is missing; run `zevm db check --deep`",
        "3 is the limit; --rpc-engine-reorg-blocks raises it",
    ]
