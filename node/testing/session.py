"""One session of pytest: its node, opened by the first test that asks, and the values of the fixtures."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from typing import Any

import pytest

from zevm.contracts.artifact import Artifact
from zevm.node.embedded import AUTO, MANUAL, Account, Node
from zevm.node.errors import NodeError
from zevm.node.testing.artifacts import Artifacts
from zevm.node.testing.deployment import Deployer
from zevm.node.testing.isolation import Isolation


class FundedAddress(str):
    """The address of a funded account, with EIP-55's checksum; `private_key` has its 32 bytes."""

    __slots__ = ("private_key",)
    private_key: bytes

    def __new__(cls, account: Account) -> "FundedAddress":
        address = super().__new__(cls, account.address)
        address.private_key = account.private_key
        return address


class Session:
    """The open node of this process, and the objects of the fixtures."""

    def __init__(self, node: Node, artifacts: Artifacts) -> None:
        self.node = node
        self._artifacts = artifacts

    @cached_property
    def accounts(self) -> list[FundedAddress]:
        """The funded accounts, whose transactions the node signs."""
        return [FundedAddress(account) for account in self.node.accounts]

    @cached_property
    def w3(self) -> Any:
        """A web3.Web3 without a socket, which sends from the first account. Raises MissingExtraError without web3."""
        provider = self.node.provider
        from web3 import Web3

        return self._with_default_account(Web3(provider))

    @cached_property
    def async_w3(self) -> Any:
        """The same as a web3.AsyncWeb3."""
        provider = self.node.async_provider
        from web3 import AsyncWeb3

        return self._with_default_account(AsyncWeb3(provider))

    @cached_property
    def deployer(self) -> Deployer:
        """The deployer of contracts by name."""
        return Deployer(self.w3, self._artifacts, self._deployed)

    def _with_default_account(self, w3: Any) -> Any:
        if self.accounts:
            w3.eth.default_account = self.accounts[0]
        return w3

    def _deployed(self, artifact: Artifact, address: bytes) -> None:
        """A contract is on the chain."""


@contextmanager
def opened(settings: Mapping[str, Any], request: pytest.FixtureRequest, fixture: str) -> Iterator[Session]:
    """A session with an open node, and its hooks in pytest. Fails the test with one line for a wrong setting.

    fixture: the name of the one that this is called by, with its request.
    """
    config = request.config
    with ExitStack() as stack:
        node = _open_node(settings)
        stack.callback(node.close)
        isolation = Isolation(node)
        config.pluginmanager.register(isolation, "zevm-isolation")
        stack.callback(config.pluginmanager.unregister, isolation)
        test = request._pyfuncitem
        if fixture not in test.fixturenames:
            # asked for by getfixturevalue: the hooks of this test's own fixtures have passed
            isolation.hold_test(test)
        artifacts = Artifacts(config.rootpath, config.getini("zevm_artifacts"), config.getini("zevm_sources"))
        yield Session(node, artifacts)


def _open_node(settings: Mapping[str, Any]) -> Node:
    try:
        return Node(**_parameters(settings)).open()
    except NodeError as error:
        reason = str(error)
    # outside of the handler, so that the report has no second error
    pytest.fail(f"zEVM: {reason}", pytrace=False)


def _parameters(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of Node, of which `mining` may be a number in text."""
    mining = settings.get("mining", AUTO)
    is_text = isinstance(mining, str) and mining not in (AUTO, MANUAL)
    with suppress(ValueError):
        mining = float(mining) if is_text else mining
    return {**settings, "mining": mining}
