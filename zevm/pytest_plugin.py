"""Fixtures for pytest: a node for the session, and for each test the state that the wider fixtures have left.

Nothing of the node is imported before a test asks for one of them; `-p no:zevm` leaves the plugin out. docs/testing.md
shows their use.
"""

from collections.abc import Iterator
from os.path import isdir  # Path.is_dir raises for names that are too long
from pathlib import Path
from typing import Any

import pytest

_SETTINGS = {
    "hardfork": "the newest active fork, as cancun; the newest known one by default",
    "accounts": "how many accounts to fund; 10 by default",
    "mining": "auto: a block for each transaction; manual: on evm_mine; a number: seconds between blocks",
    "genesis": "a genesis file in geth's format, from the root folder",
}
"""Options of the node that are flags as well: name after `zevm_` -> meaning."""

_GAS = pytest.StashKey[Any]()
_COVERAGE = pytest.StashKey[Any]()

_PARAMETERS = {"hardfork": "fork"}
"""Options that zevm.Node has under another name."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of the node, the folders of contracts, and the reports."""
    group = parser.getgroup("zevm", "an Ethereum node in the tests (zEVM)")
    for name, meaning in _SETTINGS.items():
        parser.addini(f"zevm_{name}", meaning, default="")
        group.addoption(f"--zevm-{name}", metavar=name.upper(), help=meaning)
    parser.addini("zevm_settings", "rows of docs/settings.md, as gas_limit = 30_000_000", type="linelist")
    parser.addini("zevm_artifacts", "folders of built contracts", type="args", default=["out", "artifacts", "build"])
    parser.addini("zevm_sources", "folders of sources", type="args", default=["src", "contracts"])
    parser.addini("zevm_traces", "show what a failed test executed last", type="bool", default=True)
    parser.addini("zevm_gas", "report gas by function", type="bool", default=False)
    parser.addini("zevm_gas_json", "a file for the report of gas", default="")
    group.addoption("--zevm-gas", action="store_true", help="report gas by function")
    group.addoption("--zevm-gas-json", metavar="FILE", help="write the report of gas to a file, as JSON")
    parser.addini("zevm_coverage", "report the lines of sources that ran", type="bool", default=False)
    group.addoption(
        "--zevm-coverage",
        nargs="?",
        const=True,
        metavar="FILE",
        help="report the lines of Solidity and Vyper sources that ran; with =FILE, also as LCOV",
    )
    group.addoption("--zevm-fork", metavar="URL", help="reserved: begin with the state of a live chain")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse what is not there yet, before any test runs."""
    if config.getoption("--zevm-fork"):
        raise pytest.UsageError(
            "--zevm-fork: zEVM cannot begin with the state of a live chain yet; leave it out, or give a chain of your "
            "own by zevm_genesis (--zevm-hardfork chooses the rules)"
        )

    if _chosen(config, "gas") or _chosen(config, "gas_json"):
        from zevm.node.testing.gas_report import GasReport
        from zevm.node.testing.report_hooks import ReportHooks

        file = _chosen(config, "gas_json")
        report = config.stash[_GAS] = GasReport()
        hooks = ReportHooks(report, "gas of transactions", _project_folder(config) / file if file else None)
        config.pluginmanager.register(hooks, "zevm-gas")
    if _chosen(config, "coverage"):
        _cover(config)


def _cover(config: pytest.Config) -> None:
    """Register the report of coverage."""
    given = config.getoption("--zevm-coverage")
    file = _project_folder(config) / given if isinstance(given, str) else None
    here = config.invocation_params.dir / str(given)
    if file is not None and (isdir(file) or isdir(here) or file.name.partition("::")[0].endswith(".py")):
        raise pytest.UsageError(
            f"--zevm-coverage {given}: want a file for LCOV, as --zevm-coverage=lcov.info; for the table alone, put "
            "the flag behind the tests, or write zevm_coverage = true into the configuration"
        )
    from zevm.analysis.coverage.report import CoverageReport
    from zevm.node.testing.report_hooks import ReportHooks

    report = config.stash[_COVERAGE] = CoverageReport()
    config.pluginmanager.register(ReportHooks(report, "coverage of sources", file), "zevm-coverage")


def _project_folder(config: pytest.Config) -> Path:
    """The folder that paths in options start from: that of the configuration file, or else where pytest was started."""
    return config.invocation_params.dir if config.inipath is None else config.inipath.parent


def _chosen(config: pytest.Config, name: str) -> Any:
    """An option by its flag, or by the configuration file."""
    return config.getoption(f"--zevm-{name.replace('_', '-')}") or config.getini(f"zevm_{name}")


@pytest.fixture(scope="session")
def zevm_settings(pytestconfig: pytest.Config) -> dict[str, Any]:
    """The parameters of zevm.Node, from the options; override it in conftest.py for computed ones."""
    found: dict[str, Any] = {}
    for line in pytestconfig.getini("zevm_settings"):
        name, equals, value = line.partition("=")
        if not equals:
            pytest.fail(f"zevm_settings: {line!r}: want name = value, as gas_limit = 30_000_000", pytrace=False)
        found[name.strip().replace("-", "_")] = value.strip()
    for name in _SETTINGS:
        value = _chosen(pytestconfig, name)
        if value:
            found[_PARAMETERS.get(name, name)] = value
    if "genesis" in found:
        found["genesis"] = _project_folder(pytestconfig) / found["genesis"]
    return found


@pytest.fixture(scope="session")
def _zevm_session(zevm_settings: dict[str, Any], request: pytest.FixtureRequest) -> Iterator[Any]:
    from zevm.node.testing.session import opened

    config = request.config
    reports = {"gas": config.stash.get(_GAS, None), "coverage": config.stash.get(_COVERAGE, None)}
    with opened(zevm_settings, request, _project_folder(config), **reports) as session:
        yield session


@pytest.fixture(scope="session", name="zevm")
def _zevm(_zevm_session: Any) -> Any:
    """The open zevm.Node of this process, in memory: under xdist, each worker has its own."""
    return _zevm_session.node


@pytest.fixture(scope="session")
def w3(_zevm_session: Any) -> Any:
    """web3.py connected to the node without a socket; needs the extra `web3`."""
    return _zevm_session.w3


@pytest.fixture(scope="session")
def async_w3(_zevm_session: Any) -> Any:
    """web3.py's AsyncWeb3 connected to the node without a socket; needs the extra `web3`."""
    return _zevm_session.async_w3


@pytest.fixture(scope="session")
def accounts(_zevm_session: Any) -> Any:
    """The funded addresses, which the node signs for; each has a `private_key`."""
    return _zevm_session.accounts


@pytest.fixture(scope="session")
def deploy(_zevm_session: Any) -> Any:
    """A function that deploys a contract by its name or path: `deploy("Token", 1_000)` is a web3.py contract."""
    return _zevm_session.deployer
