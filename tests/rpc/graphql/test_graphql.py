"""GraphQL's types: every field, against what JSON-RPC answers on the same chain."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from eth_abi import encode
from graphql import FieldNode, GraphQLObjectType, TypeInfo, TypeInfoVisitor, Visitor, parse, visit

from testing.wasm_modules import box, selector
from tests.rpc.graphql.graphql_client import GraphqlClient, running_client
from tests.rpc.methods.assembly import BOX, INVALID, NOPE, REVERT_DATA, TOPIC, creation
from tests.rpc.methods.memory_node import ALICE, BOB, CAROL, KEYS, STRANGER, hexadecimal
from zevm.chain.events import BlockAndReceipts
from zevm.chain.types import AccessListEntry, Block, Header, Transaction, TransactionType
from zevm.chain.types.block import Withdrawal
from zevm.rpc.graphql.schema import FIELDS, load_schema

HEX_ALICE, HEX_BOB = hexadecimal(ALICE), hexadecimal(BOB)
BLOB = hexadecimal(bytes(131_072))

BLOCK_WORDS = """number hash nonce transactionsRoot stateRoot receiptsRoot extraData gasLimit gasUsed baseFeePerGas
    timestamp logsBloom mixHash difficulty withdrawalsRoot blobGasUsed excessBlobGas"""
BLOCK_KEYS = {name: name for name in BLOCK_WORDS.split()} | {"ommerHash": "sha3Uncles"}
TRANSACTION_WORDS = """hash nonce value gasPrice maxFeePerGas maxPriorityFeePerGas maxFeePerBlobGas gas r s v yParity
    type blobVersionedHashes"""
TRANSACTION_KEYS = {name: name for name in TRANSACTION_WORDS.split()} | {
    "inputData": "input",
    "index": "transactionIndex",
}
RECEIPT_KEYS = ["status", "gasUsed", "cumulativeGasUsed", "effectiveGasPrice", "blobGasUsed", "blobGasPrice"]

LOG = "index topics data account{address} transaction{hash}"
TRANSACTION = f"""{" ".join([*TRANSACTION_KEYS, *RECEIPT_KEYS])} from{{address}} to{{address}} block{{hash}}
    effectiveTip createdContract{{address}} logs{{{LOG}}} accessList{{address storageKeys}}
    raw rawReceipt"""
ASK_TRANSACTION = f"query($hash: Bytes32!) {{ transaction(hash: $hash) {{ {TRANSACTION} }} }}"
ASK_BLOCK = f"""query($number: Long, $hash: Bytes32) {{ block(number: $number, hash: $hash) {{
    {" ".join(BLOCK_KEYS)} transactionCount transactions{{hash}} ommerCount ommers{{hash}} withdrawals{{index}}
    rawHeader raw parent{{hash}} miner{{address}} nextBaseFeePerGas transactionAt(index: 0){{hash}}
    outside: transactionAt(index: 1){{hash}}
    ommerAt(index: 0){{hash}} }} }}"""
ASK_OMMERS = f"""query($hash: Bytes32!) {{ block(hash: $hash) {{
    withdrawals {{ index validator address amount }} ommerCount ommers {{ {" ".join(BLOCK_KEYS)} }}
    ommerAt(index: 0) {{ hash transactionCount transactions{{hash}} transactionAt(index: 0){{hash}}
    ommerCount ommers{{hash}} ommerAt(index: 0){{hash}} withdrawals{{index}} parent{{hash}} }}
    outside: ommerAt(index: 1) {{ hash }} negative: ommerAt(index: -1) {{ hash }} }} }}"""
ACCOUNTS = """alice: account(address: $alice) { ...all } box: account(address: $box) { ...all }"""
ASK_ACCOUNTS = f"""query($alice: Address!, $box: Address!, $slot: Bytes32!) {{ at0: block(number: 0) {{ {ACCOUNTS} }}
    at1: block(number: 1) {{ {ACCOUNTS} }} at2: block(number: 2) {{ {ACCOUNTS} }} pending {{ {ACCOUNTS} }} }}
    fragment all on Account {{ address balance transactionCount code storage(slot: $slot) }}"""
ASK_LOGS = f"query($filter: FilterCriteria!) {{ logs(filter: $filter) {{ {LOG} }} }}"
ASK_BLOCK_LOGS = """query($filter: BlockFilterCriteria!, $slot: Bytes32!) { block(number: 3) { logs(filter: $filter) {
    data account { storage(slot: $slot) } then: account(block: 2) { storage(slot: $slot) } } } }"""
CALL = "query($data: CallData!) { block { call(data: $data) { data gasUsed status } estimateGas(data: $data) } }"
ASK_PENDING = f"""query($data: CallData!) {{ pending {{ transactionCount transactions {{ {TRANSACTION} }}
    call(data: $data) {{ data status gasUsed }} estimateGas(data: $data) }} }}"""
ASK_NODE = """{ gasPrice maxPriorityFeePerGas syncing { currentBlock startingBlock highestBlock } chainID
    blocks(from: 0) { hash } }"""
SEND = "mutation($data: Bytes!) { sendRawTransaction(data: $data) }"


@pytest.fixture
async def client() -> AsyncIterator[GraphqlClient]:
    async with running_client() as running:
        yield running


def word(number: int) -> str:
    return f"0x{number:064x}"


def picked(record: dict[str, Any], keys: dict[str, str]) -> dict[str, Any]:
    """What GraphQL should give for fields that JSON-RPC has under `keys`."""
    return {name: record.get(key) for name, key in keys.items()}


def expected_log(log: dict[str, Any]) -> dict[str, Any]:
    return {
        "index": log["logIndex"],
        "topics": log["topics"],
        "data": log["data"],
        "account": {"address": log["address"]},
        "transaction": {"hash": log["transactionHash"]},
    }


async def check_transaction(client: GraphqlClient, found: dict[str, Any]) -> None:
    """A transaction with all its fields is as JSON-RPC's transaction and receipt."""
    call = client.node.call
    sent = await call("eth_getTransactionByHash", found["hash"])
    receipt = await call("eth_getTransactionReceipt", found["hash"]) or {}
    block = sent["blockHash"] and await call("eth_getBlockByHash", sent["blockHash"], False)
    assert {name: found[name] for name in TRANSACTION_KEYS} == picked(sent, TRANSACTION_KEYS)
    assert {name: found[name] for name in RECEIPT_KEYS} == {name: receipt.get(name) for name in RECEIPT_KEYS}
    assert found["from"] == {"address": sent["from"]}
    assert found["to"] == (sent["to"] and {"address": sent["to"]})
    assert found["block"] == (block and {"hash": block["hash"]})
    tip = block and hex(int(receipt["effectiveGasPrice"], 16) - int(block["baseFeePerGas"], 16))
    assert found["effectiveTip"] == tip
    created = receipt.get("contractAddress")
    assert found["createdContract"] == (created and {"address": created})
    assert found["logs"] == ([expected_log(log) for log in receipt["logs"]] if receipt else None)
    assert found["accessList"] == sent.get("accessList", [])
    assert found["raw"] == await call("eth_getRawTransactionByHash", found["hash"])


