"""The newest Python that pyproject.toml names: the project's own script installs the node on it, and it serves."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from testing.load import RECORDER_RUNTIME, contract_address, creation_code, development_signer, write_data
from testing.node_process import ROOT, NodeProcess
from tests.package.test_built_package import SOURCES

NEWEST = (3, 13)
NEEDED = (*SOURCES, "scripts/venv.sh", *(file.name for file in ROOT.glob("requirements*.lock")))
INSTALL_SECONDS = 600


def _newest_python() -> Path | None:
    """An interpreter of the newest version: of the path, or of a version manager's folder."""
    name = ".".join(map(str, NEWEST))
    found = shutil.which(f"python{name}")
    managed = sorted((Path.home() / ".pyenv" / "versions").glob(f"{name}.*/bin/python"))
    for python in [*([found] if found else []), *managed]:
        asked = [python, "-c", f"import sys, ensurepip; sys.exit(sys.version_info[:2] != {NEWEST})"]
        # a version manager's shim may be on the path with no Python behind it
        if subprocess.run(asked, capture_output=True, check=False).returncode == 0:
            return Path(python)
    return None


@pytest.fixture(scope="module")
def zevm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a copy of the checkout, installed on the newest Python by scripts/venv.sh."""
    python = _newest_python()
    if python is None:
        pytest.skip(f"no Python {NEWEST[0]}.{NEWEST[1]} on this machine")
    copy = tmp_path_factory.mktemp("newer")
    for name in NEEDED:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            left_out = shutil.ignore_patterns("__pycache__", "*.so")
            shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=left_out)
        else:
            shutil.copy(ROOT / name, copy / name)
    environment = {name: value for name, value in os.environ.items() if name not in ("VENV", "PYTHONPATH")}
    # what is imported is compiled then, and the rest never
    environment |= {"PYTHON": str(python), "PIP_COMPILE": "0"}
    finished = subprocess.run(
        [copy / "scripts" / "venv.sh", "run"],
        cwd=copy, env=environment, capture_output=True, text=True,
        timeout=INSTALL_SECONDS, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout[-2_000:] + finished.stderr[-2_000:]
    return copy / ".venv" / "bin" / "zevm"


@pytest.mark.slow
def test_a_chain_goes_from_one_python_to_the_other_and_back(zevm: Path, tmp_path: Path) -> None:
    options = ["run", "--port", "0", "--datadir", str(tmp_path / "chain")]
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
    older = [sys.executable, "-m", "zevm"]
    signer = development_signer(0)
    contract = contract_address(signer.address)
    versions, values = [], []
    for turn, command in enumerate(([str(zevm)], older, [str(zevm)])):
        with NodeProcess([*command, *options], cwd=ROOT, environment=environment) as node, node.connect() as rpc:
            versions.append(rpc.call("web3_clientVersion"))
            if turn == 0:
                raw, _ = signer.sign(to=None, data="0x" + creation_code(RECORDER_RUNTIME).hex(), gas=200_000)
                rpc.call("eth_sendRawTransaction", raw)
            raw, name = signer.sign(to=contract, data=write_data(5, turn + 7), gas=200_000)
            rpc.call("eth_sendRawTransaction", raw)
            assert rpc.call("eth_getTransactionReceipt", name)["status"] == "0x1"
            values.append(int(rpc.call("eth_getStorageAt", contract, "0x5", "latest"), 16))
            assert rpc.call("eth_blockNumber") == hex(turn + 2)
            assert rpc.call("zvm_status")["evm"] == "native"
            node.process.kill()
    assert values == [7, 8, 9]
    assert [f"python{NEWEST[0]}.{NEWEST[1]}." in version for version in versions] == [True, False, True]
