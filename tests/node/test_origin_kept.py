"""What forks read, kept on disk: asked for once, whole after a kill, and enough where there is no network."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import zevm
from testing.counting_client import CountingClient, origin_of
from testing.forked import ForkedNode
from testing.node_process import RpcConnection, RpcError, zevm_command
from testing.origin_chain import INITCODE, OTHER, RUNTIME, SENDER, Chain, forked, store, stored, word
from testing.origin_proxy import OriginProxy
from zevm.chain.types import Header
from zevm.node.origin import state
from zevm.node.origin.kept import Kept, KeptBlock, KeptForks
from zevm.storage import schema
from zevm.storage.account import decode_account
from zevm.storage.keccak import keccak256

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def origin() -> Iterator[Chain]:
    with ForkedNode(zevm_command("--memory")) as node:
        chain = Chain(node)
        yield chain
        chain.rpc.close()


def read(rpc: RpcConnection, chain: Chain) -> list[object]:
    """Reads of every kind."""
    receipt = chain.receipts[3]
    return [
        rpc.call("eth_getStorageAt", chain.contract, "0x5", "latest"),
        stored(rpc, chain.contract, 7),
        stored(rpc, chain.contract, 777),
        rpc.call("eth_getCode", chain.contract, "latest"),
        rpc.call("eth_getBalance", OTHER, hex(chain.number - 3)),
        rpc.call("eth_getStorageAt", chain.contract, "0x5", hex(chain.number - 2)),
        rpc.call("eth_getBlockByNumber", "0x4", True),
        rpc.call("eth_getBlockByHash", receipt["blockHash"], False),
        rpc.call("eth_getTransactionReceipt", receipt["transactionHash"]),
        rpc.call("eth_getLogs", {"fromBlock": "0x1", "toBlock": "0x9", "topics": ["0x" + word(4)]}),
        rpc.call("eth_getProof", chain.contract, ["0x5"], "latest"),
    ]


def test_later_forks_ask_for_nothing_again_and_need_no_network(origin: Chain, tmp_path: Path) -> None:
    with OriginProxy(origin.node.url) as proxy:
        options = (proxy.url, "--fork-cache", str(tmp_path))
        with forked(*options) as node, node.connect() as rpc:
            answers = read(rpc, origin)
            made = store(rpc, origin.contract, 5, 6)["blockHash"]
            node.process.kill()
            node.process.wait()
        known = proxy.calls.copy()
        with forked(*options) as node, node.connect() as rpc:
            assert read(rpc, origin) == answers
        starts = {"eth_chainId": 1, "eth_getBlockByNumber": 1, "zvm_status": 1, "eth_config": 1}
        assert {
            method: count - known[method] for method, count in proxy.calls.items() if count > known[method]
        } == starts
    # the proxy is gone
    with forked(*options) as node, node.connect() as rpc:
        assert "no connection: the fork begins on block" in node.tail(100)
        assert read(rpc, origin) == answers
        assert stored(rpc, origin.contract, 5) == 1005
        with pytest.raises(RpcError, match="no connection; no earlier fork of this block has read it") as caught:
            stored(rpc, origin.contract, 31)
        assert caught.value.code == -32000
        assert rpc.call("eth_getBlockByNumber", "latest", False)["hash"] != made


def test_two_forks_at_once_are_both_right(origin: Chain, tmp_path: Path) -> None:
    options = (origin.node.url, "--fork-cache", str(tmp_path))
    with forked(*options) as first, forked(*options) as second, first.connect() as one, second.connect() as two:
        assert "this one keeps nothing" in second.tail(100)
        assert stored(one, origin.contract, 9) == stored(two, origin.contract, 9) == 1009


def contract_of(node: "zevm.Node") -> bytes:
    """A contract with 20 slots."""
    sent = node.request("eth_sendTransaction", {"from": SENDER, "data": "0x" + INITCODE.hex()})
    contract: str = node.request("eth_getTransactionReceipt", sent)["contractAddress"]
    for slot in range(20):
        data = "0x" + word(slot) + word(slot + 7)
        node.request("eth_sendTransaction", {"from": SENDER, "to": contract, "data": data, "gas": hex(100_000)})
    return bytes.fromhex(contract[2:])


def test_only_so_many_items_are_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """fork_items: the others are asked for again, and all stays right."""
    monkeypatch.setattr(state, "LEAST_NODES", 1)
    with zevm.Node() as node:
        contract = contract_of(node)
        for items, rounds in ((1, 8), (1_000, 5)):
            client = CountingClient(node)
            origin = origin_of(client, items)
            for _ in range(2):
                for slot in (1, 2, 3, 17):
                    assert origin.record(schema.slot_key(contract, slot)) == bytes([slot + 7])
            assert client.rounds >= rounds if items == 1 else client.rounds <= rounds
            origin.close()


def test_the_code_of_a_changed_account_is_found_however_many_others_were_read_since() -> None:
    others = [f"0x{1_000 + index:040x}" for index in range(40)]
    with zevm.Node() as node:
        for index, address in enumerate(others):
            node.request("anvil_setCode", address, f"0x60{index:02x}60005260206000f3")
        node.request("evm_mine")
        with zevm.Node(fork_url=(node.serve(),), no_storage_caching=True, rpc_fork_items=20) as fork:
            for address in others[:2]:
                fork.request("anvil_setBalance", address, "0x5")
            fork.request("evm_mine")
            for address in others[2:]:
                fork.request("eth_getCode", address, "latest")
            for block in ("latest", "0x1"):
                codes = [fork.request("eth_getCode", address, block) for address in others]
                assert codes == [node.request("eth_getCode", address, block) for address in others]


def test_the_code_of_an_account_that_is_at_hand_is_found_though_its_holder_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(state, "LEAST_NODES", 1)
    with zevm.Node() as node:
        addresses = [bytes([7]) * 19 + bytes([index]) for index in range(9)]
        for address in addresses:
            node.request("anvil_setCode", f"0x{address.hex()}", f"0x60{address[-1]:02x}60005260206000f3")
        node.request("evm_mine")
        origin = origin_of(CountingClient(node), 4)
        record = origin.record(schema.account_key(addresses[0]))
        assert record is not None
        for address in addresses[1:]:
            origin.record(schema.account_key(address))
            assert origin.record(schema.account_key(addresses[0])) == record
        code = origin.record(schema.code_key(decode_account(record).code_hash))
        assert code == bytes.fromhex("600060005260206000f3")
        origin.close()


def test_what_the_disk_has_altered_is_asked_for_again(tmp_path: Path) -> None:
    with zevm.Node() as node:
        contract = contract_of(node)
        folder, key = tmp_path / "block", schema.slot_key(contract, 5)

        def rounds(kept: Kept) -> int:
            """Messages that reading the slot takes."""
            origin = origin_of(client := CountingClient(node), kept=kept)
            assert origin.record(key) == b"\x0c"
            origin.close()
            return client.rounds

        assert rounds(Kept(folder, 10**9)) == 2
        assert rounds(Kept(folder, 10**9)) == 0
        root = origin_of(CountingClient(node)).header.state_root
        kept = Kept(folder, 10**9)
        raw = kept.node(root)
        assert raw is not None
        kept.put(nodes={root: raw[:-1] + bytes([raw[-1] ^ 1])})
        assert kept.node(root) is None
        assert rounds(kept) == 1


def test_damaged_files_are_begun_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "block"
    kept = Kept(folder, 10**9)
    kept.put(codes={keccak256(RUNTIME): RUNTIME})
    kept.close()
    for path in (folder / "leveldb").glob("MANIFEST-*"):
        path.write_bytes(b"x" * 100)
    kept = Kept(folder, 10**9)
    assert "begun again" in caplog.text
    assert kept.code(keccak256(RUNTIME)) is None
    kept.put(codes={keccak256(RUNTIME): RUNTIME})
    assert kept.code(keccak256(RUNTIME)) == RUNTIME
    kept.close()


def test_the_disk_holds_only_so_much(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """fork_disk_bytes: no more of this block then, and at a start the blocks go that were not used for longest."""
    kept = Kept(tmp_path / "one", 300_000)
    for index in range(9):
        kept.put(records={bytes([index]): bytes(50_000)})
    held = [kept.record(bytes([index])) is not None for index in range(9)]
    assert 1 <= held.count(True) < 6
    assert caplog.text.count("no more answers") == 1
    kept.close()
    shutil.rmtree(tmp_path / "one")

    forks = KeptForks(tmp_path, 1_000_000)
    with zevm.Node() as node:
        node.request("anvil_mine", "0x6")
        raw = [node.request("debug_getRawHeader", hex(number)) for number in range(6)]
    for number in range(6):
        block = KeptBlock(1, Header.decode(bytes.fromhex(raw[number][2:])))
        opened = forks.open(block, "http://a", str(number))
        opened.put(records={b"x": number.to_bytes(2, "big") * 100_000})
        opened.close()
    left = [number for number in range(6) if forks.last("http://a", str(number)) is not None]
    assert left == list(range(6))[-len(left) :]
    assert 1 < len(left) < 6
    assert forks.last("http://b", "5") is None
