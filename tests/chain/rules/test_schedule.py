"""Fork selection, geth's configuration format, its errors, blob parameters and fork identifiers."""

import json
from typing import Any

import pytest

from tests.conformance import conformance_path
from zevm.chain.errors import GenesisError
from zevm.chain.rules.forks import LATEST_FORK, BlobParameters, Fork, fork_by_name
from zevm.chain.rules.schedule import ForkSchedule

STAGED: dict[str, Any] = {
    "chainId": 7,
    "homesteadBlock": 0,
    "eip150Block": 3,
    "eip155Block": 6,
    "eip158Block": 6,
    "byzantiumBlock": 9,
    "constantinopleBlock": 12,
    "petersburgBlock": 15,
    "istanbulBlock": 18,
    "muirGlacierBlock": 21,
    "berlinBlock": 24,
    "londonBlock": 27,
    "arrowGlacierBlock": 30,
    "grayGlacierBlock": 33,
    "mergeNetsplitBlock": 36,
    "terminalTotalDifficulty": 4732352,
    "shanghaiTime": 390,
    "cancunTime": 420,
    "pragueTime": 450,
    "osakaTime": 480,
    "bpo1Time": 510,
    "bpo2Time": 540,
}


def staged(**changes: Any) -> ForkSchedule:
    config = {key: value for key, value in (STAGED | changes).items() if value != "absent"}
    return ForkSchedule.from_config(config)


@pytest.mark.parametrize(
    ("number", "timestamp", "fork"),
    [
        (0, 0, Fork.HOMESTEAD),
        (2, 20, Fork.HOMESTEAD),
        (3, 30, Fork.TANGERINE_WHISTLE),
        (5, 50, Fork.TANGERINE_WHISTLE),
        (6, 60, Fork.SPURIOUS_DRAGON),
        (9, 90, Fork.BYZANTIUM),
        (12, 120, Fork.CONSTANTINOPLE),
        (15, 150, Fork.PETERSBURG),
        (18, 180, Fork.ISTANBUL),
        (21, 210, Fork.MUIR_GLACIER),
        (24, 240, Fork.BERLIN),
        (27, 270, Fork.LONDON),
        (30, 300, Fork.ARROW_GLACIER),
        (33, 330, Fork.GRAY_GLACIER),
        (35, 350, Fork.GRAY_GLACIER),
        (36, 360, Fork.PARIS),
        (38, 389, Fork.PARIS),
        (39, 390, Fork.SHANGHAI),
        (42, 419, Fork.SHANGHAI),
        (42, 420, Fork.CANCUN),
        (45, 450, Fork.PRAGUE),
        (48, 480, Fork.OSAKA),
        (51, 510, Fork.BPO1),
        (54, 540, Fork.BPO2),
        (10**9, 10**12, Fork.BPO2),
    ],
)
def test_forks_begin_at_their_block_or_time(number: int, timestamp: int, fork: Fork) -> None:
    assert staged().fork_at(number, timestamp) is fork
    assert staged().rules(number, timestamp).fork is fork


def test_times_do_not_count_before_the_merge() -> None:
    assert staged().fork_at(35, 10_000) is Fork.GRAY_GLACIER
    assert staged().fork_at(26, 10_000) is Fork.BERLIN


@pytest.mark.parametrize(
    ("changes", "fork"),
    [
        ({"terminalTotalDifficulty": 0}, Fork.PARIS),
        ({"terminalTotalDifficultyPassed": True}, Fork.PARIS),
        ({}, Fork.GRAY_GLACIER),
    ],
)
def test_the_merge_without_a_netsplit_block(changes: dict[str, Any], fork: Fork) -> None:
    schedule = staged(mergeNetsplitBlock="absent", **changes)
    assert schedule.fork_at(40, 389) is fork
    assert schedule.fork_at(40, 390) is Fork.SHANGHAI
    assert schedule.fork_at(26, 0) is Fork.BERLIN


@pytest.mark.parametrize("fork", list(Fork))
def test_default_activates_everything_up_to_a_fork(fork: Fork) -> None:
    schedule = ForkSchedule.default(31337, fork)
    assert schedule.fork_at(0, 0) is fork
    assert schedule.fork_at(10**6, 2 * 10**9) is fork
    assert ForkSchedule.from_config(json.loads(json.dumps(schedule.to_config()))) == schedule


def test_configuration_round_trip_keeps_what_it_does_not_know() -> None:
    schedule = staged(ethash={}, zvm=True, depositContractAddress="0x" + "42" * 20)
    config = schedule.to_config()
    assert config["ethash"] == {}
    assert config["zvm"] is True
    assert config["depositContractAddress"] == "0x" + "42" * 20
    assert ForkSchedule.from_config(config) == schedule
    assert schedule.rules(0, 0).zvm == "zvm"
    stylus = staged(zvm="stylus")
    assert stylus.rules(0, 0).zvm == stylus.to_config()["zvm"] == "stylus"
    assert schedule.rules(54, 540).deposit_contract == b"\x42" * 20
    assert "zvm" not in staged().to_config()