async def send_every_type(client: GraphqlClient) -> list[str]:
    """A transaction of every type, a creation and one with a log; their hashes."""
    node = client.node
    access = [{"address": HEX_BOB, "storageKeys": [word(1), word(2)]}]
    created = await node.send(data=hexadecimal(creation(BOX)))
    receipts = [
        created,
        await node.send(to=created["contractAddress"], data=word(5)),
        await node.send(to=HEX_BOB, gasPrice=hex(10**10), value="0x7"),
        await node.send(to=HEX_BOB, gasPrice=hex(10**10), accessList=access),
        await node.send(to=HEX_BOB, blobs=[BLOB], maxFeePerBlobGas=hex(10**9)),
        await node.send(to=await node.place(NOPE), gas=hex(100_000)),
    ]
    assert [receipt["type"] for receipt in receipts] == ["0x2", "0x2", "0x0", "0x1", "0x3", "0x2"]
    assert [receipt["status"] for receipt in receipts] == ["0x1"] * 5 + ["0x0"]
    return [receipt["transactionHash"] for receipt in receipts]


@pytest.mark.lengthy
@pytest.mark.usefixtures("trusted_setup")
async def test_transactions_of_every_type(client: GraphqlClient) -> None:
    hashes = await send_every_type(client)
    for transaction_hash in hashes:
        found = (await client.data(ASK_TRANSACTION, hash=transaction_hash))["transaction"]
        await check_transaction(client, found)
        position = client.node.chain.find_transaction(bytes.fromhex(transaction_hash[2:]))
        assert position is not None
        receipts = client.node.chain.receipts(position.block.hash)
        assert receipts is not None
        assert found["rawReceipt"] == hexadecimal(receipts[position.index].encode())
        assert (found["blobVersionedHashes"] is None) is (found["type"] != "0x3")
    assert await client.data(ASK_TRANSACTION, hash=word(1)) == {"transaction": None}
    blocks = (await client.data(f"{{ blocks(from: 1) {{ transactions {{ {TRANSACTION} }} }} }}"))["blocks"]
    assert [found["hash"] for block in blocks for found in block["transactions"]] == hashes
    for block in blocks:
        for found in block["transactions"]:
            await check_transaction(client, found)


