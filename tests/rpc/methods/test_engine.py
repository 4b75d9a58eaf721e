"""The engine_ methods as a consensus client calls them: what each answers, and how each refuses."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from tests.chain.chain_fixtures import ALICE as BLOB_SENDER
from tests.chain.engine.test_building import blob_transaction
from tests.rpc.engine_client import SECRET
from tests.rpc.methods.memory_node import ALICE, KEYS, Node, hexadecimal, start_node, stop_node
from tests.rpc.methods.test_pending_blocks import OTHERS
from zevm.chain.engine.limits import EngineLimits
from zevm.chain.engine.transition import TransitionCheck
from zevm.chain.options import ChainOptions
from zevm.chain.rules.forks import Fork
from zevm.chain.rules.genesis import Genesis
from zevm.chain.types.transaction import encode_network_form
from zevm.node.hints import HintFilter
from zevm.rpc.codec import scalars
from zevm.rpc.limits import Limits
from zevm.rpc.registry import REGISTRY
from zevm.rpc.transport.engine_port import EnginePortOptions

ZERO = "0x" + "00" * 32
START = 1_900_000_000
RECIPIENT = "0x" + "fe" * 20
VERSIONS = {
    Fork.PARIS: (1, 1, 1),
    Fork.SHANGHAI: (2, 2, 2),
    Fork.CANCUN: (3, 3, 3),
    Fork.PRAGUE: (4, 3, 4),
    Fork.BPO2: (4, 3, 5),
}


class EngineNode(Node):
    """A node whose calls go through the consensus client's port."""

    async def ask(self, name: str, *params: Any) -> dict[str, Any]:
        assert self.server.engine is not None
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": name, "params": params}).encode()
        reply = await self.server.engine.dispatcher.answer(body)
        assert reply is not None
        answer: dict[str, Any] = orjson.loads(reply)
        return answer

    @property
    def fork(self) -> Fork:
        return self.chain.schedule.fork_at(1, START)

    async def begin(self, **changes: Any) -> str:
        """Have a block built upon the head; the build's name."""
        version = VERSIONS[self.fork][1]
        timestamp = max(self.chain.head.header.timestamp, START) + 12
        attributes: dict[str, Any] = {
            "timestamp": hex(timestamp),
            "prevRandao": "0x" + "01" * 32,
            "suggestedFeeRecipient": RECIPIENT,
        }
        if version >= 2:
            attributes["withdrawals"] = [
                {"index": "0x0", "validatorIndex": "0x7", "address": "0x" + "77" * 20, "amount": "0x3"}
            ]
        if version >= 3:
            attributes["parentBeaconBlockRoot"] = "0x" + "bb" * 32
        answer = await self.choose(hexadecimal(self.chain.head.header.hash), attributes | changes)
        assert answer["payloadStatus"]["status"] == "VALID"
        identifier: str = answer["payloadId"]
        return identifier

    async def choose(self, head: str, attributes: Any = None) -> Any:
        state = {"headBlockHash": head, "safeBlockHash": ZERO, "finalizedBlockHash": ZERO}
        return await self.call(f"engine_forkchoiceUpdatedV{VERSIONS[self.fork][1]}", state, attributes)

    def parameters(self, payload: dict[str, Any]) -> list[Any]:
        version = VERSIONS[self.fork][0]
        return [payload, [], "0x" + "bb" * 32, []][: {1: 1, 2: 1, 3: 3, 4: 4}[version]]

    async def extend(self) -> dict[str, Any]:
        """Build a block and make it the head; its payload."""
        version, _, get = VERSIONS[self.fork]
        answer = await self.call(f"engine_getPayloadV{get}", await self.begin())
        payload: dict[str, Any] = answer if get == 1 else answer["executionPayload"]
        status = await self.call(f"engine_newPayloadV{version}", *self.parameters(payload))
        assert status == {"status": "VALID", "latestValidHash": payload["blockHash"], "validationError": None}
        assert (await self.choose(payload["blockHash"]))["payloadStatus"] == status
        return payload


@asynccontextmanager
async def engine_node(fork: Fork = Fork.BPO2, limits: Limits | None = None) -> AsyncIterator[EngineNode]:
    genesis = Genesis.default(accounts=[ALICE, BLOB_SENDER], fork=fork, timestamp=START - 1)
    running = await start_node(
        genesis, ChainOptions(external_consensus=True), limits, EnginePortOptions(SECRET, port=0)
    )
    try:
        yield EngineNode(running.chain, running.services, running.server)
    finally:
        await stop_node(running)


