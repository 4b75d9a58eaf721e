"""zvm_auditContract: code and deployed contracts, its limits, and bad input."""

import asyncio
from typing import Any

import pytest

from tests.analysis.audited_code import CLEAR_ENTRY, DEPOSIT, HAS_ENTRY, PAY_ENTRY, SET_OWNER, contract
from tests.rpc.methods.memory_node import Node, hexadecimal
from tests.rpc.methods.test_limits import limited_node
from zevm.analysis.audit.trial.world import World

VAULT = hexadecimal(contract(f"{HAS_ENTRY} {PAY_ENTRY} {CLEAR_ENTRY}", DEPOSIT))
ADDRESS = "0x" + "d0" * 20


def told(report: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(finding["rule"], finding["evidence"], finding["severity"]) for finding in report["findings"]}


async def test_code_is_tried(node: Node) -> None:
    report = await node.call("zvm_auditContract", VAULT)
    assert told(report) == {("reentrancy", "confirmed", "high")}
    assert (report["machine"], report["severity"]) == ("evm", "high")


async def test_a_contract_is_tried_on_the_state_that_it_has(node: Node) -> None:
    await node.call("anvil_setCode", ADDRESS, hexadecimal(contract(SET_OWNER, "5 SLOAD CALLER EQ ISZERO @fail JUMPI")))
    report = await node.call("zvm_auditContract", ADDRESS)
    assert told(report) == {("access-control", "confirmed", "high")}
    assert await node.call("eth_getStorageAt", ADDRESS, "0x5", "latest") == "0x" + "00" * 32, "nothing is kept"


async def test_bad_input(node: Node) -> None:
    for value, words in (("0x", "the code is empty"), (ADDRESS, "no contract at"), ("0x1", "hex string of odd length")):
        error = await node.fails("zvm_auditContract", value)
        assert error.code == -32602
        assert words in error.message


async def test_limits() -> None:
    async with limited_node(audit_code_bytes=40) as node:
        error = await node.fails("zvm_auditContract", VAULT)
        assert (error.code, "--rpc-audit-code-bytes" in error.message) == (-32602, True)
    async with limited_node(audit_seconds=0.0) as node:
        report = await node.ask("zvm_auditContract", VAULT)
        assert "--rpc-audit-seconds" in report["error"]["message"]
    async with limited_node(audits=1, evm_workers=2) as node:
        answers = await asyncio.gather(*(node.ask("zvm_auditContract", VAULT) for _ in range(2)))
        assert sorted(answer.get("error", {"code": 0})["code"] for answer in answers) == [-32005, 0]


@pytest.mark.lengthy
@pytest.mark.parametrize("code", ["0x5b600056", "0x" + "5b600056" + "00" * 40])
async def test_a_creation_without_an_end_leaves_time_for_the_code(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zevm.analysis.audit.loading.GUESS_GAS", 2**62)
    async with limited_node(audit_seconds=2.0) as node:
        report = (await node.ask("zvm_auditContract", code))["result"]
    assert "examined as deployed code" in report["notes"][0]


@pytest.mark.lengthy
async def test_a_trial_without_an_end_leaves_time_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert World.call.__kwdefaults__ is not None
    monkeypatch.setitem(World.call.__kwdefaults__, "gas", 2**62)
    endless = contract("again: GAS @again JUMPI CALLER SELFDESTRUCT", "CALLER SELFDESTRUCT")
    async with limited_node(audit_seconds=4.0) as node:
        report = (await node.ask("zvm_auditContract", hexadecimal(endless)))["result"]
    ends = {finding["function"]: finding["evidence"] for finding in report["findings"]}
    assert ends == {"0x11223344()": "suspected", "0x55667788()": "confirmed"}
    assert any("access-control of 0x11223344()" in note for note in report["notes"])