@pytest.mark.lengthy
@pytest.mark.usefixtures("trusted_setup")
async def test_blocks(client: GraphqlClient) -> None:
    await send_every_type(client)
    call = client.node.call
    for number in range(7):
        wanted = await call("eth_getBlockByNumber", hex(number), False)
        stored = client.node.chain.block_by_number(number)
        assert stored is not None
        for variables in (
            {"number": number},
            {"number": hex(number)},
            {"number": str(number)},
            {"hash": wanted["hash"]},
        ):
            found = (await client.data(ASK_BLOCK, **variables))["block"]
            assert {name: found[name] for name in BLOCK_KEYS} == picked(wanted, BLOCK_KEYS)
        assert found["transactionCount"] == hex(len(wanted["transactions"]))
        assert found["transactions"] == [{"hash": each} for each in wanted["transactions"]]
        assert (found["ommerCount"], found["ommers"], found["withdrawals"]) == ("0x0", [], [])
        assert found["parent"] == (None if number == 0 else {"hash": wanted["parentHash"]})
        assert found["miner"] == {"address": wanted["miner"]}
        first = wanted["transactions"][0] if number else None
        assert found["transactionAt"] == (first and {"hash": first})
        assert found["outside"] is found["ommerAt"] is None
        assert found["rawHeader"] == hexadecimal(stored.header.encode())
        assert found["raw"] == hexadecimal(stored.encode())
        history = await call("eth_feeHistory", "0x1", hex(number))
        assert found["nextBaseFeePerGas"] == history["baseFeePerGas"][1]
    latest = await client.data("{ block { number hash } }")
    assert latest == {"block": {"number": "0x6", "hash": wanted["hash"]}}
    for missing in ("number: 7", "number: -1", f'hash: "{word(1)}"', 'number: "0xffff"', 'number: "-3"'):
        assert await client.data(f"{{ block({missing}) {{ number }} }}") == {"block": None}
    # a number goes before a hash, as in geth
    both = await client.data(f'{{ block(number: 2, hash: "{wanted["hash"]}") {{ number }} }}')
    assert both == {"block": {"number": "0x2"}}


async def test_ranges_of_blocks(client: GraphqlClient) -> None:
    await client.node.call("anvil_mine", "0x5")
    for bounds, numbers in (
        ("from: 3", [3, 4, 5]),
        ("from: 1, to: 2", [1, 2]),
        ("from: 5, to: 99", [5]),
        ("from: 0, to: 0", [0]),
    ):
        found = (await client.data(f"{{ blocks({bounds}) {{ number }} }}"))["blocks"]
        assert [block["number"] for block in found] == [hex(number) for number in numbers]
    for bounds, told in (
        ("from: 3, to: 2", "from 3 > to 2"),
        ("from: 9", "from 9 > to 5"),
        ("from: -1", "from -1 > to 5"),
    ):
        error = await client.fails(f"{{ blocks({bounds}) {{ number }} }}")
        assert error["message"] == f"invalid from and to block combination: {told}"
        assert (error["path"], error["extensions"]) == (["blocks"], {"code": -32602})


