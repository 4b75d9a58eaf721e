"""zevm.Node: a whole node in a Python program, whose answers are those that come over HTTP."""

import asyncio
import json
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from eth_typing import ChecksumAddress
from web3 import AsyncWeb3, Web3
from web3.exceptions import ContractCustomError, ContractLogicError, Web3RPCError
from web3.types import RPCEndpoint

import zevm
from testing.wasm_modules import box, selector
from testing.web3_http import provider_at, web3_at
from zevm.chain.rules.genesis import load_default_genesis
from zevm.rpc import methods
from zevm.rpc.registry import REGISTRY

REVERTS = {"0x" + "c1" * 20: "0x60006000fd", "0x" + "c2" * 20: "0x63deadbeef6000526004601cfd"}
"""Two contracts: one reverts without data, one with a custom error's four bytes."""

ENDLESS = "0x5b600056"


@pytest.fixture(scope="module")
def shared() -> Iterator[zevm.Node]:
    with zevm.Node() as node:
        node.serve()
        yield node


@pytest.fixture
def node(shared: zevm.Node) -> Iterator[zevm.Node]:
    """A node that nobody has used before, as far as anybody can see."""
    with shared.anchor():
        yield shared


@pytest.fixture
def w3(node: zevm.Node) -> Web3:
    return Web3(node.provider)


def accounts_of(w3: Web3) -> list[ChecksumAddress]:
    """The node's accounts: web3.py types them as a tuple of one."""
    return list(w3.eth.accounts)


def pay(w3: Web3, value_wei: int = 1) -> Any:
    sender, receiver, *_ = accounts_of(w3)
    sent = w3.eth.send_transaction({"from": sender, "to": receiver, "value": w3.to_wei(value_wei, "wei")})
    return w3.eth.wait_for_transaction_receipt(sent)


def test_a_transaction_is_mined_and_a_signed_one_too(node: zevm.Node, w3: Web3) -> None:
    assert pay(w3)["blockNumber"] == w3.eth.block_number == node.chain.head.number == 1
    account = w3.eth.account.from_key(node.accounts[2].private_key)
    assert account.address == node.accounts[2].address == accounts_of(w3)[2]
    signed = account.sign_transaction(
        {"to": account.address, "value": 0, "gas": 21_000, "gasPrice": w3.to_wei(5, "gwei"), "nonce": 0,
         "chainId": w3.eth.chain_id}
    )  # fmt: skip
    assert w3.eth.wait_for_transaction_receipt(w3.eth.send_raw_transaction(signed.raw_transaction))["status"] == 1


def test_failed_calls_raise_what_they_raise_over_http(node: zevm.Node, w3: Web3) -> None:
    over_http = web3_at(node.url)
    for address, code in REVERTS.items():
        node.request("anvil_setCode", address, code)
    for client in (w3, over_http):
        with pytest.raises(ContractLogicError, match="execution reverted"):
            client.eth.call({"to": Web3.to_checksum_address("0x" + "c1" * 20)})
        with pytest.raises(ContractCustomError) as custom:
            client.eth.call({"to": Web3.to_checksum_address("0x" + "c2" * 20)})
        assert custom.value.data == "0xdeadbeef"


def names() -> list[str]:
    methods.load()
    return sorted(REGISTRY.public().by_name)


@pytest.mark.lengthy
def test_every_method_answers_as_over_http() -> None:
    """Without parameters, which most refuse: with the same code, text and data."""
    with zevm.Node() as node:
        inside, outside = node.provider, provider_at(node.serve())
        for name in names():
            first, second = (provider.make_request(RPCEndpoint(name), []) for provider in (inside, outside))
            assert set(first) == set(second), name
            assert first.get("error") == second.get("error"), name


def test_batches(node: zevm.Node, w3: Web3) -> None:
    account = node.accounts[0].address
    with w3.batch_requests() as batch:
        batch.add(w3.eth.get_block("latest"))
        batch.add(w3.eth.get_balance(account))
        answers: Any = batch.execute()
    block, balance = answers
    assert (block["number"], balance) == (0, 10_000 * 10**18)
    too_many = [(RPCEndpoint("eth_chainId"), [])] * 1_001
    inside, outside = (provider.make_batch_request(too_many) for provider in (node.provider, provider_at(node.url)))
    assert [answer["error"] for answer in inside] == [answer["error"] for answer in outside]


