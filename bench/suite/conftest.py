"""The fixtures of the suite for each contender, under the same names; the time that the tests take."""

import json
import os
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from web3 import EthereumTesterProvider, HTTPProvider, Web3

from bench.nodes import CONTENDERS
from testing.node_process import ROOT

CONTENDER = os.environ["BENCH_CONTENDER"]
TOKEN = ROOT / "examples" / "out" / "Token.sol" / "Token.json"
SUPPLY = 10**24


def pytest_configure(config: pytest.Config) -> None:
    """Measure the tests."""
    config.pluginmanager.register(Clock(Path(os.environ["BENCH_RESULT"])))


class Clock:
    """Seconds of each test with its snapshot. The first test is left out, as it sets up the session."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seconds: list[float] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, bool, bool]:
        """Measure one test from before its fixtures to after its revert."""
        started = time.perf_counter()
        result = yield
        self._seconds.append(time.perf_counter() - started)
        return result

    def pytest_sessionfinish(self) -> None:
        """Write what was measured."""
        self._file.write_text(json.dumps(self._seconds[1:]))


class OwnSnapshots:
    """A chain with the two calls that a suite without a plugin makes around each test."""

    def __init__(self, w3: Web3, take: Any, revert: Any) -> None:
        self.w3 = w3
        self.take = take
        self.revert = revert


if CONTENDER != "zEVM":

    @pytest.fixture(scope="session")
    def _chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnSnapshots]:
        """An open chain."""
        if CONTENDER == "eth-tester":
            provider = EthereumTesterProvider()
            tester: Any = provider.ethereum_tester
            yield OwnSnapshots(Web3(provider), tester.take_snapshot, tester.revert_to_snapshot)
            return
        with CONTENDERS["Anvil"].start(tmp_path_factory.mktemp("chain")) as node:
            w3 = Web3(HTTPProvider(f"http://127.0.0.1:{node.port}"))
            ask: Any = w3.provider.make_request
            yield OwnSnapshots(
                w3, lambda: ask("evm_snapshot", [])["result"], lambda number: ask("evm_revert", [number])
            )

    @pytest.fixture(scope="session")
    def w3(_chain: OwnSnapshots) -> Web3:
        """Web3 on it."""
        return _chain.w3

    @pytest.fixture(scope="session")
    def accounts(w3: Web3) -> list[Any]:
        """The funded addresses."""
        return list(w3.eth.accounts)

    @pytest.fixture(scope="session")
    def deploy(w3: Web3, accounts: list[Any]) -> Any:
        """A function that deploys the token."""

        def deployed(_: str, supply: int) -> Any:
            artifact = json.loads(TOKEN.read_text())
            contract = w3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"]["object"])
            receipt = w3.eth.wait_for_transaction_receipt(contract.constructor(supply).transact({"from": accounts[0]}))
            return contract(receipt["contractAddress"])

        return deployed

    @pytest.fixture(autouse=True)
    def _isolated(_chain: OwnSnapshots, token: Any) -> Iterator[None]:  # noqa: ARG001
        """A snapshot before each test, and a revert after it."""
        snapshot = _chain.take()
        yield
        _chain.revert(snapshot)


@pytest.fixture(scope="session")
def token(deploy: Any) -> Any:
    """OpenZeppelin's token, of which the first account holds all."""
    return deploy("Token", SUPPLY)
