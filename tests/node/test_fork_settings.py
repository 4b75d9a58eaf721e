"""Settings of a fork, and the rules that follow from a chain id or a header."""

from dataclasses import replace

import pytest

from zevm.chain.rules.forks import LATEST_FORK, BlobParameters, Fork
from zevm.chain.rules.networks import Features, is_public, newest_with, schedule_of
from zevm.chain.rules.schedule import DEFAULT_BLOB_SCHEDULE
from zevm.chain.types import Header
from zevm.node.config import load_settings
from zevm.node.errors import SettingsError
from zevm.node.origin.endpoint import header_fields
from zevm.node.origin.features import read_features
from zevm.node.origin.start import split_block
from zevm.node.origin.transport import public_name
from zevm.storage.primitives import ZERO_HASH, Address


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
        (("ws://a:1@17", "/run/geth.ipc"), None, "17"),
        (("/run/geth.ipc@17",), None, "17"),
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
        ({"fork_url": "ftp://x"}, "is not a URL of a node"),
        ({"fork_url": "geth.ipc"}, "nor its socket's path"),
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
    assert public_name("wss://node.example/v3/key") == "wss://node.example"
    assert public_name("file:///run/geth.ipc") == public_name("/run/geth.ipc") == "/run/geth.ipc"
    assert header_fields(["X-Key: a:b", "Y:c"]) == {"X-Key": "a:b", "Y": "c"}


def _header(**fields: object) -> Header:
    return Header(parent_hash=ZERO_HASH, **fields)  # type: ignore[arg-type]


def test_rules_of_public_networks_and_of_others() -> None:
    mainnet = schedule_of(1, _header(number=12_000_000))
    assert [mainnet.fork_at(number, time) for number, time in (
        (1, 0), (12_964_999, 0), (15_537_394, 1_663_224_179), (17_034_870, 1_681_338_455), (19_426_587, 1_710_338_135),
        (22_431_084, 1_746_612_311), (24_000_000, 1_767_747_671),
    )] == [
        Fork.FRONTIER, Fork.BERLIN, Fork.PARIS, Fork.SHANGHAI, Fork.CANCUN, Fork.PRAGUE, Fork.BPO2,
    ]  # fmt: skip
    later = {"base_fee_per_gas": 1, "withdrawals_root": bytes(32), "parent_beacon_block_root": bytes(32)}
    for chain_id, fields in (
        (17_000, {"base_fee_per_gas": 1}),
        (560_048, later),
        (11_155_111, {"base_fee_per_gas": 1}),
    ):
        assert schedule_of(chain_id, _header(**fields)).fork_at(10**7, 1_770_000_000) is Fork.BPO2
    assert newest_with(_header(**later, requests_hash=bytes(32))) is LATEST_FORK
    assert newest_with(_header(**later)) is Fork.CANCUN
    assert newest_with(_header(base_fee_per_gas=1, withdrawals_root=bytes(32))) is Fork.SHANGHAI
    assert newest_with(_header(base_fee_per_gas=1)) is Fork.PARIS
    assert newest_with(_header(base_fee_per_gas=1, difficulty=2)) is Fork.GRAY_GLACIER
    assert newest_with(_header()) is Fork.BERLIN
    assert schedule_of(31_337, _header(), Fork.LONDON).fork_at(9, 9) is Fork.LONDON


@pytest.mark.parametrize(
    ("chain_id", "number", "timestamp", "era", "expected"),
    [
        (1, 12_964_999, 1_628_166_000, Fork.BERLIN, True),
        (1, 12_965_000, 1_628_166_822, Fork.PARIS, True),
        (1, 15_537_394, 1_663_224_179, Fork.PARIS, True),
        (1, 17_034_870, 1_681_338_455, Fork.SHANGHAI, True),
        (1, 19_426_587, 1_710_338_135, Fork.CANCUN, True),
        (1, 24_000_000, 1_767_747_671, LATEST_FORK, True),
        (560_048, 0, 0, Fork.CANCUN, True),
        # development tools' chains with the id of mainnet
        (1, 0, 1_796_000_000, LATEST_FORK, False),
        (1, 20, 1_796_000_000, Fork.PARIS, False),
        (1, 24_000_000, 1_767_747_671, Fork.CANCUN, False),
        (31_337, 0, 0, LATEST_FORK, False),
    ],
)
def test_a_chain_with_the_id_of_a_public_network_is_known_by_its_headers(
    chain_id: int, number: int, timestamp: int, era: Fork, expected: bool
) -> None:
    fields = ("base_fee_per_gas", "withdrawals_root", "parent_beacon_block_root", "requests_hash")
    values: tuple[object, ...] = (1, bytes(32), bytes(32), bytes(32))
    eras = (Fork.PARIS, Fork.SHANGHAI, Fork.CANCUN, LATEST_FORK)
    has = {name: value for name, value, begin in zip(fields, values, eras, strict=True) if era >= begin}
    header = _header(number=number, timestamp=timestamp, **has)
    assert is_public(chain_id, header) is expected
    if not expected:
        assert schedule_of(chain_id, header).fork_at(number, timestamp) is era