@pytest.fixture
async def engine() -> AsyncIterator[EngineNode]:
    async with engine_node() as node:
        yield node


@pytest.mark.parametrize("fork", VERSIONS)
async def test_a_block_is_built_taken_and_made_the_head(fork: Fork) -> None:
    async with engine_node(fork) as node:
        transaction = node.signed(KEYS[0])
        await node.call("eth_sendRawTransaction", hexadecimal(transaction.encoded))
        payload = await node.extend()
        assert payload["transactions"] == [hexadecimal(transaction.encoded)]
        assert (payload["feeRecipient"], payload["prevRandao"]) == (RECIPIENT, "0x" + "01" * 32)
        assert ("withdrawals" in payload, "blobGasUsed" in payload) == (fork >= Fork.SHANGHAI, fork >= Fork.CANCUN)
        block = await node.call("eth_getBlockByNumber", "latest", False)
        assert (block["hash"], block["stateRoot"]) == (payload["blockHash"], payload["stateRoot"])


@pytest.mark.parametrize(("fork", "version"), [(fork, rows[2]) for fork, rows in VERSIONS.items()])
async def test_get_payload_answers_in_its_version(fork: Fork, version: int) -> None:
    async with engine_node(fork) as node:
        await node.call("eth_sendRawTransaction", hexadecimal(node.signed(KEYS[0]).encoded))
        answer = await node.call(f"engine_getPayloadV{version}", await node.begin())
        more: dict[str, Any] = {"blockValue": hex(21_000 * 10**9)}
        if version >= 3:
            more |= {"blobsBundle": {"commitments": [], "proofs": [], "blobs": []}, "shouldOverrideBuilder": False}
        if version >= 4:
            more["executionRequests"] = []
        if version > 1:
            assert answer.pop("executionPayload")["blockNumber"] == "0x1"
            assert answer == more
        else:
            assert answer["blockNumber"] == "0x1"
        error = await node.fails(f"engine_getPayloadV{version}", f"0x{VERSIONS[fork][1]:02x}" + "00" * 7)
        assert (error.code, error.message) == (-38001, "Unknown payload")
        assert set(error.data) == {"err"}


async def test_new_payload_refuses(engine: EngineNode) -> None:
    payload = await engine.extend()
    for version, code in ((1, -32602), (2, -38005), (3, -38005)):
        error = await engine.fails(
            f"engine_newPayloadV{version}", *engine.parameters(payload)[: 1 if version < 3 else 3]
        )
        assert error.code == code, version
        assert error.message == ("Unsupported fork" if code == -38005 else "Invalid parameters")
    missing = {name: value for name, value in payload.items() if name != "gasLimit"}
    error = await engine.fails("engine_newPayloadV4", *engine.parameters(missing))
    assert error.code == -32602
    assert error.message == "invalid argument 0: missing required field 'gasLimit' for ExecutableData"
    error = await engine.fails("engine_newPayloadV4", payload, None, "0x" + "bb" * 32, [])
    assert (error.code, error.message, error.data) == (
        -32602,
        "Invalid parameters",
        {"err": "nil versionedHashes post-cancun"},
    )
    status = await engine.call("engine_newPayloadV4", *engine.parameters(payload | {"blockHash": ZERO}))
    assert (status["status"], status["latestValidHash"]) == ("INVALID", None)
    assert "blockhash mismatch" in status["validationError"]


