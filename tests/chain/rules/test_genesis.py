"""Geth's genesis format, header fields by fork, and the default network."""

import copy
import json
import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import rlp
from eth_account import Account as Wallet
from trie import HexaryTrie

from tests.conformance import conformance_path
from zevm.chain.errors import GenesisError
from zevm.chain.rules.forks import Fork
from zevm.chain.rules.genesis import Genesis, GenesisAccount, load_default_genesis, load_genesis
from zevm.chain.rules.name_service import NAME_SERVICE_ADDRESSES, namehash
from zevm.chain.rules.predeploys import (
    BEACON_ROOTS_ADDRESS,
    CONSOLIDATION_REQUESTS_ADDRESS,
    CREATE2_DEPLOYER_ADDRESS,
    CREATE2_DEPLOYER_CODE,
    HISTORY_STORAGE_ADDRESS,
    REQUEST_CONTRACTS,
    STYLUS_DEPLOYER_ADDRESSES,
    STYLUS_DEPLOYER_CODE,
    SYSTEM_CONTRACTS,
    WITHDRAWAL_REQUESTS_ADDRESS,
)
from zevm.storage.account import EMPTY_ROOT, StateDiff
from zevm.storage.keccak import EMPTY_KECCAK, keccak256
from zevm.storage.primitives import Address


def state_root(diff: StateDiff) -> bytes:
    """The root that py-trie, an implementation of its own, gives these accounts."""
    state = HexaryTrie({})
    for address, change in diff.accounts.items():
        assert change is not None
        storage = HexaryTrie({})
        for slot, value in diff.storage.get(address, {}).items():
            storage[keccak256(slot.to_bytes(32, "big"))] = rlp.encode(value)
        state[keccak256(address)] = rlp.encode([change.nonce, change.balance, storage.root_hash, change.code_hash])
    return state.root_hash


SMALL: dict[str, Any] = {
    "config": {"chainId": 5, "terminalTotalDifficulty": 0, "homesteadBlock": 0},
    "gasLimit": "0x1c9c380",
    "difficulty": "0",
    "alloc": {
        "0x" + "Aa" * 20: {"balance": "1000"},
        "bb" * 20: {"balance": "0x10", "nonce": 3, "code": "0x6001", "storage": {"0x01": "2", "02": "0x0"}},
        "cc" * 20: {},
    },
}


def test_conformance_genesis_hash() -> None:
    genesis = load_genesis(conformance_path("rpc-compat", "genesis.json"))
    header = genesis.header(state_root(genesis.diff()))
    assert header.hash.hex() == "44fd89d504659cd58f48f4796b77a7e7012cf296a2409afa2f6c3cb99b5b3d99"
    assert genesis.chain_id == 3503995874084926
    assert genesis.schedule.fork_at(36, 360) is Fork.PARIS
    assert Genesis.from_json(genesis.to_json()) == genesis


def test_accounts_become_a_state_difference() -> None:
    diff = Genesis.from_json(SMALL).diff()
    assert diff.accounts[b"\xaa" * 20] == (0, 1000, EMPTY_KECCAK)
    assert diff.accounts[b"\xbb" * 20] == (3, 16, keccak256(b"\x60\x01"))
    assert diff.accounts[b"\xcc" * 20] == (0, 0, EMPTY_KECCAK)
    assert diff.code == {keccak256(b"\x60\x01"): b"\x60\x01"}
    assert diff.storage == {b"\xbb" * 20: {1: 2}}


@pytest.mark.parametrize(
    ("fork", "present"),
    [
        (Fork.BERLIN, set()),
        (Fork.LONDON, {"base_fee_per_gas"}),
        (Fork.PARIS, {"base_fee_per_gas"}),
        (Fork.SHANGHAI, {"base_fee_per_gas", "withdrawals_root"}),
        (
            Fork.CANCUN,
            {"base_fee_per_gas", "withdrawals_root", "blob_gas_used", "excess_blob_gas", "parent_beacon_block_root"},
        ),
        (
            Fork.BPO2,
            {
                "base_fee_per_gas",
                "withdrawals_root",
                "blob_gas_used",
                "excess_blob_gas",
                "parent_beacon_block_root",
                "requests_hash",
            },
        ),
    ],
)
def test_header_fields_come_with_their_forks(fork: Fork, present: set[str]) -> None:
    header = Genesis.default(fork=fork).header(bytes(32))
    tail = (
        "base_fee_per_gas",
        "withdrawals_root",
        "blob_gas_used",
        "excess_blob_gas",
        "parent_beacon_block_root",
        "requests_hash",
    )
    assert {name for name in tail if getattr(header, name) is not None} == present
    assert header.difficulty == (0 if fork >= Fork.PARIS else 131_072)