def with_ommers_and_withdrawals(parent: Header) -> Block:
    """A block as an import may bring it."""
    ommer = replace(parent, extra_data=b"ommer")
    header = replace(parent, parent_hash=parent.hash, number=parent.number + 1, extra_data=b"nephew")
    return Block(header, (), (ommer,), (Withdrawal(1, 2, CAROL, 3), Withdrawal(2, 5, BOB, 7)))


async def test_ommers_and_withdrawals(client: GraphqlClient) -> None:
    await client.node.send(to=HEX_BOB)
    block = with_ommers_and_withdrawals(client.node.chain.head.header)
    client.node.chain.records.remember(BlockAndReceipts(block, ()))
    block_hash = hexadecimal(block.hash)
    wanted = await client.node.call("eth_getBlockByHash", block_hash, False)
    ommer = await client.node.call("eth_getUncleByBlockHashAndIndex", block_hash, "0x0")
    found = (await client.data(ASK_OMMERS, hash=block_hash))["block"]
    assert [each | {"validatorIndex": each.pop("validator")} for each in found["withdrawals"]] == wanted["withdrawals"]
    assert (found["ommerCount"], found["outside"], found["negative"]) == ("0x1", None, None)
    assert found["ommers"] == [picked(ommer, BLOCK_KEYS)]
    of_ommer = found["ommerAt"]
    assert of_ommer.pop("parent") == {"hash": ommer["parentHash"]}
    assert of_ommer.pop("hash") == ommer["hash"] == wanted["uncles"][0]
    assert set(of_ommer.values()) == {None}
    error = await client.fails(f'{{ block(hash: "{block_hash}") {{ ommerAt(index: 0) {{ raw }} }} }}')
    assert error["message"] == "block not found"


async def test_accounts(client: GraphqlClient) -> None:
    node = client.node
    created = (await node.send(data=hexadecimal(creation(BOX))))["contractAddress"]
    await node.send(to=created, data=word(9))
    await node.call("evm_setAutomine", False)
    waiting = await node.call("eth_sendTransaction", {"from": HEX_ALICE, "to": created, "data": word(11)})
    found = await client.data(ASK_ACCOUNTS, alice=HEX_ALICE, box=created, slot=word(0))
    for name, block in (("at0", "0x0"), ("at1", "0x1"), ("at2", "0x2"), ("pending", "pending")):
        for account, address in (("alice", HEX_ALICE), ("box", created)):
            assert found[name][account] == {
                "address": address,
                "balance": await node.call("eth_getBalance", address, block),
                "transactionCount": await node.call("eth_getTransactionCount", address, block),
                "code": await node.call("eth_getCode", address, block),
                "storage": await node.call("eth_getStorageAt", address, "0x0", block),
            }
    assert [found[name]["box"]["storage"] for name in ("at1", "at2", "pending")] == [word(0), word(9), word(11)]
    assert found["pending"]["alice"]["transactionCount"] == "0x3"
    query = f"""{{ transaction(hash: "{waiting}") {{ from {{ balance }} then: from(block: 0) {{ balance }}
        to(block: 1) {{ code }} unknown: to(block: 99) {{ address }} }}
        block {{ miner(block: 0) {{ balance }} transactionAt(index: 0) {{ to {{ transactionCount }} }} }} }}"""
    found = await client.data(query)
    assert found["transaction"] == {
        "from": {"balance": await node.call("eth_getBalance", HEX_ALICE, "latest")},
        "then": {"balance": await node.call("eth_getBalance", HEX_ALICE, "0x0")},
        "to": {"code": hexadecimal(BOX)},
        "unknown": {"address": created},
    }
    assert found["block"] == {"miner": {"balance": "0x0"}, "transactionAt": {"to": {"transactionCount": "0x1"}}}
    for number, message in ((99, "header not found"), (-1, "header not found")):
        error = await client.fails(f'{{ transaction(hash: "{waiting}") {{ to(block: {number}) {{ balance }} }} }}')
        assert (error["message"], error["extensions"]) == (message, {"code": -32000})


