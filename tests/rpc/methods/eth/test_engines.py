"""A node on each of the EVM's engines: blocks, calls, estimates and system contracts."""

from collections import Counter
from pathlib import Path

import pytest

from tests.core.support import needs_core
from tests.core.test_evm_engines import with_dearer_add
from tests.rpc.methods.assembly import BOX, creation
from tests.rpc.methods.memory_node import ALICE, Node, hexadecimal, start_node, stop_node
from zevm.chain.options import ChainOptions
from zevm.chain.vm import transition
from zevm.chain.vm.engines import choice
from zevm.chain.vm.engines.engine import Engine

pytestmark = needs_core


def word(number: int) -> str:
    return f"0x{number:064x}"


async def life(node: Node) -> list[object]:
    """Answers of a node that do not depend on the time: the same on every engine."""
    receipt = await node.send(data=hexadecimal(creation(BOX)))
    box = receipt["contractAddress"]
    receipts = [receipt, *[await node.send(to=box, data=word(value)) for value in (3, 0, 8)]]
    proof = await node.call("eth_getProof", box, ["0x0"], "latest")
    return [
        *[(each["status"], each["gasUsed"], each["contractAddress"], len(each["logs"])) for each in receipts],
        await node.call("eth_call", {"to": box}, "latest"),
        await node.call("eth_estimateGas", {"to": box, "data": word(9)}),
        await node.call("eth_createAccessList", {"to": box}, "latest"),
        (proof["storageHash"], proof["storageProof"]),
    ]


@pytest.mark.parametrize("engine", Engine)
async def test_a_node_answers_the_same_on_every_engine(engine: Engine) -> None:
    answers = []
    for chosen in (Engine.PY_EVM, engine):
        before = Counter(choice.messages)
        running = await start_node(options=ChainOptions(engine=chosen))
        try:
            answers.append(await life(running))
            assert (await running.call("zvm_status"))["evm"] == chosen.value
        finally:
            await stop_node(running)
        ran = Counter(choice.messages) - before
        assert (ran["native"] > 5) is chosen.uses_core
    assert answers[0] == answers[1]


async def test_no_block_is_made_where_the_engines_differ(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    running = await start_node(options=ChainOptions(engine=Engine.CHECK))
    try:
        adder = await running.place(bytes.fromhex("6001600201600055"))
        number = await running.call("eth_blockNumber")
        call = {"to": adder, "from": hexadecimal(ALICE), "gas": hex(100_000)}
        with monkeypatch.context() as patched:
            patched.setattr(transition, "frames_of", lambda fork, _: with_dearer_add(fork))
            for method in ("eth_call", "eth_sendTransaction"):
                error = (await running.ask(method, call))["error"]
                assert error["code"] == -32603, error
                assert "the engines do not agree" in caplog.text
                caplog.clear()
            assert await running.call("eth_blockNumber") == number
        assert len(list(tmp_path.glob("zevm-engines-*.json"))) >= 2
    finally:
        await stop_node(running)