def test_header_values_of_the_newest_fork() -> None:
    header = Genesis.default(base_fee=None).header(bytes(32))
    assert header.base_fee_per_gas == 10**9
    assert header.withdrawals_root == EMPTY_ROOT
    assert (header.blob_gas_used, header.excess_blob_gas) == (0, 0)
    assert header.parent_beacon_block_root == bytes(32)
    assert header.requests_hash is not None
    assert header.requests_hash.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_every_field_is_read_and_written_back() -> None:
    config = Genesis.default().schedule.to_config()
    data = SMALL | {
        "config": config,
        "nonce": "0x42",
        "timestamp": 77,
        "extraData": "0x686976",
        "mixHash": "0x" + "11" * 32,
        "coinbase": "0x" + "22" * 20,
        "number": "9",
        "gasUsed": "0x5",
        "parentHash": "0x" + "33" * 32,
        "baseFeePerGas": "7",
        "excessBlobGas": "0x20000",
        "blobGasUsed": 131072,
    }
    genesis = Genesis.from_json(data)
    header = genesis.header(b"\x44" * 32)
    assert header.nonce == bytes(7) + b"\x42"
    assert (header.timestamp, header.number, header.gas_used) == (77, 9, 5)
    assert header.extra_data == b"hiv"
    assert (header.mix_hash, header.coinbase) == (b"\x11" * 32, b"\x22" * 20)
    assert (header.parent_hash, header.state_root) == (b"\x33" * 32, b"\x44" * 32)
    assert (header.base_fee_per_gas, header.excess_blob_gas, header.blob_gas_used) == (7, 131072, 131072)
    assert Genesis.from_json(json.loads(json.dumps(genesis.to_json()))) == genesis


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("config", None, "missing required field 'config' for Genesis"),
        ("alloc", None, "missing required field 'alloc' for Genesis"),
        ("gasLimit", None, "missing required field 'gasLimit' for Genesis"),
        ("gasLimit", "0x1z", 'gasLimit: "0x1z" is not a number; want decimal, or hex with 0x'),
        ("gasLimit", "1_000", 'gasLimit: "1_000" is not a number; want decimal, or hex with 0x'),
        ("gasLimit", True, "gasLimit: True is not a number; want decimal, or hex with 0x"),
        ("gasLimit", 1 << 64, "gasLimit: 18446744073709551616 does not fit into 63 bits"),
        ("coinbase", "0x00", 'coinbase: "0x00" has 1 bytes, want 20'),
        ("extraData", "0x0", 'extraData: "0x0" is not a hex string of whole bytes'),
        ("mixHash", 7, "mixHash: 7 is not a hex string"),
        ("alloc", [], "alloc: [] is not a JSON object"),
        ("alloc", {"0x1234": {}}, 'alloc.0x1234: "0x1234" has 2 bytes, want 20'),
        ("alloc", {"aa" * 20: 5}, f"alloc.{'aa' * 20}: want an object with balance, nonce, code, storage"),
        ("alloc", {"aa" * 20: {}, "0x" + "AA" * 20: {}}, f"alloc.0x{'AA' * 20}: the address occurs twice"),
        (
            "alloc",
            {"aa" * 20: {"balance": hex(1 << 256)}},
            f'alloc.{"aa" * 20}.balance: "0x1{"0" * 64}" does not fit into 256 bits',
        ),
        (
            "alloc",
            {"aa" * 20: {"storage": {"0x1": "zz"}}},
            f'alloc.{"aa" * 20}.storage.0x1: "0xzz" is not a number; want decimal, or hex with 0x',
        ),
        ("alloc", {"aa" * 20: {"storage": {"0x1": 1}}}, f"alloc.{'aa' * 20}.storage.0x1: want a hex string of up to"),
    ],
)
def test_errors_name_the_field(field: str, value: Any, message: str) -> None:
    data = copy.deepcopy(SMALL)
    data[field] = value
    with pytest.raises(GenesisError, match="^" + re.escape(message)):
        Genesis.from_json(data)


def test_difficulty_may_be_left_out() -> None:
    merged = {key: value for key, value in SMALL.items() if key != "difficulty"}
    london = Genesis.default(fork=Fork.LONDON).schedule.to_config()
    assert Genesis.from_json(merged | {"config": Genesis.default().schedule.to_config()}).difficulty == 0
    assert Genesis.from_json(merged | {"config": london}).difficulty == 131_072