async def test_fork_choice_names_safe_and_finalized(engine: EngineNode) -> None:
    blocks = [(await engine.extend())["blockHash"] for _ in range(3)]
    assert (await engine.fails("eth_getBlockByNumber", "safe", False)).message == "safe block not found"
    error = await engine.fails("eth_call", {"to": "0x" + "11" * 20}, "finalized")
    assert error.message == "finalized block not found"
    state = dict(zip(("headBlockHash", "safeBlockHash", "finalizedBlockHash"), reversed(blocks), strict=True))
    answer = await engine.call("engine_forkchoiceUpdatedV3", state)
    assert answer == {
        "payloadStatus": {"status": "VALID", "latestValidHash": blocks[2], "validationError": None},
        "payloadId": None,
    }
    for tag, height in (("safe", "0x2"), ("finalized", "0x1"), ("latest", "0x3")):
        assert (await engine.call("eth_getBlockByNumber", tag, False))["number"] == height


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_fork_choice_refuses(engine: EngineNode, version: int) -> None:
    name = f"engine_forkchoiceUpdatedV{version}"
    head = (await engine.extend())["blockHash"]
    state = {"headBlockHash": head, "safeBlockHash": "0x" + "09" * 32, "finalizedBlockHash": ZERO}
    error = await engine.fails(name, state)
    assert (error.code, error.message) == (-38002, "Invalid forkchoice state")
    assert error.data == {"err": "safe block not available in database"}
    state["safeBlockHash"] = ZERO
    late = {"timestamp": "0x1", "prevRandao": ZERO, "suggestedFeeRecipient": RECIPIENT, "withdrawals": []}
    if version == 3:
        late["parentBeaconBlockRoot"] = ZERO
    expected = {1: -32602, 2: -38005, 3: -38003}[version]
    assert (await engine.fails(name, state, late)).code == expected
    assert (await engine.fails(name, state, {"timestamp": "0x1"})).code == -32602
    assert (await engine.fails(name, {"headBlockHash": head})).code == -32602
    unknown = await engine.call(name, state | {"headBlockHash": "0x" + "05" * 32})
    assert unknown["payloadStatus"] == {"status": "SYNCING", "latestValidHash": None, "validationError": None}


@pytest.mark.lengthy
async def test_l2_fork_choice_goes_no_deeper_than_the_limit(caplog: pytest.LogCaptureFixture) -> None:
    """L2: two epochs of 64 slots by default, and a refusal tells its depth and the limit in the log."""
    async with engine_node() as node:
        assert EngineLimits().reorg_blocks == Limits().engine_reorg_blocks == 128
        assert EngineLimits().side_blocks == Limits().engine_side_blocks == 1_024
        genesis = hexadecimal(node.chain.head.header.hash)
        state = {"headBlockHash": genesis, "safeBlockHash": ZERO, "finalizedBlockHash": ZERO}
        for _ in range(129):
            await node.extend()
        with caplog.filtering(HintFilter()):
            error = await node.fails("engine_forkchoiceUpdatedV3", state)
        assert (error.code, error.message) == (-38006, "Too deep reorg")
        [record] = [item for item in caplog.records if item.name == "zevm.chain.engine"]
        assert record.getMessage() == (
            "a fork choice to block 0 is refused: it would remove 129 blocks, and 128 is the limit; "
            "--rpc-engine-reorg-blocks raises it"
        )
        state["headBlockHash"] = hexadecimal(node.chain.canonical.records.canonical_hash(1) or b"")
        assert (await node.call("engine_forkchoiceUpdatedV3", state))["payloadStatus"]["status"] == "VALID"
        assert node.chain.head.number == 1


async def test_payload_bodies(engine: EngineNode) -> None:
    transaction = engine.signed(KEYS[0])
    await engine.call("eth_sendRawTransaction", hexadecimal(transaction.encoded))
    blocks = [await engine.extend() for _ in range(3)]
    hashes = [block["blockHash"] for block in blocks]
    bodies = await engine.call("engine_getPayloadBodiesByHashV1", [hashes[1], ZERO, hashes[0]])
    assert bodies[1] is None
    assert bodies[2] == {"transactions": [hexadecimal(transaction.encoded)], "withdrawals": blocks[0]["withdrawals"]}
    assert bodies[0]["transactions"] == []
    assert await engine.call("engine_getPayloadBodiesByRangeV1", "0x1", "0x2") == [bodies[2], bodies[0]]
    assert len(await engine.call("engine_getPayloadBodiesByRangeV1", "0x2", "0x400")) == 2
    assert await engine.call("engine_getPayloadBodiesByRangeV1", "0x4", "0x1") == []
    for start, count in (("0x0", "0x1"), ("0x1", "0x0")):
        error = await engine.fails("engine_getPayloadBodiesByRangeV1", start, count)
        assert (error.code, error.message) == (-32602, "Invalid parameters")
    assert engine.services.limits.engine_payload_bodies == 1_024
    for name, params in (
        ("engine_getPayloadBodiesByRangeV1", ["0x1", hex(1_025)]),
        ("engine_getPayloadBodiesByHashV1", [[ZERO] * 1_025]),
    ):
        error = await engine.fails(name, *params)
        assert (error.code, error.message) == (-38004, "Too large request"), name