PRAGUE = _header(
    base_fee_per_gas=1, withdrawals_root=bytes(32), parent_beacon_block_root=bytes(32), requests_hash=bytes(32),
    timestamp=50,
)  # fmt: skip
MAINNETS = replace(PRAGUE, number=22_431_084, timestamp=1_746_612_311)
OSAKAS = frozenset({"ECREC", "P256VERIFY"})


@pytest.mark.parametrize(
    ("since", "precompiles", "blob", "fork"),
    [
        (50, OSAKAS, DEFAULT_BLOB_SCHEDULE[Fork.PRAGUE], Fork.OSAKA),
        (50, OSAKAS, DEFAULT_BLOB_SCHEDULE[Fork.BPO1], Fork.BPO1),
        (50, OSAKAS, DEFAULT_BLOB_SCHEDULE[Fork.BPO2], Fork.BPO2),
        (0, frozenset({"ECREC"}), DEFAULT_BLOB_SCHEDULE[Fork.PRAGUE], Fork.PRAGUE),
        (0, OSAKAS, BlobParameters(2, 3, 5), Fork.OSAKA),
        # the chain's head has other rules than this block
        (51, frozenset(), BlobParameters(2, 3, 5), LATEST_FORK),
    ],
)
def test_rules_of_a_chain_that_says_what_it_has(
    since: int, precompiles: frozenset[str], blob: BlobParameters, fork: Fork
) -> None:
    schedule = schedule_of(999, PRAGUE, features=Features(since, precompiles, blob, None))
    assert schedule.fork_at(9, 99) is fork
    assert schedule.rules(9, 99).blob == (blob if since <= 50 else DEFAULT_BLOB_SCHEDULE[LATEST_FORK])
    # a public network's rules are known, and a user's word counts most
    assert (
        schedule_of(1, MAINNETS, features=Features(0, frozenset(), blob, None)).fork_at(24_000_000, 1_767_747_671)
        is Fork.BPO2
    )
    named = schedule_of(999, PRAGUE, Fork.CANCUN, features=Features(0, OSAKAS, blob, None))
    assert named.rules(9, 99).blob == DEFAULT_BLOB_SCHEDULE[Fork.CANCUN]


CURRENT = {
    "activationTime": 7,
    "blobSchedule": {"target": 2, "max": 3, "baseFeeUpdateFraction": 5},
    "precompiles": {"ECREC": "0x" + "01" * 20},
    "systemContracts": {"DEPOSIT_CONTRACT_ADDRESS": "0x" + "02" * 20},
}


def test_features_are_read_whole_or_not_at_all() -> None:
    read = Features(7, frozenset({"ECREC"}), BlobParameters(2, 3, 5), Address(b"\2" * 20))
    assert read_features(CURRENT) == read
    assert read_features(CURRENT | {"blobSchedule": None, "systemContracts": {}}) == Features(
        7, read.precompiles, None, None
    )
    for wrong in (
        None,
        7,
        {},
        CURRENT | {"activationTime": "soon"},
        CURRENT | {"precompiles": []},
        CURRENT | {"systemContracts": {"DEPOSIT_CONTRACT_ADDRESS": "0x1"}},
        CURRENT | {"blobSchedule": {"target": 4, "max": 3, "baseFeeUpdateFraction": 5}},
        CURRENT | {"blobSchedule": {"target": 2, "max": 3, "baseFeeUpdateFraction": 0}},
        CURRENT | {"blobSchedule": {"target": 2, "max": 3}},
    ):
        assert read_features(wrong) is None
