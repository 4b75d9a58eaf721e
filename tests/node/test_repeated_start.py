"""B13: a start that was accepted is accepted again with the same settings, and finds the same chain."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from testing.node_process import NodeProcess
from zevm.chain.canonical.chain import stored_genesis
from zevm.chain.errors import ChainError
from zevm.chain.rules.forks import Fork
from zevm.chain.rules.genesis import load_default_genesis
from zevm.chain.rules.name_service import NAME_SERVICE_ADDRESSES
from zevm.node.config import load_settings
from zevm.node.errors import NodeError
from zevm.node.mnemonic import derive_keys
from zevm.node.network import open_chain
from zevm.node.settings import NodeSettings
from zevm.node.wallet import address_of
from zevm.storage.database import Database
from zevm.storage.errors import ForeignDatabaseError

FORKS = [fork.name.lower() for fork in Fork]
FLAGS: dict[str, list[Any]] = {
    "chain_id": [1, 77],
    "timestamp": [0, 1_500_000_000],
    "number": [0, 9],
    "block_base_fee_per_gas": [0, 7],
    "gas_limit": [5_000, 50_000_000],
    "disable_block_gas_limit": [True],
    "balance": [3],
    "accounts": [1],
    "disable_default_create2_deployer": [True],
    "disable_tx_gas_limit": [True],
    "no_mining": [True],
    "code_size_limit": [99_999],
}
ACCOUNTS = {"aa" * 20: {"balance": "0x7", "storage": {"0x0": "0x0", "0x1": "0x2"}}, "bb" * 20: {"code": "0x00"}}
MERGED = {"terminalTotalDifficulty": 0, "terminalTotalDifficultyPassed": True}
TO_LONDON = [
    "homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg", "istanbul", "berlin",
    "london",
]  # fmt: skip
BLOCKS = {f"{name}Block": 0 for name in TO_LONDON}
GENESES: dict[str, dict[str, Any] | None] = {
    "none": None,
    "default": load_default_genesis().to_json(),
    "mainnet-like": {
        "config": {"chainId": 5, **BLOCKS, **MERGED, "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 2_000_000_000,
                   "blobSchedule": {"cancun": {"target": 2, "max": 4, "baseFeeUpdateFraction": 3338477}},
                   "clique": {"period": 5}},
        "alloc": ACCOUNTS, "gasLimit": "0x1c9c380", "extraData": "0x1234",
    },
    "wasm": {"config": {"chainId": 6, **BLOCKS, **MERGED, "zvm": "stylus"}, "alloc": {}, "gasLimit": "0x1c9c380"},
    "old": {"config": {"chainId": 7}, "alloc": ACCOUNTS, "gasLimit": "0x1000000", "difficulty": "0x20000"},
    "later forks": {
        "config": {"chainId": 8, **BLOCKS, "londonBlock": 20}, "alloc": {}, "gasLimit": "0x1000000", "nonce": "0x42",
    },
}  # fmt: skip

Give = Callable[[Path, pytest.MonkeyPatch, dict[str, Any]], tuple[dict[str, Any], Path | None]]


def by_flags(_: Path, __: pytest.MonkeyPatch, chosen: dict[str, Any]) -> tuple[dict[str, Any], Path | None]:
    return {name: value if value is True else str(value) for name, value in chosen.items()}, None


def by_environment(_: Path, patch: pytest.MonkeyPatch, chosen: dict[str, Any]) -> tuple[dict[str, Any], Path | None]:
    for name, value in chosen.items():
        patch.setenv(f"ZEVM_{name.upper()}", str(value))
    return {}, None


def by_file(folder: Path, _: pytest.MonkeyPatch, chosen: dict[str, Any]) -> tuple[dict[str, Any], Path | None]:
    lines = [f"{name} = {json.dumps(value)}" for name, value in chosen.items()]
    (folder / "settings.toml").write_text("\n".join(lines))
    return {}, folder / "settings.toml"


SOURCES: dict[str, Give] = {"flags": by_flags, "environment": by_environment, "file": by_file}


def accounts_of(settings: NodeSettings) -> list[bytes]:
    return [address_of(key) for key in derive_keys(settings.mnemonic, settings.derivation_path, settings.accounts)]


def opened(database: Database, settings: NodeSettings, *, mine: bool) -> bytes:
    """Start and stop upon a database, with a block made between; the first block's hash."""
    chain = open_chain(database, settings, accounts_of(settings))
    try:
        if mine and not settings.external_consensus:
            chain.writer.run(chain.mine)
        first = chain.header_by_number(chain.genesis.number)
        assert first is not None
        return first.hash
    finally:
        chain.close()


