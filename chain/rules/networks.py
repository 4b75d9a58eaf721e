"""The forks of public networks, and those of a chain of which only a header is known."""

from typing import NamedTuple

from zevm.chain.rules.forks import LATEST_FORK, BlobParameters, Fork
from zevm.chain.rules.json_fields import Json
from zevm.chain.rules.schedule import DEFAULT_BLOB_SCHEDULE, ForkSchedule
from zevm.chain.types import Header
from zevm.storage.primitives import Address

_OSAKAS_PRECOMPILE = "P256VERIFY"
_LAST_OF_ERAS = (Fork.BERLIN, Fork.PARIS, Fork.SHANGHAI, Fork.CANCUN, LATEST_FORK)
"""The newest forks with headers of the same fields."""
_FROM_GENESIS: dict[str, Json] = dict.fromkeys(
    (
        "homesteadBlock",
        "eip150Block",
        "eip155Block",
        "eip158Block",
        "byzantiumBlock",
        "constantinopleBlock",
        "petersburgBlock",
        "istanbulBlock",
        "berlinBlock",
        "londonBlock",
    ),
    0,
)

_NETWORKS: dict[int, dict[str, Json]] = {
    1: {
        "homesteadBlock": 1_150_000,
        "eip150Block": 2_463_000,
        "eip155Block": 2_675_000,
        "eip158Block": 2_675_000,
        "byzantiumBlock": 4_370_000,
        "constantinopleBlock": 7_280_000,
        "petersburgBlock": 7_280_000,
        "istanbulBlock": 9_069_000,
        "muirGlacierBlock": 9_200_000,
        "berlinBlock": 12_244_000,
        "londonBlock": 12_965_000,
        "arrowGlacierBlock": 13_773_000,
        "grayGlacierBlock": 15_050_000,
        # the first block without proof of work: the total difficulty of the merge is not added up here
        "mergeNetsplitBlock": 15_537_394,
        "shanghaiTime": 1_681_338_455,
        "cancunTime": 1_710_338_135,
        "pragueTime": 1_746_612_311,
        "osakaTime": 1_764_798_551,
        "bpo1Time": 1_765_290_071,
        "bpo2Time": 1_767_747_671,
        "depositContractAddress": "0x00000000219ab540356cbb839cbe05303d7705fa",
    },
    17_000: {
        **_FROM_GENESIS,
        "terminalTotalDifficulty": 0,
        "shanghaiTime": 1_696_000_704,
        "cancunTime": 1_707_305_664,
        "pragueTime": 1_740_434_112,
        "osakaTime": 1_759_308_480,
        "bpo1Time": 1_759_800_000,
        "bpo2Time": 1_760_389_824,
        "depositContractAddress": "0x4242424242424242424242424242424242424242",
    },
    560_048: {
        **_FROM_GENESIS,
        "terminalTotalDifficulty": 0,
        "shanghaiTime": 0,
        "cancunTime": 0,
        "pragueTime": 1_742_999_832,
        "osakaTime": 1_761_677_592,
        "bpo1Time": 1_762_365_720,
        "bpo2Time": 1_762_955_544,
        "depositContractAddress": "0x00000000219ab540356cbb839cbe05303d7705fa",
    },
    11_155_111: {
        **_FROM_GENESIS,
        "mergeNetsplitBlock": 1_450_409,
        "shanghaiTime": 1_677_557_088,
        "cancunTime": 1_706_655_072,
        "pragueTime": 1_741_159_776,
        "osakaTime": 1_760_427_360,
        "bpo1Time": 1_761_017_184,
        "bpo2Time": 1_761_607_008,
        "depositContractAddress": "0x7f02c3e3c98b133055b8b348b2ac625669ed295d",
    },
}
"""Geth's params/config.go, by chain id: mainnet, Holesky, Hoodi, Sepolia."""


def is_public(chain_id: int, header: Header) -> bool:
    """Whether a block is of a public network, whose rules are known here.

    A chain for development may have the id of one. Its block then has other fields than one at this place.
    """
    schedule = _public_schedule(chain_id)
    if schedule is None:
        return False
    return _era(schedule.fork_at(header.number, header.timestamp)) is _era(newest_with(header))


def _public_schedule(chain_id: int) -> ForkSchedule | None:
    config = _NETWORKS.get(chain_id)
    return None if config is None else ForkSchedule.from_config({"chainId": chain_id, "development": True, **config})


def _era(fork: Fork) -> Fork:
    """The newest fork whose headers have the fields of this one's."""
    return min((newest for newest in _LAST_OF_ERAS if newest >= fork), default=LATEST_FORK)


class Features(NamedTuple):
    """The word of a chain's node on its newest fork (EIP-7910).

    since: the fork's activation time. precompiles: by their names there. blob: None where there are no blobs.
    """

    since: int
    precompiles: frozenset[str]
    blob: BlobParameters | None
    deposit_contract: Address | None


def schedule_of(
    chain_id: int,
    header: Header,
    newest: Fork | None = None,
    *,
    zvm: str | None = None,
    features: Features | None = None,
) -> ForkSchedule:
    """The schedule of a public network, or for any other chain the newest forks that have such headers.

    newest: every fork up to this one is active, whatever the chain. zvm: the price schedule of another chain's
    WebAssembly contracts. features: what is known of that chain besides. Development tools decide, as on a chain for
    development.
    """
    public = _public_schedule(chain_id)
    if newest is None and public is not None and is_public(chain_id, header):
        return public
    # they are of the chain's head, which may have other rules than an older block
    stated = features if newest is None and features is not None and features.since <= header.timestamp else None
    fork = newest or (newest_with(header) if stated is None else _newest_that(header, stated))
    schedule = ForkSchedule.default(chain_id, fork, zvm=zvm, development=True)
    if stated is None:
        return schedule
    if stated.blob is not None and schedule.blob_parameters(fork) not in (None, stated.blob):
        schedule = schedule.with_changes(blob_schedule={**schedule.blob_schedule, fork: stated.blob})
    return schedule.with_changes(deposit_contract=stated.deposit_contract or schedule.deposit_contract)


def _newest_that(header: Header, features: Features) -> Fork:
    """The newest fork with such headers and these features; they may have blob parameters that are no fork's."""
    newest = newest_with(header)
    if newest < Fork.PRAGUE:
        return newest
    if _OSAKAS_PRECOMPILE not in features.precompiles:
        return Fork.PRAGUE
    alike = [fork for fork, blob in DEFAULT_BLOB_SCHEDULE.items() if blob == features.blob and fork > Fork.OSAKA]
    return max(alike, default=Fork.OSAKA)


def newest_with(header: Header) -> Fork:
    """The newest fork whose blocks have the fields of this header, and no others; see _LAST_OF_ERAS."""
    if header.requests_hash is not None:
        return LATEST_FORK
    if header.parent_beacon_block_root is not None:
        return Fork.CANCUN
    if header.withdrawals_root is not None:
        return Fork.SHANGHAI
    if header.base_fee_per_gas is not None:
        return Fork.PARIS if header.difficulty == 0 else Fork.GRAY_GLACIER
    return Fork.BERLIN