async def test_logs(client: GraphqlClient) -> None:
    node = client.node
    created = (await node.send(data=hexadecimal(creation(BOX))))["contractAddress"]
    for value in (1, 2, 3):
        await node.send(to=created, data=word(value))
    topic, other = hexadecimal(TOPIC), word(1)
    for criteria, wanted in (
        ({}, {}),
        ({"fromBlock": 0}, {"fromBlock": "0x0"}),
        ({"fromBlock": "0x2", "toBlock": 3}, {"fromBlock": "0x2", "toBlock": "0x3"}),
        ({"fromBlock": 0, "addresses": []}, {"fromBlock": "0x0"}),
        ({"fromBlock": 0, "addresses": [created, HEX_BOB]}, {"fromBlock": "0x0", "address": created}),
        ({"fromBlock": 0, "addresses": [HEX_BOB]}, {"fromBlock": "0x0", "address": HEX_BOB}),
        ({"fromBlock": 0, "topics": [[topic, other]]}, {"fromBlock": "0x0", "topics": [[topic, other]]}),
        ({"fromBlock": 0, "topics": [[]]}, {"fromBlock": "0x0", "topics": [None]}),
        ({"fromBlock": 0, "topics": [[], [topic]]}, {"fromBlock": "0x0", "topics": [None, topic]}),
        ({"fromBlock": 0, "topics": [[other]]}, {"fromBlock": "0x0", "topics": [other]}),
    ):
        found = await client.data(ASK_LOGS, filter=criteria)
        assert found["logs"] == [expected_log(log) for log in await node.call("eth_getLogs", wanted)], criteria
    found = await client.data(ASK_BLOCK_LOGS, filter={"addresses": [created], "topics": [[topic]]}, slot=word(0))
    assert found["block"]["logs"] == [{"data": word(2), "account": {"storage": word(3)}, "then": {"storage": word(1)}}]
    assert (await client.data("{ block(number: 1) { logs(filter: {}) { index } } }"))["block"] == {"logs": []}
    error = await client.fails("{ logs(filter: {fromBlock: 3, toBlock: 1}) { index } }")
    assert (error["message"], error["extensions"]) == ("invalid block range params", {"code": -32602})
    error = await client.fails("{ logs(filter: {fromBlock: -1}) { index } }")
    assert (error["message"], error["extensions"]) == ("header not found", {"code": -32000})
    error = await client.fails("{ logs(filter: {topics: [[], [], [], [], []]}) { index } }")
    assert (error["message"], error["extensions"]) == ("exceed max topics", {"code": -32602})


async def test_calls(client: GraphqlClient) -> None:
    node = client.node
    contract = await node.place(BOX)
    await node.call("anvil_setStorageAt", contract, "0x0", word(5))
    for given, wanted in (
        ({"to": contract}, {"to": contract}),
        ({"from": HEX_BOB, "to": contract, "data": word(6)}, {"from": HEX_BOB, "to": contract, "data": word(6)}),
        ({"to": HEX_BOB, "value": 5, "from": HEX_ALICE}, {"to": HEX_BOB, "value": "0x5", "from": HEX_ALICE}),
        ({"data": hexadecimal(creation(BOX))}, {"data": hexadecimal(creation(BOX))}),
        ({"to": contract, "gas": 50_000, "gasPrice": "0"}, {"to": contract, "gas": hex(50_000), "gasPrice": "0x0"}),
        (
            {
                "to": contract,
                "from": HEX_BOB,
                "maxFeePerGas": "10000000000",
                "maxPriorityFeePerGas": 1,
                "gas": "0xffff",
            },
            {"to": contract, "from": HEX_BOB, "maxFeePerGas": hex(10**10), "gas": "0xffff"},
        ),
        ({}, {}),
    ):
        found = (await client.data(CALL, data=given))["block"]
        assert found["call"]["data"] == await node.call("eth_call", wanted, "latest"), given
        assert found["call"]["status"] == "0x1"
        assert found["estimateGas"] == await node.call("eth_estimateGas", wanted, "latest"), given
    assert found["call"] == {"data": "0x", "gasUsed": hex(53_000), "status": "0x1"}