async def test_async_providers_on_a_running_loop(node: zevm.Node) -> None:
    w3: AsyncWeb3[Any] = AsyncWeb3(node.async_provider)
    accounts = await w3.eth.accounts
    sent = await asyncio.gather(
        *(w3.eth.send_transaction({"from": sender, "to": accounts[0], "value": Web3.to_wei(1, "wei")})
          for sender in accounts)
    )  # fmt: skip
    receipts = [await w3.eth.wait_for_transaction_receipt(item) for item in sent]
    assert sorted(receipt["blockNumber"] for receipt in receipts) == list(range(1, 11))
    # the blocking provider serves here as well
    assert Web3(node.provider).eth.block_number == 10
    async with w3.batch_requests() as batch:
        batch.add(w3.eth.get_block_number())
        answers: Any = await batch.async_execute()
        assert answers == [10]
    assert await node.async_provider.is_connected()


async def test_subscriptions(node: zevm.Node) -> None:
    async with AsyncWeb3(node.persistent_provider) as w3:
        assert await w3.provider.is_connected()
        await w3.eth.subscribe("newHeads")
        pay(Web3(node.provider))
        pay(Web3(node.provider))
        numbers = []
        async for message in w3.socket.process_subscriptions():
            numbers.append(message["result"]["number"])
            if len(numbers) == 2:
                break
        assert numbers == [1, 2]
        assert await w3.eth.block_number == 2


async def test_a_subscriber_learns_that_the_node_is_closed() -> None:
    async with zevm.Node() as node:
        w3: AsyncWeb3[Any] = await AsyncWeb3(node.persistent_provider)
        await w3.eth.subscribe("newHeads")
        listener = w3.provider._message_listener_task
        assert not listener.done()
        await asyncio.to_thread(node.close)
        await asyncio.wait_for(listener, 10)
        with pytest.raises(zevm.NodeClosedError):
            node.request("eth_chainId")
        await w3.provider.disconnect()


def test_anchors_nest_and_take_back(node: zevm.Node, w3: Web3) -> None:
    first, second, *_ = accounts_of(w3)
    before = w3.eth.get_balance(second)
    with node.anchor():
        pay(w3, 5)
        with pytest.raises(ZeroDivisionError), node.anchor():  # noqa: PT012
            pay(w3, 7)
            assert w3.eth.get_balance(second) == before + 12
            raise ZeroDivisionError
        assert (w3.eth.get_balance(second), w3.eth.block_number) == (before + 5, 1)
    assert (w3.eth.get_balance(second), w3.eth.get_transaction_count(first)) == (before, 0)


def test_an_anchor_that_was_reverted_past_says_so(node: zevm.Node, w3: Web3) -> None:
    with pytest.raises(zevm.NodeError, match="cannot return to the anchor"), node.anchor():  # noqa: PT012
        outer = node.request("evm_snapshot")
        pay(w3)
        with node.anchor():
            node.request("evm_revert", outer)


def test_several_nodes_and_many_threads() -> None:
    with zevm.Node(chain_id=1001) as first, zevm.Node(chain_id=1002) as second, ThreadPoolExecutor(8) as threads:

        def send(turn: int) -> int:
            w3 = Web3((first, second)[turn % 2].provider)
            pay(w3)
            return w3.eth.chain_id

        assert sorted(threads.map(send, range(16))) == [1001] * 8 + [1002] * 8
        assert (first.chain.head.number, second.chain.head.number) == (8, 8)


@pytest.mark.parametrize(
    ("mining", "automine", "interval_ms"),
    [("auto", True, 0), ("manual", False, 0), (0.5, False, 500), (3, False, 3000)],
)
def test_mining_modes(mining: Any, automine: bool, interval_ms: int) -> None:
    with zevm.Node(mining=mining) as node:
        assert (node.chain.mining.automine, node.chain.mining.interval_ms) == (automine, interval_ms)