def test_blob_parameters_follow_the_schedule() -> None:
    schedule = staged()
    assert schedule.rules(39, 390).blob is None
    assert schedule.rules(42, 420).blob == BlobParameters(3, 6, 3_338_477)
    assert schedule.rules(45, 450).blob == BlobParameters(6, 9, 5_007_716)
    assert schedule.rules(48, 480).blob == BlobParameters(6, 9, 5_007_716)
    assert schedule.rules(51, 510).blob == BlobParameters(10, 15, 8_346_193)
    assert schedule.rules(54, 540).blob == BlobParameters(14, 21, 11_684_671)


def test_configured_blob_parameters_win_and_carry_over() -> None:
    entry = {"target": 4, "max": "0x8", "baseFeeUpdateFraction": 1000}
    schedule = staged(blobSchedule={"prague": entry, "osaka": None})
    assert schedule.rules(42, 420).blob == BlobParameters(3, 6, 3_338_477)
    assert schedule.rules(45, 450).blob == BlobParameters(4, 8, 1000)
    assert schedule.rules(48, 480).blob == BlobParameters(4, 8, 1000)
    assert schedule.rules(51, 510).blob == BlobParameters(10, 15, 8_346_193)


def test_a_skipped_fork_leaves_the_blob_parameters_alone() -> None:
    schedule = staged(bpo1Time="absent", pragueTime="absent", osakaTime="absent", bpo2Time="absent")
    assert schedule.fork_at(99, 9_999) is Fork.CANCUN
    assert schedule.rules(99, 9_999).blob == BlobParameters(3, 6, 3_338_477)
    assert staged(pragueTime="absent").rules(48, 480).blob == BlobParameters(3, 6, 3_338_477)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"byzantiumBlock": 13},
            "unsupported fork ordering: byzantiumBlock enabled at block 13,"
            " but constantinopleBlock enabled at block 12",
        ),
        (
            {"berlinBlock": None},
            "unsupported fork ordering: berlinBlock not enabled, but londonBlock enabled at block 27",
        ),
        (
            {"shanghaiTime": None},
            "unsupported fork ordering: shanghaiTime not enabled, but cancunTime enabled at timestamp 420",
        ),
        (
            {"osakaTime": 511},
            "unsupported fork ordering: osakaTime enabled at timestamp 511, but bpo1Time enabled at timestamp 510",
        ),
        ({"chainId": None}, "config.chainId: missing, want the chain's number, as 31337"),
        (
            {"londonBlock": "soon"},
            'config.londonBlock: "soon" is not a number; want decimal, or hex with 0x',
        ),
        ({"londonBlock": -1}, "config.londonBlock: -1 is not a number; want decimal, or hex with 0x"),
        ({"bpo2Time": 1 << 64}, "config.bpo2Time: 18446744073709551616 does not fit into 64 bits"),
        (
            {"amsterdamTime": 600},
            "config.amsterdamTime: this node does not know that fork (the newest is bpo2Time); remove it",
        ),
        ({"eip155Block": 5}, "config.eip155Block: must be the same block as eip158Block (Spurious Dragon)"),
        (
            {"daoForkBlock": 1, "daoForkSupport": True},
            "config.daoForkBlock: the DAO fork's refund is not supported; remove the entry",
        ),
        ({"zvm": 1}, 'config.zvm: 1 is not true, false, or one of "zvm", "stylus"'),
        (
            {"depositContractAddress": "0x1234"},
            'config.depositContractAddress: "0x1234" has 2 bytes, want 20',
        ),
        (
            {"blobSchedule": {"shanghai": {}}},
            "config.blobSchedule.shanghai: unknown fork, want one of cancun, prague, osaka, bpo1, bpo2",
        ),
        (
            {"blobSchedule": {"cancun": {"target": 3, "max": 6}}},
            'invalid chain configuration in blobSchedule for fork "cancun": '
            "update fraction must be defined and non-zero",
        ),
        (
            {"blobSchedule": {"cancun": {"target": 7, "max": 6, "baseFeeUpdateFraction": 1}}},
            'invalid chain configuration in blobSchedule for fork "cancun": '
            "target 7 must not exceed max 6, and max must not be 0",
        ),
        ({"blobSchedule": []}, "config.blobSchedule: [] is not a JSON object"),
        (
            {"blobSchedule": {"cancun": 3}},
            "config.blobSchedule.cancun: want an object with target, max and baseFeeUpdateFraction",
        ),
    ],
)
def test_errors_name_the_entry(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(GenesisError) as caught:
        staged(**changes)
    assert caught.value.message == message


def test_optional_forks_may_be_left_out() -> None:
    schedule = staged(muirGlacierBlock="absent", arrowGlacierBlock=None, amsterdamTime=None)
    assert schedule.fork_at(22, 0) is Fork.ISTANBUL
    assert schedule.fork_at(31, 0) is Fork.LONDON


@pytest.mark.parametrize("fork", Fork)
def test_every_name_of_a_fork_finds_it(fork: Fork) -> None:
    for name in (fork.name, fork.title, fork.flag, fork.flag.upper(), fork.name.replace("_", "-"), f" {fork.flag} "):
        assert fork_by_name(name) is fork


def test_foundrys_names_find_forks_too() -> None:
    assert fork_by_name("latest") is LATEST_FORK
    assert fork_by_name("merge") is Fork.PARIS
    assert fork_by_name("Tangerine") is Fork.TANGERINE_WHISTLE
    with pytest.raises(ValueError, match=r"unknown hardfork; use one of frontier, homestead, .*bpo2, tangerine, merge"):
        fork_by_name("homested")


def test_upcoming_forks_and_their_times() -> None:
    schedule = staged(osakaTime=480, bpo1Time=480)
    assert schedule.later_times(450) == ((480, Fork.BPO1), (540, Fork.BPO2))
    assert schedule.later_times(540) == ()
    assert schedule.activation_time(Fork.BPO2) == 540
    assert schedule.activation_time(Fork.LONDON) == 0


def test_the_gas_cap_of_transactions_can_be_lifted() -> None:
    assert staged().rules(54, 540).unlimited_transaction_gas is False
    assert staged().with_transaction_gas_cap(False).rules(54, 540).unlimited_transaction_gas is True


MAINNET: dict[str, Any] = {
    "chainId": 1,
    "homesteadBlock": 1150000,
    "daoForkBlock": 1920000,
    "eip150Block": 2463000,
    "eip155Block": 2675000,
    "eip158Block": 2675000,
    "byzantiumBlock": 4370000,
    "constantinopleBlock": 7280000,
    "petersburgBlock": 7280000,
    "istanbulBlock": 9069000,
    "muirGlacierBlock": 9200000,
    "berlinBlock": 12244000,
    "londonBlock": 12965000,
    "arrowGlacierBlock": 13773000,
    "grayGlacierBlock": 15050000,
    "shanghaiTime": 1681338455,
    "cancunTime": 1710338135,
}


@pytest.mark.parametrize(
    ("number", "timestamp", "expected"),
    [
        (0, 0, ("fc64ec04", 1150000)),
        (1149999, 0, ("fc64ec04", 1150000)),
        (1150000, 0, ("97c2c34c", 1920000)),
        (7280000, 0, ("668db0af", 9069000)),
        (15050000, 0, ("f0afd0e3", 1681338455)),
        (20000000, 1681338455, ("dce96c2d", 1710338135)),
        (20000000, 1710338135, ("9f3d2254", 0)),
    ],
)
def test_mainnet_fork_identifiers(number: int, timestamp: int, expected: tuple[str, int]) -> None:
    genesis_hash = bytes.fromhex("d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3")
    checksum, following = ForkSchedule.from_config(MAINNET).fork_id(genesis_hash, 0, number, timestamp)
    assert (checksum.hex(), following) == expected


def test_forks_up_to_genesis_are_no_part_of_the_identifier() -> None:
    assert staged().fork_id(bytes(32), 389, 40, 389)[1] == 390
    assert staged().fork_id(bytes(32), 390, 40, 390)[1] == 420
    without = staged(shanghaiTime=0).fork_id(bytes(32), 0, 40, 419)
    assert staged().fork_id(bytes(32), 390, 40, 419) == without


def test_conformance_fork_identifier() -> None:
    config = json.loads(conformance_path("rpc-compat", "genesis.json").read_text())["config"]
    genesis_hash = bytes.fromhex("44fd89d504659cd58f48f4796b77a7e7012cf296a2409afa2f6c3cb99b5b3d99")
    assert ForkSchedule.from_config(config).fork_id(genesis_hash, 0, 54, 540) == (bytes.fromhex("e272ecbe"), 0)


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({}, True),
        ({"terminalTotalDifficulty": 0}, False),
        ({"terminalTotalDifficultyPassed": True}, False),
        ({"mergeNetsplitBlock": 36}, False),
        ({"terminalTotalDifficulty": None}, False),
    ],
)
def test_e3_a_merge_by_total_difficulty_alone_is_refused(changes: dict[str, Any], refused: bool) -> None:
    schedule = staged(**({"mergeNetsplitBlock": "absent"} | changes))
    if refused:
        with pytest.raises(GenesisError, match="4732352 would never be noticed, this node merges at a block"):
            schedule.check_merge()
    else:
        schedule.check_merge()
