"""A fork of a chain with WebAssembly contracts runs them, without a network too."""

import json
from pathlib import Path
from typing import Any

import pytest
from eth_abi import encode

import zevm
from testing.node_process import ROOT
from testing.wasm_modules import box, selector
from zevm.node.origin.client import OriginClient
from zevm.node.origin.kept import KeptForks
from zevm.rpc.codec.results import hexadecimal

pytestmark = pytest.mark.slow

GET = hexadecimal(selector("get()"))
CALLER = "0x" + "11" * 20


def put(value: int) -> str:
    return hexadecimal(selector("set(uint256)") + encode(["uint256"], [value]))


def begin(origin: "zevm.Node") -> str:
    """Deploy a box of 7, and code that passes its calls on; the box's address."""
    arguments = {"module": hexadecimal(box()), "constructorArguments": hexadecimal(encode(["uint256"], [7]))}
    contract: str = origin.request("zvm_deployContract", arguments)["address"]
    origin.request("anvil_setCode", CALLER, f"0x36600060003760206000366000600073{contract[2:]}5af15060206000f3")
    origin.request("evm_mine")
    return contract


def read(node: "zevm.Node", address: str) -> int:
    return int(node.request("eth_call", {"to": address, "data": GET}, "latest"), 16)


@pytest.mark.parametrize("engine", [{}, {"evm": "py-evm"}], ids=["default", "py-evm"])
def test_a_fork_runs_the_modules_of_its_origin(tmp_path: Path, engine: dict[str, Any]) -> None:
    with zevm.Node() as origin:
        url, sender = origin.serve(), origin.accounts[0].address
        contract = begin(origin)
        with zevm.Node(fork_url=(url,), fork_cache=tmp_path, **engine) as fork:
            assert [read(fork, address) for address in (contract, CALLER)] == [7, 7]
            for node in (origin, fork):
                node.request("evm_setNextBlockTimestamp", 4_000_000_000)
                request = {"from": sender, "to": CALLER, "data": put(9), "gas": "0x7a120"}
                sent = node.request("eth_sendTransaction", request)
                assert node.request("eth_getTransactionReceipt", sent)["status"] == "0x1"
            proofs = [node.request("eth_getProof", contract, ["0x0"], "latest") for node in (origin, fork)]
            assert proofs[0]["storageHash"] == proofs[1]["storageHash"]
            assert [read(fork, address) for address in (contract, CALLER)] == [9, 9]
    with zevm.Node(fork_url=(url,), fork_cache=tmp_path, fork_retry_backoff=1) as fork:
        assert read(fork, contract) == 7


def test_prices_that_are_not_known_end_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    call = OriginClient.call

    def answer(client: OriginClient, method: str, *params: object) -> object:
        return {"schedule": "later"} if method == "zvm_status" else call(client, method, *params)

    monkeypatch.setattr(OriginClient, "call", answer)
    with zevm.Node() as origin, pytest.raises(zevm.NodeError, match="at prices that are not known here: 'later'"):
        zevm.Node(fork_url=(origin.serve(),), no_storage_caching=True).open()


def test_a_chain_without_modules_has_none_in_its_fork() -> None:
    genesis = json.loads((ROOT / "genesis.json").read_text())
    del genesis["config"]["zvm"]
    with (
        zevm.Node(genesis=genesis) as origin,
        zevm.Node(fork_url=(origin.serve(),), no_storage_caching=True) as fork,
    ):
        assert fork.request("zvm_status")["enabled"] is False


def test_an_altered_description_of_a_kept_block_is_not_believed(tmp_path: Path) -> None:
    with zevm.Node() as origin:
        url = origin.serve()
        zevm.Node(fork_url=(url,), fork_cache=tmp_path).open().close()
    forks = KeptForks(tmp_path, 10**9)
    found = forks.last(url, "latest")
    assert found is not None
    assert (found.chain_id, found.zvm) == (31_337, "zvm")
    [path] = tmp_path.glob("*/block.json")
    whole = path.read_bytes()
    for old, new in ((b"31337", b"31336"), (b'"zvm":"zvm"', b'"zvm":null'), (whole[-9:], b"")):
        path.write_bytes(whole.replace(old, new))
        assert forks.last(url, "latest") is None
