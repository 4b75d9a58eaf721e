"""Ape's local network on zEVM."""

from pathlib import Path
from tempfile import mkdtemp

import ape
import pytest
from ape.exceptions import ContractLogicError
from ape_zevm import ZevmNotInstalledError, ZevmProviderError
from ape_zevm.process import complete
from ethpm_types import ContractType

ape.config.DATA_FOLDER = Path(mkdtemp()).resolve()
ABI = [
    {
        "type": "function",
        "name": "set",
        "stateMutability": "nonpayable",
        "inputs": [{"name": "value", "type": "uint256"}],
        "outputs": [],
    },
    {
        "type": "function",
        "name": "get",
        "stateMutability": "view",
        "inputs": [],
        "outputs": [{"name": "", "type": "uint256"}],
    },
    {"type": "error", "name": "TooMuch", "inputs": []},
]
# set: revert with TooMuch() from 100 on, else store; get: the slot
RUNTIME = (
    "5f3560e01c806360fe47b114601b57636d4ce63c146038575f5ffd"
    "5b6004356064811060345763d887771b60e01b5f5260045ffd5b5f5500"
    "5b5f545f5260205ff3"
)
STRANGER = "0xD9b7fdb3FC0A0Aa3A507dCf0976bc23D49a9C7A3"


@pytest.fixture(scope="module")
def provider():
    with ape.networks.parse_network_choice("ethereum:local:zevm") as connected:
        yield connected


@pytest.fixture(autouse=True)
def isolated(provider):
    snapshot = provider.snapshot()
    yield
    assert provider.restore(snapshot)


@pytest.fixture
def accounts():
    return ape.accounts.test_accounts


def test_accounts_are_apes(provider, accounts):
    assert provider.chain_id == 31_337
    assert accounts[0].balance == accounts[9].balance == 10_000 * 10**18
    receipt = accounts[0].transfer(accounts[1], "1 ETH")
    assert not receipt.failed
    assert accounts[1].balance == 10_001 * 10**18
    assert accounts[0].balance == 9_999 * 10**18


def test_blocks_time_and_snapshots(provider):
    start = provider.get_block("latest")
    snapshot = provider.snapshot()
    provider.set_timestamp(start.timestamp + 3_600)
    provider.mine(3)
    latest = provider.get_block("latest")
    assert (latest.number, latest.timestamp >= start.timestamp + 3_600) == (start.number + 3, True)
    assert provider.restore(snapshot) is True
    assert provider.get_block("latest").hash == start.hash
    assert provider.restore(0xFFFF) is False


def test_mining_on_request(provider, accounts):
    before = provider.get_block("latest").number
    provider.auto_mine = False
    assert provider.auto_mine is False
    accounts[0].transfer(accounts[1], 1)
    assert provider.get_block("latest").number == before
    provider.mine()
    provider.auto_mine = True
    assert provider.get_block("latest").number == before + 1


@pytest.mark.parametrize("fields", [{}, {"type": 0}, {"type": 1}, {"type": 2, "max_fee": 0, "max_priority_fee": 0}])
def test_a_stranger_sends(provider, accounts, fields):
    stranger = accounts[STRANGER]
    stranger.balance = "1 ETH"
    assert not stranger.transfer(accounts[0], 5, **fields).failed
    assert provider.get_balance(STRANGER) == 10**18 - 5
    provider.relock_account(STRANGER)


@pytest.mark.parametrize("amount", ["50 ETH", 50 * 10**18, hex(50 * 10**18), str(50 * 10**18)])
def test_balances(provider, amount):
    provider.set_balance(STRANGER, amount)
    assert provider.get_balance(STRANGER) == 50 * 10**18


@pytest.mark.parametrize("value", [258, "0x102", b"\x01\x02", (258).to_bytes(32)])
def test_storage_and_code(provider, value):
    provider.set_storage(STRANGER, "0x7", value)
    assert int.from_bytes(provider.get_storage(STRANGER, 7)) == 258
    for code in ("0x6001", "6001", b"\x60\x01"):
        assert provider.set_code(STRANGER, code) is True
        assert provider.get_code(STRANGER) == b"\x60\x01"
    with pytest.raises(ValueError, match="hexadecimal"):
        provider.set_code(STRANGER, "code")


def test_calls_errors_and_traces(provider, accounts):
    contract = deployed(provider)
    receipt = contract.set(7, sender=accounts[0])
    assert contract.get() == 7
    tree = provider.get_transaction_trace(receipt.txn_hash).get_calltree()
    assert tree.failed is False
    assert tree.calldata[:4].hex().removeprefix("0x") == "60fe47b1"
    with pytest.raises(ContractLogicError) as raised:
        contract.set(101, sender=accounts[0])
    assert type(raised.value).__name__ == "TooMuch"
    failed = contract.set(101, sender=accounts[0], raise_on_revert=False)
    assert failed.failed
    assert provider.get_transaction_trace(failed.txn_hash).get_calltree().failed is True


def deployed(provider):
    provider.set_code(STRANGER, RUNTIME)
    return ape.Contract(STRANGER, contract_type=ContractType(contractName="Box", abi=ABI))


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"arguments": ["--hardfork", "nonsense"]}, ZevmProviderError, r"zevm ended with \d+: .*nonsense"),
        ({"command": "/absent/zevm"}, ZevmNotInstalledError, "there is no program /absent/zevm"),
        ({"host": "example.invalid"}, ZevmProviderError, r"https://example\.invalid: no node answers there"),
    ],
)
def test_what_a_failed_start_says(settings, kind, message):
    choice = ape.networks.ethereum.local.use_provider("zevm", provider_settings=settings)
    with pytest.raises(kind, match=message), choice:
        pass


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("localhost", "http://localhost:8545"),
        ("http://127.0.0.1", "http://127.0.0.1:8545"),
        ("example.com", "https://example.com"),
        ("https://example.com/key", "https://example.com/key"),
    ],
)
def test_addresses(host, url):
    assert complete(host) == url