async def test_calls_that_fail(client: GraphqlClient) -> None:
    contract = await client.node.place(NOPE)
    call = f'data: {{to: "{contract}"}}'
    found = await client.data(
        f"{{ block {{ call({call}) {{ data status }} }} pending {{ call({call}) {{ status }} }} }}"
    )
    reverted = {"data": hexadecimal(REVERT_DATA), "status": "0x0"}
    assert found == {"block": {"call": reverted}, "pending": {"call": {"status": "0x0"}}}
    error = await client.fails(f"{{ block {{ estimateGas({call}) }} }}")
    wanted = await client.node.fails("eth_estimateGas", {"to": contract})
    assert error["message"] == wanted.message == "execution reverted: nope"
    assert error["extensions"] == {"code": 3, "data": hexadecimal(REVERT_DATA)}
    poor = {"from": hexadecimal(STRANGER), "to": HEX_BOB, "value": 1}
    answer = await client.post(
        "query($d: CallData!) { block { number call(data: $d) { status } } }", variables={"d": poor}
    )
    (error,) = answer.json()["errors"]
    wanted = await client.node.fails("eth_call", poor | {"value": "0x1"}, "latest")
    assert (error["message"], error["extensions"]) == (wanted.message, {"code": wanted.code})
    assert answer.json()["data"] == {"block": {"number": "0x0", "call": None}}
    assert answer.status_code == 400
    prices = "gasPrice: 1, maxFeePerGas: 1"
    error = await client.fails(f"{{ block {{ call(data: {{{prices}}}) {{ status }} }} }}")
    assert error["message"] == "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified"


@pytest.mark.lengthy
async def test_a_webassembly_contract(client: GraphqlClient) -> None:
    node = client.node
    deployed = await node.call(
        "zvm_deployContract",
        {"module": hexadecimal(box()), "constructorArguments": hexadecimal(encode(["uint256"], [7]))},
    )
    address = deployed["address"]
    get = {"to": address, "data": hexadecimal(selector("get()"))}
    put = {"to": address, "data": hexadecimal(selector("set(uint256)") + encode(["uint256"], [8]))}
    found = (await client.data(CALL, data=get))["block"]
    assert found["call"]["data"] == await node.call("eth_call", get, "latest") == word(7)
    assert (found["call"]["status"], found["estimateGas"]) == ("0x1", await node.call("eth_estimateGas", get, "latest"))
    receipt = await node.send(**put)
    query = f"""query($get: CallData!) {{
        now: block {{ call(data: $get) {{ data }} account(address: "{address}") {{ code storage(slot: "{word(0)}") }} }}
        then: block(number: 1) {{ call(data: $get) {{ data }} }}
        before: block(number: 0) {{ call(data: $get) {{ data }} }}
        pending {{ call(data: $get) {{ data gasUsed status }} estimateGas(data: $get) }}
        transaction(hash: "{receipt["transactionHash"]}") {{ logs {{ {LOG} }} }} }}"""
    found = await client.data(query, get=get)
    assert [found[name]["call"]["data"] for name in ("before", "then", "now", "pending")] == [
        "0x",
        *map(word, (7, 8, 8)),
    ]
    assert found["now"]["account"]["code"] == await node.call("eth_getCode", address) != "0x"
    assert found["now"]["account"]["storage"] == word(8)
    assert found["transaction"]["logs"] == [expected_log(log) for log in receipt["logs"]] != []
    shut = {"to": address, "data": hexadecimal(selector("set(uint256)") + bytes(32))}
    assert (await client.data(CALL.replace(" estimateGas(data: $data)", ""), data=shut))["block"]["call"][
        "status"
    ] == "0x0"


@pytest.mark.lengthy
@pytest.mark.usefixtures("trusted_setup")
async def test_pending(client: GraphqlClient) -> None:
    node = client.node
    await node.call("evm_setAutomine", False)
    contract = await node.place(BOX)
    for value in (7, 8):
        await node.call("eth_sendTransaction", {"from": HEX_ALICE, "to": contract, "data": word(value)})
    await node.call(
        "eth_sendTransaction", {"from": HEX_BOB, "to": HEX_BOB, "blobs": [BLOB], "maxFeePerBlobGas": "0xff"}
    )
    found = (await client.data(ASK_PENDING, data={"to": contract}))["pending"]
    waiting = await node.call("eth_pendingTransactions")
    assert found["transactionCount"] == "0x3"
    assert [each["hash"] for each in found["transactions"]] == [each["hash"] for each in waiting]
    for each in found["transactions"]:
        await check_transaction(client, each)
        assert each["rawReceipt"] == "0x"
    assert found["call"]["data"] == word(8) == await node.call("eth_call", {"to": contract}, "pending")
    assert found["estimateGas"] == await node.call("eth_estimateGas", {"to": contract}, "pending")
    await node.call("evm_mine")
    assert await client.data("{ pending { transactionCount transactions { hash } } }") == {
        "pending": {"transactionCount": "0x0", "transactions": []}
    }


