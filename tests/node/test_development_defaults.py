"""What a development chain leaves to its users' tools; a genesis of one's own or external consensus does not."""

import json
from pathlib import Path

import pytest

from tests.chain.chain_fixtures import ALICE, BOB, GWEI, transfer
from tests.node.conftest import Start
from zevm.chain.blockchain import Chain
from zevm.chain.errors import TransactionError
from zevm.chain.rules.forks import TRANSACTION_GAS_CAP
from zevm.chain.rules.genesis import Genesis
from zevm.chain.types import Transaction
from zevm.node import hints
from zevm.node.config import load_settings
from zevm.node.network import choose_genesis, limits_for, open_chain, open_database
from zevm.rpc.limits import Limits

BLOCK_GAS = 60_000_000
ETHER = 10**18


def open_with(folder: Path, **flags: object) -> Chain:
    settings = load_settings({"datadir": str(folder), "no_sync": True, **flags})
    return open_chain(open_database(settings), settings, [ALICE, BOB])


def close(chain: Chain) -> None:
    chain.close()
    chain.database.close()


def own_genesis(folder: Path) -> str:
    """A genesis file as people write it for geth: nothing in it speaks of development."""
    data = Genesis.default(accounts=[ALICE, BOB], development=False).to_json()
    file = folder / "genesis.json"
    file.write_text(json.dumps(data))
    return str(file)


def fee_cap_wei(chain: Chain, **flags: object) -> int:
    return limits_for(load_settings(flags), chain).transaction_fee_cap_wei


def whole_block(nonce: int = 0) -> Transaction:
    return transfer(nonce, gas_limit=BLOCK_GAS, max_fee_per_gas=100 * GWEI)


def test_r2_n2_a_development_chain_takes_a_transaction_with_the_whole_blocks_gas(tmp_path: Path) -> None:
    chain = open_with(tmp_path / "chain")
    assert chain.next_header().gas_limit == BLOCK_GAS
    mined = chain.writer.run(chain.send_transaction, whole_block())
    assert chain.find_transaction(mined) is not None
    exported = chain.genesis.to_json()
    close(chain)
    again = open_with(tmp_path / "chain")
    assert again.find_transaction(mined) is not None
    mined = again.writer.run(again.send_transaction, whole_block(1))
    assert again.find_transaction(mined) is not None
    close(again)
    # the genesis says so, wherever it is taken
    (tmp_path / "exported.json").write_text(json.dumps(exported))
    elsewhere = open_with(tmp_path / "elsewhere", init=str(tmp_path / "exported.json"))
    assert elsewhere.genesis.schedule.development
    assert elsewhere.next_context().environment.rules.transaction_gas_cap is None
    close(elsewhere)


@pytest.mark.parametrize("kind", ["own", "driven", "asked"])
def test_r2_mainnets_cap_stays_where_it_is_wanted(tmp_path: Path, kind: str) -> None:
    flags = {
        "own": {"init": own_genesis(tmp_path)},
        "driven": {"authrpc": True},
        "asked": {"enable_tx_gas_limit": True},
    }
    chain = open_with(tmp_path / "chain", **flags[kind])
    with pytest.raises(TransactionError, match=r"gas limit too high \(cap: 16777216, tx: 60000000\)") as refused:
        chain.writer.run(chain.send_transaction, whole_block())
    assert "--disable-tx-gas-limit" in hints.told(refused.value)
    chain.writer.run(chain.send_transaction, transfer(0, gas_limit=TRANSACTION_GAS_CAP))
    close(chain)


def test_r2_the_flag_lifts_the_cap_of_a_genesis_of_ones_own(tmp_path: Path) -> None:
    chain = open_with(tmp_path / "chain", init=own_genesis(tmp_path), disable_tx_gas_limit=True)
    chain.writer.run(chain.send_transaction, whole_block())
    assert chain.head.number == 1
    close(chain)


def test_n1_fees_are_capped_only_where_money_may_be_real(tmp_path: Path) -> None:
    chain = open_with(tmp_path / "default")
    assert fee_cap_wei(chain) == 0
    assert fee_cap_wei(chain, rpc_transaction_fee_cap_wei=5) == 5
    assert fee_cap_wei(chain, rpc_transaction_fee_cap_wei=ETHER) == ETHER
    close(chain)
    for name, flags in (("own", {"init": own_genesis(tmp_path)}), ("driven", {"authrpc": True})):
        chain = open_with(tmp_path / name, **flags)
        assert fee_cap_wei(chain) == Limits().transaction_fee_cap_wei == ETHER
        assert fee_cap_wei(chain, rpc_transaction_fee_cap_wei=0) == 0
        close(chain)


def test_r2_a_chain_begun_before_this_rule_opens_and_keeps_its_own(tmp_path: Path) -> None:
    data = Genesis.default(accounts=[ALICE], gas_limit=30_000_000).to_json()
    assert isinstance(data["config"], dict)
    del data["config"]["development"]
    stored = Genesis.from_json(data)
    assert choose_genesis(load_settings({"datadir": str(tmp_path)}), stored) == stored
    assert not stored.schedule.development
    assert Genesis.from_json(stored.to_json()) == stored


@pytest.mark.parametrize(
    "flags", [{}, {"accounts": 1}, {"chain_id": 5}, {"hardfork": "prague"}, {"gas_limit": 7_000_000}]
)
def test_r2_every_chain_made_without_a_genesis_file_is_for_development(flags: dict[str, object]) -> None:
    made = choose_genesis(load_settings(flags), None, [ALICE])
    assert made.schedule.development
    assert made.gas_limit == flags.get("gas_limit", BLOCK_GAS)
    assert Genesis.from_json(made.to_json()) == made
    assert not choose_genesis(load_settings({**flags, "authrpc": True}), None, [ALICE]).schedule.development


def test_r14_a_start_takes_what_a_run_without_automine_left(start: Start) -> None:
    left = start("--no-mining")
    with left.connect() as client:
        request = {"from": "0x" + ALICE.hex(), "to": "0x" + BOB.hex()}
        hashes = [client.call("eth_sendTransaction", request) for _ in range(3)]
        assert client.call("eth_blockNumber") == "0x0"
    assert left.stop() == 0
    with start().connect() as client:
        assert client.call("eth_blockNumber") == "0x1"
        assert [client.call("eth_getTransactionReceipt", item)["status"] for item in hashes] == ["0x1"] * 3


def test_s9_a_block_holds_as_many_transactions_as_its_gas_allows(tmp_path: Path) -> None:
    chain = open_with(tmp_path / "chain", no_mining=True, gas_limit=1_100 * 21_000, pool_account_slots=2_000)
    for nonce in range(1_101):
        chain.writer.run(chain.send_transaction, transfer(nonce))
    [mined] = chain.writer.run(chain.mine)
    assert (len(mined.receipts), mined.block.header.gas_used) == (1_100, 1_100 * 21_000)
    close(chain)
    few = open_with(tmp_path / "few", no_mining=True, max_transactions=2)
    for nonce in range(3):
        few.writer.run(few.send_transaction, transfer(nonce))
    [mined] = few.writer.run(few.mine)
    assert len(mined.receipts) == 2
    close(few)