def test_a_fork_and_accounts() -> None:
    with zevm.Node(fork="london", accounts=3, balance=5) as node:
        assert len(node.accounts) == 3
        assert node.request("eth_getBalance", node.accounts[2].address, "latest") == hex(5 * 10**18)
        assert "withdrawalsRoot" not in node.request("eth_getBlockByNumber", "latest", False)


def test_a_genesis_as_a_file_and_as_its_content(tmp_path: Path) -> None:
    content = load_default_genesis().with_changes(timestamp=1_700_000_000).to_json()
    file = tmp_path / "genesis.json"
    file.write_text(json.dumps(content))
    hashes = []
    for genesis in (file, str(file), content):
        with zevm.Node(genesis=genesis) as node:
            hashes.append(node.chain.head.header.hash)
    assert len(set(hashes)) == 1


@pytest.mark.lengthy
def test_a_data_directory_keeps_the_chain_and_is_one_nodes_at_a_time(tmp_path: Path) -> None:
    node = zevm.Node(tmp_path / "chain")
    with node:
        pay(Web3(node.provider))
        with pytest.raises(zevm.NodeError, match="in use by this process"), zevm.Node(tmp_path / "chain"):
            pass
    with node:
        assert node.chain.head.number == 1
        assert not node.chain.database.unclean_stop


def test_neither_environment_nor_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZEVM_CHAIN_ID", "77")
    (tmp_path / "zevm.toml").write_text("accounts = 1\n")
    with zevm.Node() as node:
        assert (node.chain.chain_id, len(node.accounts)) == (31337, 10)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"chain": 1}, "no such setting: chain"),
        ({"fork": "nofork"}, "fork: 'nofork': unknown hardfork; use one of frontier, homestead"),
        ({"mining": "often"}, "mining: 'often': want 'auto', 'manual' or seconds between blocks"),
        ({"mining": 0}, "mining: 0: want at least 0.001"),
        ({"mining": True}, "mining: True: want 'auto', 'manual' or seconds between blocks"),
        ({"genesis": {"alloc": {}}}, "genesis: missing required field 'config'"),
        ({"genesis": 5}, "genesis: 5: want a path"),
        ({"datadir": 5}, "datadir: 5: want a path"),
        ({"accounts": -1}, "accounts: -1: want at least 0"),
        ({"port": 8545}, "port: a node in a program listens only after node.serve(port=...)"),
        ({"fork": "cancun", "hardfork": "prague"}, "hardfork: given twice, as fork too"),
        ({"mining": "manual", "block_time": 1}, "block_time: given twice, as mining too"),
        ({"mining": 1, "no_mining": True}, "no_mining: given twice, as mining too"),
        ({"mnemonic": "test test"}, "mnemonic: [hidden]: not an English"),
    ],
)
def test_wrong_settings(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(zevm.SettingsError) as refused:
        zevm.Node(**arguments)
    assert str(refused.value).startswith(words)


def test_a_node_that_is_not_open_says_so() -> None:
    node = zevm.Node()
    for use in (lambda: node.provider, lambda: node.url, lambda: node.chain, lambda: node.request("eth_chainId")):
        with pytest.raises(zevm.NodeError, match="not open"):
            use()
    node.close()
    with node, pytest.raises(zevm.NodeError, match="open already"):
        node.open()


def test_the_url_comes_with_serve_and_a_taken_port_is_refused(node: zevm.Node) -> None:
    with zevm.Node() as other:
        with pytest.raises(zevm.NodeError, match="listens on no port"):
            _ = other.url
        with pytest.raises(zevm.NodeError, match="cannot listen"):
            other.serve(port=int(node.url.rsplit(":", 1)[1]))
        assert other.serve() == other.url
        assert web3_at(other.url).eth.block_number == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"port": 99_999}, "port: 99999: want at most 65535"),
        ({"port": -1}, "port: -1: want at least 0"),
        ({"port": "http"}, "port: 'http': want a whole number"),
        ({"host": ""}, "host: "),
    ],
)
def test_wrong_values_of_serve(node: zevm.Node, arguments: dict[str, Any], words: str) -> None:
    before = node.chain.head, node.url
    with pytest.raises(zevm.SettingsError) as refused:
        node.serve(**arguments)
    assert str(refused.value).startswith(words)
    assert (node.chain.head, node.url) == before


