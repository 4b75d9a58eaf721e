"""cast, forge create and forge script --broadcast."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from testing.node_process import NodeProcess, RpcConnection
from tests.clients.tools import ACCOUNTS, BIN, CHAIN_ID, ETHER, KEYS, Artifact, forge, run_tool

SENDER, KEY = ACCOUNTS[4], KEYS[4]
NEW_ACCOUNT = "0x00000000000000000000000000000000CA570001"


class Cast:
    """`cast` against one node: arguments in, printed text or parsed JSON out."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, *arguments: str) -> str:
        return run_tool(BIN / "cast", *arguments, ETH_RPC_URL=self.url).stdout.strip()

    def json(self, command: str, *arguments: str) -> Any:
        return json.loads(self(command, "--json", *arguments))

    def fails(self, *arguments: str) -> str:
        finished = run_tool(BIN / "cast", *arguments, check=False, ETH_RPC_URL=self.url)
        assert finished.returncode != 0
        return finished.stderr

    def send(self, *arguments: str) -> Any:
        return self.json("send", "--private-key", KEY, *arguments)


@pytest.fixture(scope="module")
def cast(node: NodeProcess, npm_tools: None) -> Cast:  # noqa: ARG001
    return Cast(node.url)


@pytest.fixture(scope="module")
def address(cast: Cast, counter: Artifact) -> str:
    """A Counter that starts at 7, deployed with `cast send --create`."""
    receipt = cast.send("--create", counter.bytecode + f"{7:064x}")
    assert receipt["status"] == "0x1"
    return str(receipt["contractAddress"])


def test_reads_the_chain(cast: Cast) -> None:
    assert cast("chain-id") == str(CHAIN_ID)
    assert cast("client")
    assert cast("balance", ACCOUNTS[9], "--block", "0") == str(10_000 * ETHER)
    number = int(cast("block-number"))
    block = cast.json("block", str(number))
    assert int(block["number"], 16) == number
    assert cast("block", str(number), "--field", "hash") == block["hash"]
    assert int(cast("gas-price")) > 0
    assert int(cast("base-fee")) >= 0
    assert cast("block", "finalized", "--field", "number").isdigit()


def test_r3_cast_reads_the_pending_block(cast: Cast) -> None:
    """R3: alloy's types take every field of it."""
    pending, latest = cast.json("block", "pending"), cast.json("block", "latest")
    assert int(pending["number"], 16) == int(latest["number"], 16) + 1
    assert pending["logsBloom"] == "0x" + "00" * 256
    assert int(cast("basefee", "pending")) > 0
    assert cast("age", "pending")


@pytest.mark.parametrize(("flags", "kind"), [([], "0x2"), (["--legacy"], "0x0")], ids=["dynamic fee", "legacy"])
def test_sends_ether(cast: Cast, flags: list[str], kind: str) -> None:
    before = int(cast("balance", NEW_ACCOUNT))
    nonce = int(cast("nonce", SENDER))
    receipt = cast.send(NEW_ACCOUNT, "--value", "1ether", *flags)
    assert (receipt["status"], receipt["type"], int(receipt["gasUsed"], 16)) == ("0x1", kind, 21_000)
    assert int(cast("balance", NEW_ACCOUNT)) == before + ETHER
    assert int(cast("nonce", SENDER)) == nonce + 1
    assert cast.json("tx", receipt["transactionHash"])["blockHash"] == receipt["blockHash"]
    assert receipt.items() <= cast.json("receipt", receipt["transactionHash"]).items()


def test_sends_from_an_unlocked_account(cast: Cast) -> None:
    receipt = cast.json("send", "--unlocked", "--from", ACCOUNTS[5], NEW_ACCOUNT, "--value", "3")
    assert receipt["status"] == "0x1"
    assert receipt["from"] == ACCOUNTS[5].lower()


