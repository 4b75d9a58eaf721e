"""degenbot (https://github.com/BowTiedDevil/degenbot), a library for arbitrage: the tests of its AnvilFork.

Each starts `anvil --fork-url` on an HTTP or WebSocket node and talks to it over its socket (--ipc). The repository at
fad8387f6 has the tests of 0.5.0. Needs Python 3.12.
"""

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from verification.foreign.project import Chain, Outcomes, Run

TESTS = "tests/test_anvil_fork.py"
PACKAGES = ("degenbot==0.5.0", "sqlalchemy<2.1", "pytest", "python-dotenv")
POLYGON = "https://polygon-bor-rpc.publicnode.com"
_NO_TRANSACTION = "needs a transaction of mainnet"


class Degenbot:
    """See Project. Python: the interpreter of its environment."""

    chains: Sequence[Chain] = (Chain(1, 22_000_000, 64), Chain(8453, 30_000_000, 64))
    absent: Mapping[str, str] = {
        "test_fork_from_transaction_hash": _NO_TRANSACTION,
        "test_reset_to_new_transaction_hash": _NO_TRANSACTION,
    }

    def install(self, environment: Path, checkout: Path) -> None:  # noqa: ARG002
        """See Project."""
        python = shutil.which("python3.12")
        assert python is not None, "python3.12 is missing"
        subprocess.run([python, "-m", "venv", environment], check=True)
        pip = [str(environment / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *PACKAGES], check=True)

    def run(self, run: Run) -> Outcomes:
        """See Project."""
        run.copy("tests")
        mainnet, other = run.origins
        keys = re.findall(r'env_values\["(\w+)"\]', (run.folder / "tests" / "conftest.py").read_text())
        lines = []
        for key in keys:
            origin = mainnet if key.startswith("ETHEREUM") else other
            lines.append(f"{key}={origin.websocket if key.endswith('_WS_URI') else origin.http}\n")
        (run.folder / "tests.env").write_text("".join(lines))
        tests = run.folder / TESTS
        tests.write_text(tests.read_text().replace(POLYGON, other.http))
        # else it makes a database of its own at the first start
        settings = run.folder / ".config" / "degenbot" / "config.toml"
        settings.parent.mkdir(parents=True)
        settings.write_text(f'[database]\npath = "{run.folder / "degenbot.db"}"\n\n[rpc]\n')
        report = run.folder / "report.xml"
        python = run.environment / "bin" / "python"
        pytest = (python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", run.folder)
        names = (part for name in run.only for part in ("-k", name))
        run.call((*pytest, f"--junitxml={report}", TESTS, *names), HOME=str(run.folder))
        cases = ElementTree.parse(report).iter("testcase")
        return {
            case.attrib["name"]: case.find("failure") is None and case.find("error") is None
            for case in cases
            if case.find("skipped") is None
        }