def test_files_are_named_in_errors(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text("{")
    with pytest.raises(GenesisError, match=r"mine\.json: not JSON"):
        load_genesis(file)
    file.write_bytes(b"\xff\xfe{}")
    with pytest.raises(GenesisError, match=r"mine\.json: not JSON"):
        load_genesis(file)
    file.write_text("[]")
    with pytest.raises(GenesisError, match=r"mine\.json: genesis: want a JSON object"):
        load_genesis(file)


def test_the_default_network_is_the_file_at_the_top() -> None:
    genesis = load_default_genesis()
    Wallet.enable_unaudited_hdwallet_features()
    mnemonic = "test test test test test test test test test test test junk"
    wallets = [Wallet.from_mnemonic(mnemonic, account_path=f"m/44'/60'/0'/0/{index}") for index in range(10)]
    accounts = [bytes.fromhex(wallet.address[2:]) for wallet in wallets]
    assert genesis == Genesis.default(accounts=accounts, timestamp=genesis.timestamp)
    assert genesis.chain_id == 31337
    assert genesis.schedule.zvm
    assert genesis.gas_limit == 60_000_000
    assert genesis.schedule.development
    assert genesis.schedule.fork_at(0, genesis.timestamp) is Fork.BPO2
    assert [genesis.accounts[address].balance_wei for address in accounts] == [10_000 * 10**18] * 10


def test_default_contracts_come_with_their_forks() -> None:
    bare = Genesis.default(fork=Fork.SHANGHAI, create2_deployer=False, zvm=False, name_service=False)
    assert bare.accounts == {}
    cancun = Genesis.default(fork=Fork.CANCUN, zvm=False, name_service=False).accounts
    assert set(cancun) == {SYSTEM_CONTRACTS[0][1], CREATE2_DEPLOYER_ADDRESS}
    # Stylus' deployer is of use where its programs run; a driven chain has the accounts of genesis.json as well
    deployer = GenesisAccount(nonce=1, code=STYLUS_DEPLOYER_CODE)
    for development in (True, False):
        default = Genesis.default(
            fork=Fork.SHANGHAI, create2_deployer=False, development=development, name_service=False
        )
        assert default.accounts == dict.fromkeys(STYLUS_DEPLOYER_ADDRESSES, deployer)
    # the name service is compiled for London
    assert set(NAME_SERVICE_ADDRESSES).isdisjoint(Genesis.default(fork=Fork.BERLIN).accounts)
    assert set(NAME_SERVICE_ADDRESSES) <= set(Genesis.default(fork=Fork.LONDON).accounts)
    newest = Genesis.default().accounts
    assert {address: newest[address] for _, address, _ in SYSTEM_CONTRACTS} == {
        address: GenesisAccount(nonce=1, code=code) for _, address, code in SYSTEM_CONTRACTS
    }
    assert len(CREATE2_DEPLOYER_CODE) == 69


@pytest.mark.parametrize(
    ("address", "code_hash"),
    [
        (
            "4e59b44847b379578588920ca78fbf26c0b4956c",
            "2fa86add0aed31f33a762c9d88e807c475bd51d0f52bd0955754b2608f7e4989",
        ),
        (
            "000f3df6d732807ef1319fb7b8bb8522d0beac02",
            "f57acd40259872606d76197ef052f3d35588dadf919ee1f0e3cb9b62d3f4b02c",
        ),
        (
            "0000f90827f1c53a10cb7a02335b175320002935",
            "6e49e66782037c0555897870e29fa5e552daf4719552131a0abce779daec0a5d",
        ),
    ],
)
def test_predeployed_code_is_mainnets(address: str, code_hash: str) -> None:
    assert keccak256(Genesis.default().accounts[bytes.fromhex(address)].code).hex() == code_hash


@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("", "00" * 32),
        ("eth", "93cdeb708b7545dc668eb9280176169d1c33cfd8ed6f04690a0bcc88a93fc4ae"),
        ("foo.eth", "de9b09fd7c5f901e23a3f19fecc54828e9c848539801e86591bd9801b019f84f"),
    ],
)
def test_nodes_are_those_of_eip_137(name: str, node: str) -> None:
    assert namehash(name).hex() == node


@pytest.mark.parametrize(
    ("fork", "removed", "refused"),
    [
        (Fork.PRAGUE, (), False),
        (Fork.PRAGUE, (WITHDRAWAL_REQUESTS_ADDRESS,), True),
        (Fork.BPO2, (CONSOLIDATION_REQUESTS_ADDRESS,), True),
        (Fork.OSAKA, REQUEST_CONTRACTS, True),
        (Fork.PRAGUE, (BEACON_ROOTS_ADDRESS, HISTORY_STORAGE_ADDRESS), False),
        (Fork.CANCUN, REQUEST_CONTRACTS, False),
    ],
)
@pytest.mark.parametrize("leaves_account", [False, True])
def test_contracts_without_which_no_block_is_valid_are_asked_for(
    fork: Fork, removed: tuple[Address, ...], refused: bool, leaves_account: bool
) -> None:
    genesis = Genesis.default(fork=fork)
    left = {address: GenesisAccount(balance_wei=1) for address in removed} if leaves_account else {}
    kept = {address: account for address, account in genesis.accounts.items() if address not in removed}
    genesis = genesis.with_changes(accounts=kept | left)
    if not refused:
        genesis.check_system_contracts()
        return
    with pytest.raises(GenesisError, match=r"alloc: .* need code \(EIP-7002, EIP-7251\).*copy their entries") as raised:
        genesis.check_system_contracts()
    assert [address for address in REQUEST_CONTRACTS if address.hex() in str(raised.value)] == list(removed)


def test_a_later_prague_leaves_time_to_deploy_its_contracts() -> None:
    document = Genesis.default(fork=Fork.CANCUN).to_json()
    for later, refused in ((1, True), (2, False)):
        genesis = Genesis.from_json({**document, "config": {**document["config"], "pragueTime": later}, "timestamp": 0})
        with pytest.raises(GenesisError, match="need code") if refused else nullcontext():
            genesis.check_system_contracts()