def test_calls_and_sends_to_a_contract(cast: Cast, address: str) -> None:
    assert cast("call", address, "number()(uint256)") == "7"
    receipt = cast.send(address, "setNumber(uint256)", "8")
    assert cast("call", address, "number()(uint256)") == "8"
    assert int(cast("storage", address, "0"), 16) == 8
    previous = str(int(receipt["blockNumber"], 16) - 1)
    assert cast("call", address, "number()(uint256)", "--block", previous) == "7"
    assert int(cast("storage", address, "0", "--block", previous), 16) == 7
    assert cast("code", address).startswith("0x60")
    assert 21_000 < int(cast("estimate", address, "setNumber(uint256)", "9", "--from", SENDER)) < 100_000


def test_finds_logs(cast: Cast, address: str) -> None:
    receipt = cast.send(address, "setNumber(uint256)", "30")
    block = str(int(receipt["blockNumber"], 16))
    logs = cast.json(
        "logs", "--from-block", block, "--to-block", "latest", "--address", address,
        "NumberChanged(address indexed,uint256 indexed,uint256)", SENDER,
    )  # fmt: skip
    assert [log["transactionHash"] for log in logs] == [receipt["transactionHash"]]
    assert int(logs[0]["data"], 16) == 30


def test_shows_why_a_call_fails(cast: Cast, address: str) -> None:
    assert "Counter: refused" in cast.fails("call", address, "refuse()")
    assert "execution reverted" in cast.fails("send", "--private-key", KEY, address, "setNumber(uint256)", "1000001")
    assert "insufficient funds" in cast.fails(
        "send", "--private-key", "0x" + "17" * 32, NEW_ACCOUNT, "--value", "1"
    ).lower()  # fmt: skip


def test_vyper_contract(cast: Cast, savings: Artifact) -> None:
    address = cast.send("--create", savings.bytecode + f"{10:064x}")["contractAddress"]
    assert cast.send(address, "deposit()", "--value", "25")["status"] == "0x1"
    assert cast("call", address, "savings(address)(uint256)", SENDER) == "25"
    assert "below minimum" in cast.fails("call", address, "deposit()", "--value", "9", "--from", SENDER)


def test_raw_requests(cast: Cast) -> None:
    assert json.loads(cast("rpc", "eth_chainId")) == hex(CHAIN_ID)
    assert "-32601" in cast.fails("rpc", "eth_nonsense")
    signed = cast("mktx", "--private-key", KEYS[6], NEW_ACCOUNT, "--value", "9")
    published = cast.json("publish", signed)
    assert published["status"] == "0x1"


def test_forge_create(node: NodeProcess, cast: Cast, built: None) -> None:  # noqa: ARG001
    created = json.loads(
        forge(
            "create", "src/Counter.sol:Counter", "--rpc-url", node.url, "--private-key", KEY, "--broadcast", "--json",
            "--constructor-args", "11",
        )
    )  # fmt: skip
    assert cast("call", created["deployedTo"], "number()(uint256)") == "11"
    assert cast.json("receipt", created["transactionHash"])["status"] == "0x1"


def test_forge_script(node: NodeProcess, rpc: RpcConnection, cast: Cast, built: None, tmp_path: Path) -> None:  # noqa: ARG001
    """CREATE, CREATE2 through the predeployed deployer, and calls, from one script in one broadcast."""
    forge(
        "script", "script/Deploy.s.sol:Deploy", "--rpc-url", node.url, "--private-key", KEY, "--broadcast",
        FOUNDRY_BROADCAST=str(tmp_path),
    )  # fmt: skip
    record = json.loads((tmp_path / "Deploy.s.sol" / str(CHAIN_ID) / "run-latest.json").read_text())
    assert [receipt["status"] for receipt in record["receipts"]] == ["0x1"] * 6
    kinds = [transaction["transactionType"] for transaction in record["transactions"]]
    assert kinds == ["CREATE", "CREATE", "CREATE2", "CALL", "CALL", "CALL"]
    counter, token, salted = (transaction["contractAddress"] for transaction in record["transactions"][:3])
    assert cast("call", counter, "number()(uint256)") == "8"
    assert cast("call", salted, "number()(uint256)") == "43"
    assert cast("call", token, "balanceOf(address)(uint256)", f"0x{0xBEEF:040x}").split()[0] == str(25 * ETHER)
    assert rpc.call("eth_getCode", salted, "latest") == rpc.call("eth_getCode", counter, "latest")
