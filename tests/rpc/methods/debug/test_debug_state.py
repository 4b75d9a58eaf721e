"""debug_getRaw*; ranges of accounts and slots, modified accounts, roots, witnesses, database keys, setHead."""

from typing import Any

from tests.rpc.methods.assembly import assemble, creation
from tests.rpc.methods.memory_node import ALICE, BOB, CAROL, Node, hexadecimal, start_node, stop_node
from zevm.chain.blocks.execution import BlockExecution, execute_all
from zevm.chain.errors import BlockError
from zevm.chain.types import Block, Header, Transaction
from zevm.chain.vm.environment import BlockEnvironment
from zevm.rpc.limits import Limits
from zevm.storage import trie
from zevm.storage.keccak import keccak256
from zevm.storage.short_headers import short
from zevm.storage.state import StateStore
from zevm.storage.state_readers import TrieReader
from zevm.storage.state_update import for_every_owner, ground_of, prepare
from zevm.storage.trie import by_hash

STORER = assemble("0x20 CALLDATALOAD 0x00 CALLDATALOAD SSTORE")
"""Stores the second word of its call data in the slot that the first one names."""
NOWHERE = "0x" + "11" * 32


def word(number: int) -> str:
    return f"0x{number:064x}"


def storing(slot: int, value: int) -> str:
    return word(slot) + word(value)[2:]


async def block_of(node: Node, number: str = "latest") -> Block:
    """The block itself, from its RLP."""
    return Block.decode(bytes.fromhex((await node.call("debug_getRawBlock", number))[2:]))


async def test_raw_encodings(node: Node) -> None:
    receipt = await node.send(to=hexadecimal(BOB), value="0x1")
    shown = await node.call("eth_getBlockByNumber", "latest", False)
    block = await block_of(node)
    assert hexadecimal(block.hash) == shown["hash"]
    header = Header.decode(bytes.fromhex((await node.call("debug_getRawHeader", shown["hash"]))[2:]))
    assert header == block.header
    receipts = [bytes.fromhex(item[2:]) for item in await node.call("debug_getRawReceipts", "0x1")]
    assert trie.ordered_root(receipts) == header.receipts_root
    assert receipts[0][:1] == b"\x02"
    raw = await node.call("debug_getRawTransaction", receipt["transactionHash"])
    assert Transaction.decode(bytes.fromhex(raw[2:])).hash.hex() == receipt["transactionHash"][2:]
    assert isinstance(node.chain.receipts(block.hash), tuple)


async def test_raw_encodings_of_the_pool_and_of_nothing(node: Node) -> None:
    await node.call("evm_setAutomine", False)
    waiting = await node.call("eth_sendTransaction", {"to": hexadecimal(BOB)})
    assert (await node.call("debug_getRawTransaction", waiting)).startswith("0x02")
    assert await node.call("debug_getRawTransaction", NOWHERE) == "0x"
    for name in ("debug_getRawBlock", "debug_getRawHeader"):
        assert await node.call(name, "0x64") == "0x"
        error = await node.fails(name, NOWHERE)
        assert (error.code, error.message) == (-32000, f"{name[12:].lower()} #{NOWHERE} not found")
    assert await node.call("debug_getRawReceipts", "0x64") is None
    assert (await node.fails("debug_getRawReceipts", NOWHERE)).message == f"block #{NOWHERE} not found"
    for name in ("debug_getRawBlock", "debug_getRawHeader", "debug_getRawReceipts", "debug_getRawTransaction"):
        assert (await node.fails(name, "zz")).code == -32602


async def mine_stores(node: Node) -> tuple[str, str]:
    """A contract with slots 1 to 5, then a block that clears 2, changes 3 and sets 6: its address, the block's hash."""
    storer = (await node.send(data=hexadecimal(creation(STORER))))["contractAddress"]
    await node.call("evm_setAutomine", False)
    for slot in range(1, 6):
        await node.call("eth_sendTransaction", {"to": storer, "data": storing(slot, slot), "gas": hex(100_000)})
    await node.call("evm_mine")
    for slot, value in ((2, 0), (3, 33), (6, 66)):
        await node.call("eth_sendTransaction", {"to": storer, "data": storing(slot, value), "gas": hex(100_000)})
    await node.call("evm_mine")
    return storer, (await node.call("eth_getBlockByNumber", "latest", False))["hash"]