@pytest.mark.lengthy
def test_a_program_reads_its_own_words(tmp_path: Path, node: zevm.Node) -> None:
    """A refusal of an opening or of `serve` names parameters, where the command line's names flags."""
    (tmp_path / "file").touch()
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "letter.txt").touch()
    absent = tmp_path / "absent" / "file"
    port = int(node.url.rsplit(":", 1)[1])

    def second() -> None:
        with zevm.Node(tmp_path / "chain"), zevm.Node(tmp_path / "chain"):
            pass

    def other_chain() -> None:
        zevm.Node(tmp_path / "chain", chain_id=5, fork="cancun").open()

    def busy_port() -> None:
        node.serve(port=port)

    refused = {
        second: r"in use by this process \(\d+\) already; close that node, or give another folder with datadir$",
        other_chain: r"is not that of chain_id, fork; omit .* give another datadir for a second one$",
        zevm.Node(tmp_path / "file").open: r"is a file; give a folder with datadir$",
        zevm.Node(tmp_path / "foreign").open: r"give an empty or new folder with datadir$",
        zevm.Node(ipc="@").open: r": ipc needs a path with memory, as in ipc /tmp/zevm.ipc$",
        zevm.Node(dump_state=absent).open: r": dump_state .*: there is no folder .*; create it, or give another path$",
        zevm.Node(load_state=absent).open: r": load_state .*: there is no such file$",
        zevm.Node(ipc=absent).open: r": ipc .*: there is no folder .*; create it, or give another path$",
        zevm.Node(authrpc=True, authrpc_port=0).open: r"as in authrpc_jwtsecret /tmp/jwt.hex$",
        busy_port: r": Address already in use; stop what uses the port, or give another one with port$",
        lambda: node.serve("203.0.113.5"): r"give an address of this machine with host$",
    }
    for use, words in refused.items():
        with pytest.raises(zevm.NodeError) as error:
            use()
        assert re.search(words, f": {error.value}"), error.value
        assert "--" not in str(error.value)


def test_a_folder_and_memory_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(zevm.SettingsError, match=r"keeps the chain, memory=True does not: give one of them"):
        zevm.Node(tmp_path / "data", memory=True)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b"\x60\x01", r"of type bytes is no JSON: give '0x6001'"),
        (bytearray(b"\xff"), r"of type bytearray is no JSON: give '0xff'"),
        ({1}, r"of type set is no JSON$"),
    ],
)
def test_a_parameter_that_is_no_json_is_told(node: zevm.Node, value: object, told: str) -> None:
    with pytest.raises(TypeError, match=f"^eth_call: a parameter {told}"):
        node.request("eth_call", {"data": value})


def test_errors_of_requests(node: zevm.Node) -> None:
    with pytest.raises(zevm.CallFailedError, match="eth_nothing") as refused:
        node.request("eth_nothing")
    assert refused.value.code == -32601


def test_what_is_under_way_ends_when_the_node_is_closed() -> None:
    node = zevm.Node(rpc_evm_timeout_seconds=600.0).open()
    node.request("anvil_setCode", "0x" + "e1" * 20, ENDLESS)
    provider = node.provider
    call = {"to": "0x" + "e1" * 20, "gas": hex(2**62)}
    with ThreadPoolExecutor(1) as threads:
        begun = threading.Event()

        def run() -> Any:
            begun.set()
            return provider.make_request("eth_call", [call, "latest"])

        running = threads.submit(run)
        begun.wait()
        node.close()
        with pytest.raises(zevm.NodeClosedError):
            running.result(timeout=30)
    assert not provider.is_connected()
    for ask in (lambda: provider.make_request("eth_chainId", []), lambda: node.request("eth_chainId")):
        for kind in (zevm.NodeClosedError, zevm.NodeError, ConnectionError):
            with pytest.raises(kind, match=r"the node is (closed|not open)"):
                ask()