async def test_bodies_before_shanghai_have_no_withdrawals() -> None:
    async with engine_node(Fork.PARIS) as node:
        await node.extend()
        assert await node.call("engine_getPayloadBodiesByRangeV1", "0x1", "0x1") == [
            {"transactions": [], "withdrawals": None}
        ]


@pytest.mark.lengthy
@pytest.mark.usefixtures("trusted_setup")
async def test_blobs() -> None:
    transaction = blob_transaction()
    raw, sidecar = hexadecimal(encode_network_form(transaction)), transaction.sidecar
    assert sidecar is not None
    known = hexadecimal(transaction.blob_versioned_hashes[0])
    async with engine_node(Fork.PRAGUE) as node:
        await node.call("eth_sendRawTransaction", raw)
        found = await node.call("engine_getBlobsV1", [ZERO, known])
        assert found == [None, {"blob": hexadecimal(sidecar.blobs[0]), "proof": hexadecimal(sidecar.proofs[0])}]
        for version in (2, 3):
            assert await node.call(f"engine_getBlobsV{version}", [known]) is None
        bundle = (await node.call("engine_getPayloadV4", await node.begin()))["blobsBundle"]
        assert bundle["blobs"] == [hexadecimal(sidecar.blobs[0])]
        assert bundle["proofs"] == [hexadecimal(sidecar.proofs[0])]
    async with engine_node() as node:
        await node.call("eth_sendRawTransaction", raw)
        assert await node.call("engine_getBlobsV2", [known, ZERO]) is None
        whole = await node.call("engine_getBlobsV2", [known])
        assert whole[0]["blob"] == hexadecimal(sidecar.blobs[0])
        assert len(whole[0]["proofs"]) == 128
        assert await node.call("engine_getBlobsV3", [known, ZERO]) == [whole[0], None]
        bundle = (await node.call("engine_getPayloadV5", await node.begin()))["blobsBundle"]
        assert bundle["proofs"] == whole[0]["proofs"]
        assert bundle["commitments"] == [hexadecimal(sidecar.commitments[0])]
        error = await node.fails("engine_getBlobsV1", [known])
        assert (error.code, error.message) == (-38005, "Unsupported fork")
        assert node.services.limits.engine_blob_hashes == 128
        for version in (2, 3):
            error = await node.fails(f"engine_getBlobsV{version}", [ZERO] * 129)
            assert (error.code, error.message) == (-38004, "Too large request"), version


async def test_capabilities_are_the_methods(engine: EngineNode) -> None:
    names = await engine.call("engine_exchangeCapabilities", ["engine_newPayloadV1"])
    assert set(names) == set(REGISTRY.within({"engine"}).by_name) - {"engine_exchangeCapabilities"}
    assert (await engine.fails("engine_exchangeCapabilities", "engine_newPayloadV1")).code == -32602


async def test_r15_transition_configuration(engine: EngineNode, caplog: pytest.LogCaptureFixture) -> None:
    """R15, L6: consensus clients from before 2024 ask at every poll; by the specification the answer is the node's own.

    A difference is surfaced to the user, once; the block number is not compared.
    """
    name = "engine_exchangeTransitionConfigurationV1"
    mine = {"terminalTotalDifficulty": "0x0", "terminalBlockHash": ZERO, "terminalBlockNumber": "0x0"}
    assert await engine.call(name, mine) == mine
    assert await engine.call(name, mine | {"terminalBlockNumber": "0x7"}) == mine
    assert caplog.messages == []
    for other in ({"terminalBlockHash": RECIPIENT + "00" * 12}, {"terminalTotalDifficulty": "0x5"}):
        for _ in range(2):
            assert await engine.call(name, mine | other) == mine
    text = "the consensus client has another end of proof of work: terminal total difficulty %s and block 0x%s, "
    expected = [text % (0, RECIPIENT[2:] + "00" * 12), text % (5, ZERO[2:])]
    assert [message.split("here 0 and")[0] for message in caplog.messages] == expected
    await engine.call(name, mine)
    await engine.call(name, mine | {"terminalTotalDifficulty": "0x5"})
    assert len(caplog.messages) == 3
    for field in mine:
        lacking = {key: value for key, value in mine.items() if key != field}
        assert (await engine.fails(name, lacking)).code == -32602, field