def slots_in(found: dict[str, Any]) -> dict[int, int]:
    for key, entry in found["storage"].items():
        assert hexadecimal(keccak256(bytes.fromhex(entry["key"][2:]))) == key
    return {int(entry["key"], 16): int(entry["value"], 16) for entry in found["storage"].values()}


async def test_slots_as_each_transaction_met_them(node: Node) -> None:
    storer, block_hash = await mine_stores(node)
    before: dict[int, int | None] = {slot: slot for slot in range(1, 6)}
    wanted = {0: before, 1: before | {2: None}, 2: before | {2: None, 3: 33}, 3: before | {2: None, 3: 33, 6: 66}}
    for index, slots in wanted.items():
        found = await node.call("debug_storageRangeAt", block_hash, index, storer, "0x", 100)
        assert slots_in(found) == {slot: value for slot, value in slots.items() if value is not None}, index
        assert found["nextKey"] is None


async def test_slots_page_by_page(node: Node) -> None:
    storer, block_hash = await mine_stores(node)
    whole = (await node.call("debug_storageRangeAt", block_hash, 3, storer, "0x", 100))["storage"]
    pages: dict[str, Any] = {}
    start = "0x"
    while start is not None:
        page = await node.call("debug_storageRangeAt", block_hash, 3, storer, start, 2)
        assert 1 <= len(page["storage"]) <= 2
        assert not pages.keys() & page["storage"].keys()
        pages |= page["storage"]
        start = page["nextKey"]
    assert pages == whole
    assert list(whole) == sorted(whole)


async def test_slots_that_are_not_there(node: Node) -> None:
    _, block_hash = await mine_stores(node)
    nothing = await node.call("debug_storageRangeAt", block_hash, 0, hexadecimal(BOB), "0x", 5)
    assert nothing == {"storage": {}, "nextKey": None}
    nobody = await node.call("debug_storageRangeAt", block_hash, 0, "0x" + "99" * 20, "0x", 5)
    assert nobody == {"storage": {}, "nextKey": None}
    error = await node.fails("debug_storageRangeAt", block_hash, 9, hexadecimal(BOB), "0x", 5)
    assert error.message == f"transaction index 9 out of range for block {block_hash}"
    error = await node.fails("debug_storageRangeAt", NOWHERE, 0, hexadecimal(BOB), "0x", 5)
    assert error.message == f"block {NOWHERE} not found"


async def test_accounts(node: Node) -> None:
    storer, _ = await mine_stores(node)
    found = await node.call("debug_accountRange", "latest")
    block = await node.call("eth_getBlockByNumber", "latest", False)
    assert "0x" + found["root"] == block["stateRoot"]
    accounts = {name.lower(): account for name, account in found["accounts"].items()}
    contract = accounts[storer]
    assert contract["code"] == hexadecimal(STORER)
    assert contract["storage"] == {word(1): "01", word(3): "21", word(4): "04", word(5): "05", word(6): "42"}
    assert contract["address"] == storer
    assert accounts[hexadecimal(ALICE)]["nonce"] == 9
    assert int(accounts[hexadecimal(BOB)]["balance"]) == int(await node.call("eth_getBalance", hexadecimal(BOB)), 16)
    bare = await node.call("debug_accountRange", "latest", "0x", 256, True, True)
    assert not any({"code", "storage"} & set(account) for account in bare["accounts"].values())
    past = await node.call("debug_accountRange", "0x0")
    assert storer not in {name.lower() for name in past["accounts"]}


async def test_accounts_page_by_page(node: Node) -> None:
    whole = (await node.call("debug_accountRange", "latest"))["accounts"]
    assert len(whole) >= 3
    pages: dict[str, Any] = {}
    start = "0x"
    while start is not None:
        page = await node.call("debug_accountRange", "latest", start, 2)
        pages |= page["accounts"]
        start = page.get("next")
    assert pages == whole
    assert (await node.fails("debug_accountRange", "0x64")).message == "block #100 not found"
    assert (await node.fails("debug_accountRange", "pending")).message == "pending state is not available"