async def test_a_request_over_a_connection_ends_when_the_node_is_closed() -> None:
    node = zevm.Node(rpc_evm_timeout_seconds=600.0).open()
    node.request("anvil_setCode", "0x" + "e1" * 20, ENDLESS)
    async with AsyncWeb3(node.persistent_provider) as w3:
        call = {"to": Web3.to_checksum_address("0x" + "e1" * 20), "gas": 2**62}
        asked = asyncio.create_task(w3.eth.call(call))
        while w3.provider._sent is None:
            await asyncio.sleep(0)
        await asyncio.to_thread(node.close)
        with pytest.raises(zevm.NodeClosedError):
            await asyncio.wait_for(asked, 10)


async def test_errors_that_are_answered_at_once_over_a_connection(node: zevm.Node) -> None:
    """The answer is there before web3.py notes what it has asked, which it takes for a fault of the connection."""
    async with AsyncWeb3(node.persistent_provider) as w3:
        for _ in range(20):
            with pytest.raises(Web3RPCError, match="eth_nothing"):
                await w3.manager.socket_request(RPCEndpoint("eth_nothing"), [])
        assert await w3.eth.block_number == 0


def test_a_listener_of_the_chain_is_told_that_it_cannot_wait_for_the_node(node: zevm.Node, w3: Web3) -> None:
    raised: list[Exception] = []

    def listen(_: object) -> None:
        try:
            node.request("evm_mine")
        except RuntimeError as error:
            raised.append(error)

    cancel = node.chain.events.subscribe(listen)
    pay(w3)
    cancel()
    assert "hand the request to another thread" in str(raised[0])


LEAVES_NOTHING = """
import os, threading, urllib.request
from pathlib import Path
from web3 import Web3
import zevm

MODULE, GET = "{module}", "{get}"
MODEXP = "0x" + "".join(n.to_bytes(32).hex() for n in (1024, 32, 1024)) + "ff" * 2080
TRACER = "{{fault: function() {{}}, result: function() {{ return 7 }}}}"

def children():
    return [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]

def use(folder):
    with zevm.Node(folder, evm="py-evm") as node:
        w3 = Web3(node.provider)
        sent = w3.eth.send_transaction({{"from": w3.eth.accounts[0], "data": MODULE}})
        box = w3.eth.wait_for_transaction_receipt(sent)["contractAddress"]
        assert len(w3.eth.call({{"to": box, "data": GET}})) == 32
        assert len(w3.eth.call({{"to": "0x" + "0" * 39 + "5", "data": MODEXP, "gas": 50_000_000}})) == 1024
        assert node.request("debug_traceTransaction", sent.to_0x_hex(), {{"tracer": TRACER}}) == 7
        assert urllib.request.urlopen(node.serve() + "/health", timeout=10).status == 200
        assert children() != []

use(None)
before = os.listdir("/proc/self/fd")
use(None)
use("chain")
use("chain")
assert [thread.name for thread in threading.enumerate()] == ["MainThread"], threading.enumerate()
assert children() == [], children()
assert len(os.listdir("/proc/self/fd")) == len(before)
print("nothing")
"""


def in_process(text: str, folder: Path) -> str:
    finished = subprocess.run(
        [sys.executable, "-c", text], cwd=folder, capture_output=True, text=True, timeout=90, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    return finished.stdout


@pytest.mark.slow
def test_closing_leaves_no_thread_process_or_open_file(tmp_path: Path) -> None:
    text = LEAVES_NOTHING.format(module="0x" + box().hex(), get="0x" + selector("get()").hex())
    assert in_process(text, tmp_path) == "nothing\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "ends", ["", "from concurrent.futures import thread; thread._python_exit()"], ids=["later", "while the node opens"]
)
def test_a_program_that_forgets_to_close_ends_and_its_chain_was_stopped_cleanly(ends: str, tmp_path: Path) -> None:
    """The end may come before the node's own thread has had a turn: executors then refuse what it begins."""
    in_process(f"import zevm; node = zevm.Node('chain')\n{ends}\nnode.open(); node.request('evm_mine')", tmp_path)
    with zevm.Node(tmp_path / "chain") as node:
        assert (node.chain.head.number, node.chain.database.unclean_stop) == (1, False)


