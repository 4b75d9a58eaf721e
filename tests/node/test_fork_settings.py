"""Settings of a fork, and the rules that follow from a chain id or a header."""

import pytest

from zevm.chain.rules.forks import LATEST_FORK, Fork
from zevm.chain.rules.networks import newest_with, schedule_of
from zevm.chain.types import Header
from zevm.node.config import load_settings
from zevm.node.errors import SettingsError
from zevm.node.origin.endpoint import header_fields, public_name
from zevm.node.origin.start import split_block
from zevm.storage.primitives import ZERO_HASH


@pytest.mark.parametrize(
    ("urls", "given", "block"),
    [
        (("http://a:1",), None, "latest"),
        (("http://a:1",), "-5", "-5"),
        (("http://a:1@17",), None, "17"),
        (("https://a/v2/key@safe",), None, "safe"),
        (("https://user:word@a",), "3", "3"),
        (("http://a:1", "http://b:2@-9"), None, "-9"),
        (("http://a:1@17",), "18", "18"),
    ],
)
def test_a_block_may_stand_after_a_url(urls: tuple[str, ...], given: str | None, block: str) -> None:
    plain, found = split_block(urls, given)
    assert found == block
    assert all(not url.endswith(f"@{block}") for url in plain)
    assert [url.split("@17")[0].split("@safe")[0].split("@-9")[0] for url in urls] == list(plain)


def test_a_fork_is_kept_in_memory() -> None:
    settings = load_settings({"fork_url": "http://127.0.0.1:1"})
    assert settings.memory
    assert (settings.retries, settings.timeout, settings.fork_retry_backoff) == (5, 45_000, 1_000)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (
            {"fork_url": "http://a", "datadir": "x"},
            "--datadir cannot be used with --fork-url: a fork is kept in memory",
        ),
        ({"fork_url": "http://a", "number": "1"}, "--number cannot be used with --fork-url: it is the forked block's"),
        ({"fork_url": "http://a", "authrpc": True}, "--authrpc cannot be used with --fork-url"),
        ({"fork_url": "http://a", "fork_block_number": "soon"}, "'soon' is neither a block's number nor one of"),
        ({"fork_url": "http://a", "fork_header": "x"}, "'x' is not a header (NAME:VALUE)"),
        ({"fork_url": "file:///x"}, "is not a URL of a node"),
        ({"fork_block_number": "5"}, "--fork-block-number needs --fork-url"),
        ({"fork_chain_id": "5"}, "--fork-chain-id needs --fork-url"),
    ],
)
def test_what_does_not_fit_a_fork_is_told(flags: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(flags)
    assert words in str(caught.value)


def test_names_of_nodes_hold_no_secret() -> None:
    assert public_name("https://user:word@node.example:8443/v3/key?token=x") == "https://node.example:8443"
    assert header_fields(["X-Key: a:b", "Y:c"]) == {"X-Key": "a:b", "Y": "c"}


def _header(**fields: object) -> Header:
    return Header(parent_hash=ZERO_HASH, **fields)  # type: ignore[arg-type]


def test_rules_of_public_networks_and_of_others() -> None:
    mainnet = schedule_of(1, _header(number=20_000_000))
    assert [mainnet.fork_at(number, time) for number, time in (
        (1, 0), (12_964_999, 0), (15_537_394, 1_663_224_179), (17_034_870, 1_681_338_455), (19_426_587, 1_710_338_135),
        (22_431_084, 1_746_612_311), (24_000_000, 1_767_747_671),
    )] == [
        Fork.FRONTIER, Fork.BERLIN, Fork.PARIS, Fork.SHANGHAI, Fork.CANCUN, Fork.PRAGUE, Fork.BPO2,
    ]  # fmt: skip
    for chain_id in (17_000, 560_048, 11_155_111):
        assert schedule_of(chain_id, _header()).fork_at(10**7, 1_770_000_000) is Fork.BPO2
    later = {"base_fee_per_gas": 1, "withdrawals_root": bytes(32), "parent_beacon_block_root": bytes(32)}
    assert newest_with(_header(**later, requests_hash=bytes(32))) is LATEST_FORK
    assert newest_with(_header(**later)) is Fork.CANCUN
    assert newest_with(_header(base_fee_per_gas=1, withdrawals_root=bytes(32))) is Fork.SHANGHAI
    assert newest_with(_header(base_fee_per_gas=1)) is Fork.PARIS
    assert newest_with(_header(base_fee_per_gas=1, difficulty=2)) is Fork.GRAY_GLACIER
    assert newest_with(_header()) is Fork.BERLIN
    assert schedule_of(31_337, _header(), Fork.LONDON).fork_at(9, 9) is Fork.LONDON