def test_a_chain_without_an_end_of_proof_of_work_says_the_specified_number() -> None:
    assert TransitionCheck(None).own.total_difficulty == 2**256 - 2**10
    assert TransitionCheck(58_750_000_000_000_000_000_000).own.total_difficulty == 58_750_000_000_000_000_000_000


TAKES_A_TAG = [
    row
    for row in REGISTRY.within({"eth", "debug", "erigon", "trace", "ots"}).methods()
    if row.params and row.params[0].decode in (scalars.block_number, scalars.block_reference)
]


@pytest.mark.parametrize("tag", ["safe", "finalized"])
async def test_l5_checkpoints_that_nobody_named(engine: EngineNode, tag: str) -> None:
    """L5: an error in geth's words, by every method whose first parameter is a block; a block once it is named."""
    public = Node(engine.chain, engine.services, engine.server)
    assert len(TAKES_A_TAG) > 15
    for row in TAKES_A_TAG:
        others = [OTHERS.get(param.name) for param in row.params[1:]]
        error = await public.fails(row.name, tag, *others)
        assert (error.code, error.message) == (-32000, f"{tag} block not found"), row.name
    target = hexadecimal(ALICE)
    for name, params in (("eth_getBalance", [target, tag]), ("eth_call", [{"to": target}, tag])):
        assert (await public.fails(name, *params)).message == f"{tag} block not found"
    block = (await engine.extend())["blockHash"]
    state = {"headBlockHash": block, "safeBlockHash": block, "finalizedBlockHash": block}
    await engine.call("engine_forkchoiceUpdatedV3", state)
    assert (await public.call("eth_getBlockByNumber", tag, False))["hash"] == block


async def test_client_version(engine: EngineNode) -> None:
    client = {"code": "LH", "name": "Lighthouse", "version": "v7.0.0", "commit": "0x01020304"}
    answer = await engine.call("engine_getClientVersionV1", client)
    assert answer == [{"code": "ZE", "name": "zevm", "version": "test", "commit": "0x00000000"}]
    assert (await engine.fails("engine_getClientVersionV1", "LH")).code == -32602


async def test_every_method_checks_its_parameters(engine: EngineNode) -> None:
    for row in REGISTRY.within({"engine"}).methods():
        error = await engine.fails(row.name)
        assert (error.code, error.message) == (-32602, "missing value for required argument 0"), row.name
        required = sum(param.required for param in row.params)
        for value in (True, [], {"zz": {}}, "no", -1, 2**300, "0x", "0x" + "ff" * 40, [[]]):
            answer = await engine.ask(row.name, *[value] * required)
            code = answer.get("error", {"code": None})["code"]
            assert code in (None, -32602, -38001, -38005), (row.name, value, answer)


async def test_development_methods_that_change_the_chain_are_refused(engine: EngineNode) -> None:
    public = Node(engine.chain, engine.services, engine.server)
    for name, params in (
        ("evm_mine", []),
        ("anvil_setBalance", ["0x" + "11" * 20, "0x1"]),
        ("evm_setAutomine", [True]),
        ("evm_setIntervalMining", [1]),
        ("anvil_reorg", [0, []]),
        ("anvil_rollback", [0]),
        ("hardhat_mine", ["0x2"]),
        ("debug_setHead", ["0x0"]),
        ("evm_mine_detailed", []),
        ("evm_mine", [{"blocks": 2}]),
        ("anvil_mine", ["0x2", "0x1"]),
        ("anvil_setCode", ["0x" + "11" * 20, "0x00"]),
    ):
        error = await public.fails(name, *params)
        assert "a consensus client drives this chain" in error.message, name
        assert error.code == -32000, name
    assert await public.call("eth_mining") is False


async def test_without_a_consensus_client_the_engine_says_so() -> None:
    node = await start_node(engine=EnginePortOptions(SECRET, port=0))
    try:
        error = await EngineNode(node.chain, node.services, node.server).fails("engine_getPayloadV1", "0x" + "01" * 8)
        assert "start with --authrpc" in error.message
    finally:
        await stop_node(node)
