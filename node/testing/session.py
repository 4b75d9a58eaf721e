"""One session of pytest: its node, opened by the first test that asks, and the values of the fixtures."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from zevm.analysis.coverage.lines import coverage_of
from zevm.analysis.coverage.recorder import CoverageRecorder
from zevm.analysis.coverage.report import CoverageReport
from zevm.chain.events import Listener
from zevm.node.embedded import AUTO, MANUAL, Account, Node
from zevm.node.errors import NodeError
from zevm.node.extras import of_extra
from zevm.node.testing.artifacts import Artifacts
from zevm.node.testing.deployment import Deployer
from zevm.node.testing.failures import FailureTraces, LastExecution
from zevm.node.testing.gas_recorder import GasRecorder
from zevm.node.testing.gas_report import GasReport
from zevm.node.testing.isolation import Isolation
from zevm.node.testing.surroundings import Surroundings


class FundedAddress(str):
    """The address of a funded account, with EIP-55's checksum; `private_key` has its 32 bytes."""

    __slots__ = ("private_key",)
    private_key: bytes

    def __new__(cls, account: Account) -> "FundedAddress":
        address = super().__new__(cls, account.address)
        address.private_key = account.private_key
        return address


class Session:
    """The open node of this process, and the objects of the fixtures. last: what the running test has executed last."""

    def __init__(self, node: Node, artifacts: Artifacts, last: LastExecution, surroundings: Surroundings) -> None:
        self.node = node
        self.last = last
        self._artifacts = artifacts
        self._surroundings = surroundings

    @cached_property
    def accounts(self) -> list[FundedAddress]:
        """The funded accounts, whose transactions the node signs."""
        return [FundedAddress(account) for account in self.node.accounts]

    @cached_property
    def w3(self) -> Any:
        """A web3.Web3 without a socket, which sends from the first account. Raises MissingExtraError without web3."""
        with of_extra("web3", "the fixture w3"):
            from web3 import Web3

            from zevm.node.testing.providers import WatchedProvider
            from zevm.node.testing.web3_middleware import with_short_ways
        provider = WatchedProvider(self.node._door(), self.node.chain, self.last)
        return self._with_default_account(with_short_ways(Web3(provider)))

    @cached_property
    def async_w3(self) -> Any:
        """The same as a web3.AsyncWeb3."""
        with of_extra("web3", "the fixture async_w3"):
            from web3 import AsyncWeb3

            from zevm.node.testing.providers import AsyncWatchedProvider
        provider = AsyncWatchedProvider(self.node._door(), self.node.chain, self.last)
        return self._with_default_account(AsyncWeb3(provider))

    @cached_property
    def deployer(self) -> Deployer:
        """The deployer of contracts by name."""
        return Deployer(self.w3, self._artifacts, self.node.catalogue.add)

    def _with_default_account(self, w3: Any) -> Any:
        if self.accounts:
            w3.eth.default_account = self.accounts[0]
        self._surroundings.watch(w3)
        return w3


@contextmanager
def opened(
    settings: Mapping[str, Any],
    request: pytest.FixtureRequest,
    root: Path,
    *,
    gas: GasReport | None,
    coverage: CoverageReport | None,
) -> Iterator[Session]:
    """A session with an open node, and its hooks in pytest. Fails the test with one line for a wrong setting.

    request: of the fixture that holds it. root: the project's folder. gas, coverage: reports to fill, None for none.
    """
    config = request.config
    folders = [root / folder for folder in config.getini("zevm_artifacts")]
    with ExitStack() as stack:
        recorder = None if coverage is None else CoverageRecorder()
        node = _open_node({"artifacts": [folder for folder in folders if folder.is_dir()], **settings}, recorder)
        stack.callback(node.close)
        if coverage is not None and recorder is not None:
            stack.callback(_fill, coverage, recorder, node, root)
        last, surroundings = LastExecution(), Surroundings(node)
        isolation = Isolation(node, surroundings)
        listeners: list[Listener] = [last.on_event]
        plugins: list[object] = [isolation]
        if config.getini("zevm_traces"):
            plugins.append(FailureTraces(node, last))
        if gas is not None:
            listeners.append(GasRecorder(node.chain, node.catalogue, gas).on_event)
        for plugin in plugins:
            config.pluginmanager.register(plugin)
            stack.callback(config.pluginmanager.unregister, plugin)
        for listener in listeners:
            stack.callback(node.chain.events.subscribe(listener))
        test = request._pyfuncitem
        if request.fixturename not in test.fixturenames:
            # asked for by getfixturevalue: the hooks of this test's own fixtures have passed
            isolation.hold_test(test)
        yield Session(node, Artifacts(root, folders, config.getini("zevm_sources")), last, surroundings)


def _open_node(settings: Mapping[str, Any], recorder: CoverageRecorder | None) -> Node:
    try:
        node = Node(**_parameters(settings))
        node._watcher = recorder
        node.open()
        if recorder is not None:
            recorder.catalogue = node.catalogue
        return node
    except NodeError as error:
        reason = str(error)
    # outside of the handler, so that the report has no second error
    pytest.fail(f"zEVM: {reason}", pytrace=False)


def _fill(coverage: CoverageReport, recorder: CoverageRecorder, node: Node, root: Path) -> None:
    coverage.merge(coverage_of(recorder, node.catalogue, root).plain())


def _parameters(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of Node, of which `mining` may be a number in text."""
    mining = settings.get("mining", AUTO)
    is_text = isinstance(mining, str) and mining not in (AUTO, MANUAL)
    with suppress(ValueError):
        mining = float(mining) if is_text else mining
    return {**settings, "mining": mining}