def choices(genesis: str, source: str) -> Iterator[dict[str, Any]]:
    """Forks with random flags; each genesis meets every fork in one of the sources, with and without flags."""
    generator = random.Random(f"{genesis} {source}")
    for index, fork in enumerate((None, *FORKS)):
        if index % len(SOURCES) == list(SOURCES).index(source):
            names = generator.sample(sorted(FLAGS), generator.randrange(4))
            chosen = {name: generator.choice(FLAGS[name]) for name in names}
            yield chosen | ({} if fork is None else {"hardfork": fork})


@pytest.mark.parametrize("genesis", GENESES)
@pytest.mark.parametrize("source", SOURCES)
def test_b13_an_accepted_start_is_accepted_again(
    genesis: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, accepted = GENESES[genesis], 0
    if document is not None:
        (tmp_path / "genesis.json").write_text(json.dumps(document))
    plain = load_settings({})
    for chosen in choices(genesis, source):
        given = chosen if document is None else chosen | {"init": str(tmp_path / "genesis.json")}
        with monkeypatch.context() as patch, Database.open(None) as database:
            given_to = SOURCES[source](tmp_path, patch, given)
            try:
                settings = load_settings(*given_to)
                first = opened(database, settings, mine=True)
            except (ChainError, NodeError):
                continue
            accepted += 1
            assert opened(database, settings, mine=True) == first, given
            kept = stored_genesis(database)
            assert kept is not None
            wanted = load_default_genesis() if document is None else kept.from_json(document)
            assert kept.schedule.zvm == wanted.schedule.zvm, f"WebAssembly was switched by {given}"
            assert opened(database, plain, mine=False) == first, "without the settings the chain is there too"
    assert accepted >= len(FORKS) // len(SOURCES) - 2


def test_b13_another_first_block_is_refused_and_nothing_is_offered_that_loses_the_chain() -> None:
    with Database.open(None) as database:
        opened(database, load_settings({"hardfork": "cancun"}), mine=True)
        with pytest.raises(ForeignDatabaseError) as caught:
            opened(database, load_settings({"hardfork": "prague"}), mine=False)
        assert "--hardfork" in str(caught.value)
        assert "continue with this chain" in str(caught.value)
        assert "fresh" not in str(caught.value)


def test_a_chain_of_before_the_name_service_goes_on(tmp_path: Path) -> None:
    """A later default genesis is for new chains alone: one that has begun has its own."""
    document = load_default_genesis().to_json()
    accounts: Any = document["alloc"]
    former = {key: each for key, each in accounts.items() if bytes.fromhex(key) not in NAME_SERVICE_ADDRESSES}
    (tmp_path / "former.json").write_text(json.dumps(document | {"alloc": former}))
    (tmp_path / "later.json").write_text(json.dumps(document))
    datadir = {"datadir": str(tmp_path / "data")}
    with Database.open(None) as database:
        first = opened(database, load_settings({"init": str(tmp_path / "former.json"), **datadir}), mine=True)
        for again in ({}, {"accounts": "3"}, {"balance": "7"}):
            assert opened(database, load_settings(again | datadir), mine=True) == first
        with pytest.raises(ForeignDatabaseError, match="--init"):
            opened(database, load_settings({"init": str(tmp_path / "later.json"), **datadir}), mine=False)


@pytest.mark.parametrize(
    "flags", [["--hardfork", "cancun"], ["--hardfork", "berlin", "--base-fee", "7", "--number", "5"]]
)
def test_b13_a_killed_node_starts_again_with_its_flags(start: Callable[..., NodeProcess], flags: list[str]) -> None:
    for _ in range(2):
        node = start(*flags)
        with node.connect() as client:
            client.call("evm_mine")
        node.kill()
    with start(*flags).connect() as client:
        assert int(client.call("eth_blockNumber"), 16) % 5 == 2