async def test_accounts_that_are_gone_are_named_in_the_past(node: Node) -> None:
    """An account that the latest state no longer has is found by what the differences keep."""
    gone = "0x" + "77" * 20
    await node.send(to=gone, value="0x5")
    await node.send(to=hexadecimal(BOB))
    await node.call("anvil_setBalance", gone, "0x0")
    await node.send(to=hexadecimal(BOB))
    assert await node.call("eth_getBalance", gone) == "0x0"
    past = await node.call("debug_accountRange", "0x1")
    assert gone in {name.lower() for name in past["accounts"]}


async def test_modified_accounts(node: Node) -> None:
    await node.send(to=hexadecimal(BOB), value="0x1")
    await node.send(to=hexadecimal(CAROL), value="0x1")
    first = set(await node.call("debug_getModifiedAccountsByNumber", 1))
    assert {hexadecimal(ALICE), hexadecimal(BOB)} <= first
    assert hexadecimal(CAROL) not in first
    second = set(await node.call("debug_getModifiedAccountsByNumber", 2))
    assert set(await node.call("debug_getModifiedAccountsByNumber", 0, 2)) == first | second
    hashes = [(await node.call("eth_getBlockByNumber", hex(number), False))["hash"] for number in range(3)]
    assert set(await node.call("debug_getModifiedAccountsByHash", hashes[1])) == first
    assert set(await node.call("debug_getModifiedAccountsByHash", hashes[1], hashes[2])) == second


async def test_what_is_changed_between_blocks_belongs_to_the_next_one(node: Node) -> None:
    await node.send(to=hexadecimal(BOB), value="0x1")
    patched = "0x" + "55" * 20
    await node.call("anvil_setBalance", patched, "0x5")
    await node.send(to=hexadecimal(BOB), value="0x1")
    assert patched not in await node.call("debug_getModifiedAccountsByNumber", 1)
    assert patched in await node.call("debug_getModifiedAccountsByNumber", 2)


async def test_modified_accounts_of_no_block(node: Node) -> None:
    await node.send(to=hexadecimal(BOB))
    block = await node.call("eth_getBlockByNumber", "0x0", False)
    by_number, by_hash = "debug_getModifiedAccountsByNumber", "debug_getModifiedAccountsByHash"
    assert (await node.fails(by_number, 0)).message == "block 0 has no parent"
    assert (await node.fails(by_number, 100)).message == "start block 64 not found"
    assert (await node.fails(by_number, 0, 100)).message == "end block 100 not found"
    assert "(1) must be less than end block height (0)" in (await node.fails(by_number, 1, 0)).message
    assert (await node.fails(by_hash, block["hash"])).message == "block 0 has no parent"
    assert (await node.fails(by_hash, NOWHERE)).message == f"start block {NOWHERE[2:]} not found"
    assert (await node.fails(by_hash, block["hash"], NOWHERE)).message == f"end block {NOWHERE[2:]} not found"


async def test_roots_between_transactions(node: Node) -> None:
    _, block_hash = await mine_stores(node)
    roots = await node.call("debug_intermediateRoots", block_hash)
    assert len(set(roots)) == 3
    # without withdrawals and requests the last transaction leaves the block's state
    assert roots[-1] == (await node.call("eth_getBlockByHash", block_hash, False))["stateRoot"]
    assert (await node.fails("debug_intermediateRoots", NOWHERE)).message == f"block {NOWHERE} not found"
    genesis = await node.call("eth_getBlockByNumber", "0x0", False)
    assert (await node.fails("debug_intermediateRoots", genesis["hash"])).message == "genesis is not traceable"


async def test_bad_blocks(node: Node) -> None:
    assert await node.call("debug_getBadBlocks") == []
    await node.send(to=hexadecimal(BOB), value="0x1")
    good = await block_of(node)
    await node.call("anvil_rollback", 1)
    bad = Block(good.header.with_changes(gas_used=1), good.transactions, (), ())
    error: object = None
    try:
        node.chain.writer.run(node.chain.import_block, bad)
    except BlockError as refused:
        error = refused
    assert error is not None
    found = await node.call("debug_getBadBlocks")
    assert [item["hash"] for item in found] == [hexadecimal(bad.hash)]
    assert found[0]["rlp"] == hexadecimal(bad.encode())
    assert found[0]["block"]["gasUsed"] == "0x1"
    assert len(await node.call("debug_intermediateRoots", hexadecimal(bad.hash))) == 1
    traces = await node.call("debug_traceBadBlock", hexadecimal(bad.hash), {"tracer": "callTracer"})
    assert traces[0]["result"]["value"] == "0x1"
    assert (await node.fails("debug_traceBadBlock", NOWHERE)).message == f"bad block {NOWHERE} not found"