def test_importing_zevm_loads_nothing_below(tmp_path: Path) -> None:
    text = "import sys, zevm; print(sorted(name for name in sys.modules if name.startswith('zevm')), dir(zevm)[-1])"
    assert in_process(text, tmp_path).startswith("['zevm'] ")
    with pytest.raises(AttributeError, match="has no attribute 'Nod'"):
        _ = zevm.Nod  # type: ignore[attr-defined]


@pytest.mark.lengthy
def test_a_copy_of_the_process_has_no_open_node() -> None:
    program = """
import os, sys, threading, zevm
node = zevm.Node().open()
provider = node.provider
child = os.fork()
if not child:
    told = []
    for ask in (lambda: node.request("eth_chainId"), lambda: provider.make_request("eth_chainId", [])):
        try:
            ask()
        except (zevm.NodeError, ConnectionError) as error:
            told.append(str(error))
    node.close()
    print(told, flush=True)
    with zevm.Node() as own:
        print(own.request("eth_blockNumber"), flush=True)
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
node.request("evm_mine")
print(node.request("eth_blockNumber"))
node.close()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told, own, parent = done.stdout.splitlines()
    assert "the node is not open" in told
    assert "the node is closed" in told
    assert (own, parent) == ("0x0", "0x1")


def test_a_listener_that_fails_harms_neither_the_chain_nor_other_listeners(node: zevm.Node, w3: Web3) -> None:
    heard: list[str] = []

    def fail(_: object) -> None:
        raise ValueError("a fault of the program")

    cancels = [
        node.chain.events.subscribe(fail),
        node.chain.events.subscribe(lambda event: heard.append(type(event).__name__)),
    ]
    try:
        alice = w3.eth.accounts[0]
        w3.eth.wait_for_transaction_receipt(w3.eth.send_transaction({"from": alice, "to": alice}))
        node.request("evm_mine")
    finally:
        for cancel in cancels:
            cancel()
    assert heard == ["TransactionAdded", "HeadChanged", "HeadChanged"]


@pytest.mark.parametrize("mining", [True, False])
def test_a_mining_mode_is_no_truth_value(mining: bool) -> None:
    with pytest.raises(zevm.SettingsError, match=r"mining: (True|False): want 'auto', 'manual' or seconds"):
        zevm.Node(mining=mining)


@pytest.mark.parametrize("fork", ["frontier", "homestead", "tangerinewhistle", "spuriousdragon", "osaka"])
def test_a_node_of_any_fork_sends_for_its_accounts(fork: str) -> None:
    """Before EIP-155 (Spurious Dragon) no signature covers the chain's id."""
    with zevm.Node(fork=fork, accounts=1) as node:
        own, stranger = node.accounts[0].address, "0x" + "11" * 20
        node.request("anvil_impersonateAccount", stranger)
        node.request("anvil_setBalance", stranger, hex(10**18))
        for sender in (own, stranger):
            sent = node.request("eth_sendTransaction", {"from": sender, "to": own, "value": "0x1"})
            assert node.request("eth_getTransactionReceipt", sent)["from"].lower() == sender.lower()
            named = node.request("eth_getTransactionByHash", sent).get("chainId")
            assert (named is None) == (fork in ("frontier", "homestead", "tangerinewhistle"))


@pytest.mark.parametrize("chosen", [logging.INFO, logging.CRITICAL])
def test_the_logs_of_an_importers_own_server_stay_as_they_are(chosen: int) -> None:
    access, errors = logging.getLogger("uvicorn.access"), logging.getLogger("uvicorn.error")
    told = Told()
    before = access.level, errors.level
    access.addHandler(told)
    access.setLevel(logging.INFO)
    errors.setLevel(chosen)
    try:
        with zevm.Node() as node:
            web3_at(node.serve()).eth.get_block_number()
            assert access.handlers == [told]
            assert access.propagate
            assert errors.level == chosen
        assert told.records == [], "the node's requests are not the importer's"
    finally:
        access.removeHandler(told)
        access.setLevel(before[0])
        errors.setLevel(before[1])


class Told(logging.Handler):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
