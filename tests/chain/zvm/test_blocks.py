"""Blocks with contracts of both machines: receipts, blooms, and a second node that comes to the same state."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.chain.chain_fixtures import ALICE, KEYS, MANUAL, open_chain, transfer
from tests.chain.vm.support import assemble
from tests.chain.zvm.contracts import contract, deployed, invoke, request_to, word
from tests.chain.zvm.zvm_modules import on_thread
from zevm.chain.blockchain import Chain
from zevm.chain.calls.call import call
from zevm.chain.options import ChainOptions
from zevm.chain.rules.genesis import Genesis
from zevm.chain.types import Log, logs_bloom
from zevm.chain.types.block_reference import LATEST
from zevm.chain.types.receipt import merge_blooms
from zevm.chain.vm.calls import contract_address
from zevm.chain.zvm.module.creation import creation_data
from zevm.storage.database import Database

KEY, VALUE, ARGUMENT = 64, 96, 0

# adds its call data to slot 1, logs the sum, calls the account in slot 2 with it where one is set there
COUNTER = contract(
    f"""{invoke("read_args", ARGUMENT)}
    (if {invoke("is_constructing")} (then
      {invoke("storage_cache_bytes32", 160, ARGUMENT)} {invoke("storage_flush_cache", 0)} {invoke("exit_early", 0)}))
    {invoke("storage_load_bytes32", KEY, VALUE)} {invoke("math_add_mod", VALUE, ARGUMENT, 128)}
    {invoke("storage_cache_bytes32", KEY, VALUE)} {invoke("storage_flush_cache", 1)}
    {invoke("emit_log", VALUE, 32, 1)} {invoke("storage_load_bytes32", 160, 192)}
    (if {invoke("call_contract", 204, VALUE, 32, 300, -1, 400)} (then (unreachable)))""",
    data={KEY: word(1), 128: b"\xff" * 32, 160: word(2)},
)
EVM_LOGGER = assemble("32 0 0 CALLDATACOPY 0 MLOAD 1 SSTORE 0 MLOAD 32 0 LOG1")
LOGGER, COUNTING = contract_address(ALICE, 0), contract_address(ALICE, 1)


@pytest.fixture
def genesis() -> Genesis:
    return Genesis.default(accounts=(ALICE,))


@pytest.fixture
def chain(genesis: Genesis) -> Iterator[Chain]:
    chain = open_chain(genesis=genesis, options=MANUAL)
    yield chain
    chain.close()


def fill(chain: Chain) -> None:
    """Three blocks: an EVM contract and one in WebAssembly that calls it, calls of it, and a call that runs out."""
    creations = [deployed(EVM_LOGGER), creation_data(COUNTER, bytes(12) + LOGGER)]
    for nonce, data in enumerate(creations):
        send(chain, nonce, None, data)
    chain.writer.run(chain.mine)
    for nonce, added in ((2, 5), (3, 7)):
        send(chain, nonce, COUNTING, word(added))
    chain.writer.run(chain.mine)
    send(chain, 4, COUNTING, word(1), gas_limit=30_000)
    chain.writer.run(chain.mine)


def send(chain: Chain, nonce: int, to: bytes | None, data: bytes, gas_limit: int = 1_000_000) -> None:
    transaction = transfer(nonce, 0, key=KEYS[0], to=to, data=data, gas_limit=gas_limit)
    chain.writer.run(chain.send_transaction, transaction)


def logs_of(chain: Chain, number: int) -> list[tuple[Log, ...]]:
    block = chain.block_by_number(number)
    assert block is not None
    receipts = chain.receipts(block.hash)
    assert receipts is not None
    assert block.header.logs_bloom == merge_blooms(logs_bloom(receipt.logs) for receipt in receipts)
    return [tuple(receipt.logs) for receipt in receipts]


def expected_logs(total: int) -> tuple[Log, ...]:
    return Log(COUNTING, (word(total),), b""), Log(LOGGER, (word(total),), word(total))


def test_receipts_and_blooms_over_both_machines(chain: Chain) -> None:
    fill(chain)
    assert logs_of(chain, 1) == [(), ()]
    assert logs_of(chain, 2) == [expected_logs(5), expected_logs(12)]
    assert logs_of(chain, 3) == [()]
    failed = chain.block_by_number(3)
    assert failed is not None
    receipts = chain.receipts(failed.hash)
    assert receipts is not None
    assert [(receipt.status, receipt.gas_used) for receipt in receipts] == [(0, 30_000)]


def test_another_node_executes_the_blocks_to_the_same_state(chain: Chain, genesis: Genesis) -> None:
    """From the blocks alone, with programs that it compiles itself."""
    fill(chain)
    other = open_chain(genesis=genesis, options=MANUAL)
    try:
        for number in (1, 2, 3):
            block = chain.block_by_number(number)
            assert block is not None
            other.writer.run(other.import_block, block)
        assert other.head.header.hash == chain.head.header.hash
    finally:
        other.close()


def test_a_node_goes_on_with_its_contracts_after_a_restart(genesis: Genesis, tmp_path: Path) -> None:
    """Its compiled code lies beside the database, and is of the same use in memory alone."""
    options = ChainOptions(zvm_directory=tmp_path / "zvm")
    database = Database.open(tmp_path / "db")
    first = open_chain(database, genesis=genesis, options=options)
    for nonce, data in enumerate((deployed(EVM_LOGGER), creation_data(COUNTER, bytes(12) + LOGGER))):
        send(first, nonce, None, data)
    first.close()
    database.close()
    assert list((tmp_path / "zvm").iterdir())
    database = Database.open(tmp_path / "db")
    second = open_chain(database, genesis=genesis, options=options)
    try:
        send(second, 2, COUNTING, word(9))
        assert logs_of(second, 3) == [expected_logs(9)]
    finally:
        second.close()
        database.close()


def test_calls_on_other_threads_do_not_disturb_blocks(chain: Chain) -> None:
    """While one thread calls the contract, the writer mines calls of it."""
    fill(chain)
    seen: set[bytes] = set()

    def look() -> None:
        for _ in range(200):
            outcome = call(chain.frame_at(LATEST), request_to(COUNTING, word(1)))
            assert outcome.error is None
            seen.add(outcome.logs[0].topics[0])

    def mine() -> None:
        for nonce in range(5, 25):
            send(chain, nonce, COUNTING, word(1))
            chain.writer.run(chain.mine)

    with ThreadPoolExecutor(2) as pool:
        looking, mining = pool.submit(on_thread, look), pool.submit(mine)
        mining.result()
        assert looking.result() is None
    assert logs_of(chain, 23) == [expected_logs(12 + 20)]
    assert seen <= {word(number) for number in range(13, 34)}