async def test_preimages(node: Node) -> None:
    await mine_stores(node)
    for value in (ALICE, (6).to_bytes(32, "big"), (2).to_bytes(32, "big")):
        assert await node.call("debug_preimage", hexadecimal(keccak256(value))) == hexadecimal(value)
    error = await node.fails("debug_preimage", NOWHERE)
    assert (error.code, error.message) == (-32000, "unknown preimage")


async def test_database_keys(node: Node) -> None:
    block = await block_of(node)
    key = b"h" + block.hash
    for text in (hexadecimal(key), key.hex()):
        assert await node.call("debug_dbGet", text) == hexadecimal(short(block.header.encode()))
    assert (await node.call("debug_dbGet", "mstate root")).startswith("0x")
    assert (await node.fails("debug_dbGet", "nothing")).message == "not found"


async def test_going_back(node: Node) -> None:
    for _ in range(3):
        await node.send(to=hexadecimal(BOB), value="0x1")
    assert await node.call("debug_setHead", "0x1") is None
    assert await node.call("eth_blockNumber") == "0x1"
    assert (await node.call("eth_getTransactionCount", hexadecimal(ALICE))) == "0x1"
    for number in ("0x1", "0x9"):
        assert (await node.fails("debug_setHead", number)).message == "not allowed to rewind to a future block"


def execute_from(witness: dict[str, Any], block: Block, environment: BlockEnvironment) -> Header:
    """Execute a block with nothing but a witness."""
    held = {keccak256(raw): raw for raw in (bytes.fromhex(item[2:]) for item in witness["state"])}
    nodes = for_every_owner(by_hash(held))
    codes = {keccak256(code): code for code in (bytes.fromhex(item[2:]) for item in witness["codes"])}

    class Given(StateStore):
        def __init__(self) -> None:
            pass

        def prepare(self, base: Any, diff: Any) -> Any:
            return prepare(nodes, base, diff)

        def ground(self, base: Any) -> Any:
            return ground_of(nodes, base)

    root = bytes.fromhex(witness["headers"][-1]["stateRoot"][2:])
    execution = BlockExecution(environment, Given(), TrieReader(nodes, root, codes.__getitem__))
    execute_all(execution, block.transactions)
    return execution.seal(block.header, withdrawals=block.withdrawals or ()).block.header


async def test_a_block_executes_from_its_witness(node: Node) -> None:
    storer, block_hash = await mine_stores(node)
    witness = await node.call("debug_executionWitness", block_hash)
    block = await block_of(node, block_hash)
    assert witness["codes"] == sorted(witness["codes"])
    assert hexadecimal(STORER) in witness["codes"]
    assert [int(header["number"], 16) for header in witness["headers"]] == [block.number - 1]
    assert execute_from(witness, block, node.chain.environment_of(block.header)).hash == block.hash
    # it holds what is read and no more
    root = bytes.fromhex(witness["headers"][-1]["stateRoot"][2:])
    whole = len(list(node.chain.database.state.accounts_at(root)))
    assert len(witness["state"]) < 3 * whole + 10
    assert storer


async def test_a_witness_goes_back_to_the_oldest_hash_that_is_asked_for(node: Node) -> None:
    asking = await node.place(assemble("0x02 BLOCKHASH 0x00 SSTORE"))
    for _ in range(4):
        await node.send(to=hexadecimal(BOB))
    await node.send(to=asking, gas=hex(100_000))
    witness = await node.call("debug_executionWitness", "latest")
    assert [int(header["number"], 16) for header in witness["headers"]] == [2, 3, 4]
    assert (await node.fails("debug_executionWitness", "0x0")).message == "genesis is not traceable"
    assert (await node.fails("debug_executionWitness", "0x64")).message == "block #100 not found"


async def test_searches_end_in_time() -> None:
    node = await start_node(limits=Limits(evm_timeout_seconds=0.0))
    try:
        await node.call("evm_mine")
        for name, params in (("debug_accountRange", ["latest"]), ("debug_getModifiedAccountsByNumber", [0, 1])):
            error = await node.fails(name, *params)
            assert (error.code, error.message) == (-32000, "execution aborted (timeout = 0s)")
    finally:
        await stop_node(node)