async def test_the_pending_nonce_counts_what_no_longer_fits_the_block(client: GraphqlClient) -> None:
    node = client.node
    await node.call("evm_setAutomine", False)
    limit = int((await node.call("eth_getBlockByNumber", "latest", False))["gasLimit"], 16)
    each = 1 << 24
    greedy = await node.place(INVALID)
    for _ in range(limit // each + 1):
        await node.call("eth_sendTransaction", {"from": HEX_ALICE, "to": greedy, "gas": hex(each)})
    query = f'{{ pending {{ account(address: "{HEX_ALICE}") {{ transactionCount }} }} }}'
    nonce = await node.call("eth_getTransactionCount", HEX_ALICE, "pending")
    assert nonce == hex(limit // each + 1)
    assert await client.data(query) == {"pending": {"account": {"transactionCount": nonce}}}


async def test_the_node(client: GraphqlClient) -> None:
    await client.node.send(to=HEX_BOB)
    found = await client.data(ASK_NODE)
    assert found == {
        "gasPrice": await client.node.call("eth_gasPrice"),
        "maxPriorityFeePerGas": await client.node.call("eth_maxPriorityFeePerGas"),
        "syncing": None,
        "chainID": hex(31337),
        "blocks": [{"hash": (await client.node.call("eth_getBlockByNumber", hex(n), False))["hash"]} for n in (0, 1)],
    }


async def test_sending(client: GraphqlClient) -> None:
    entries = (AccessListEntry(BOB, (bytes(32),)),)
    for nonce, fields in enumerate(
        ({}, {"type": TransactionType.ACCESS_LIST, "access_list": entries, "gas_limit": 30_000})
    ):
        transaction: Transaction = client.node.signed(KEYS[0], nonce=nonce, **fields)
        found = await client.data(SEND, data=hexadecimal(transaction.encoded))
        assert found == {"sendRawTransaction": hexadecimal(transaction.hash)}
        assert await client.node.call("eth_blockNumber") == hex(nonce + 1)
    for raw in (hexadecimal(transaction.encoded), "0x02c0", "0x", "0x1234"):
        error = await client.fails(SEND, variables={"data": raw})
        wanted = await client.node.fails("eth_sendRawTransaction", raw)
        assert (error["message"], error["extensions"]) == (wanted.message, {"code": wanted.code})
        assert error["path"] == ["sendRawTransaction"]
    two = [hexadecimal(client.node.signed(KEYS[0], nonce=nonce).encoded) for nonce in (2, 3)]
    await client.data(f'mutation {{ a: sendRawTransaction(data: "{two[0]}") b: sendRawTransaction(data: "{two[1]}") }}')
    assert await client.node.call("eth_blockNumber") == "0x4"


ASKED = (
    ASK_TRANSACTION,
    ASK_BLOCK,
    ASK_OMMERS,
    ASK_ACCOUNTS,
    ASK_LOGS,
    ASK_BLOCK_LOGS,
    CALL,
    ASK_PENDING,
    ASK_NODE,
    SEND,
)


class FieldsOf(Visitor):
    """Collects the fields of a document by their types."""

    def __init__(self, types: TypeInfo) -> None:
        super().__init__()
        self._types = types
        self.found: set[tuple[str, str]] = set()

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        self.found.add((str(self._types.get_parent_type()), node.name.value))


def test_every_field_is_asked_for_above() -> None:
    schema = load_schema()
    asked = set()
    for query in ASKED:
        types = TypeInfo(schema)
        fields = FieldsOf(types)
        visit(parse(query), TypeInfoVisitor(types, fields))
        asked |= fields.found
    assert asked == {(name, field) for name, functions in FIELDS.items() for field in functions}


def test_the_tables_name_the_fields_of_the_schema() -> None:
    for name, of_type in load_schema().type_map.items():
        if isinstance(of_type, GraphQLObjectType) and not name.startswith("__"):
            assert FIELDS[name].keys() == of_type.fields.keys()
