"""`make wheels`: the core for other machines; this one's wheel serves on it where no compiler is."""

import re
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import pytest

from testing.load import RECORDER_RUNTIME, contract_address, creation_code, development_signer, write_data
from testing.node_process import ROOT, NodeProcess
from tests.package.environments import make
from tests.package.test_built_package import SOURCES
from zevm.core import CORE, build

TARGET = "x86_64-linux-gnu.2.17"
NEEDED = (*SOURCES, "scripts/wheels.sh", "requirements-core.lock")
X86_64 = 62
"""e_machine of ELF."""
NEWEST_GLIBC = (2, 17)


def test_every_target_has_a_platform_and_the_variable_names_one_of_them() -> None:
    assert set(build.PLATFORMS) == set(build.TARGETS.values())
    assert build.chosen_target({}) is None
    assert build.chosen_target({build.TARGET: ""}) is None
    assert build.chosen_target({build.TARGET: TARGET}) == TARGET
    with pytest.raises(build.BuildError, match=r"^ZEVM_CORE_TARGET is z80, and has to be one of x86_64-linux-gnu"):
        build.chosen_target({build.TARGET: "z80"})


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel for Linux with glibc on x86-64, of a copy of the checkout."""
    if CORE.library is None or build.this_target() != TARGET:
        pytest.skip(f"this is no machine for {TARGET}, or has no core: {CORE.reason}")
    copy = tmp_path_factory.mktemp("copy")
    for name in NEEDED:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            left_out = shutil.ignore_patterns("__pycache__", "*.so")
            shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=left_out)
        else:
            shutil.copy(ROOT / name, copy / name)
    # as another version would have left it
    stale = copy / "build" / "lib.linux-x86_64-cpython-311" / "zevm" / "gone.py"
    stale.parent.mkdir(parents=True)
    stale.write_text("")
    environment = {"VENV": sys.prefix, "PATH": "/usr/bin:/bin", "HOME": str(Path.home())}
    finished = subprocess.run(
        [copy / "scripts" / "wheels.sh", TARGET],
        cwd="/", env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout[-2_000:] + finished.stderr[-2_000:]
    (made,) = (copy / "dist").iterdir()
    return made


@pytest.mark.slow
def test_the_wheel_names_its_platform_and_asks_for_no_newer_library(wheel: Path) -> None:
    assert re.fullmatch(r"zevm_node-[^-]+-cp311-abi3-manylinux_2_17_x86_64\.whl", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        assert "zevm/gone.py" not in archive.namelist()
        library = archive.read("zevm/core/_core.abi3.so")
    assert library[:4] == b"\x7fELF"
    assert struct.unpack_from("<H", library, 18) == (X86_64,)
    asked = {tuple(map(int, version.split(b"."))) for version in re.findall(rb"GLIBC_([\d.]+)\0", library)}
    assert asked
    assert max(asked) <= NEWEST_GLIBC


@pytest.fixture
def node(wheel: Path, tmp_path: Path) -> Iterator[NodeProcess]:
    """A node of the wheel, in an environment with neither this checkout nor a compiler."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        requirements = Parser().parsestr(archive.read(name).decode()).get_all("Requires-Dist") or []
    python = make(tmp_path / "environment", wheel, requirements, ("cli",))
    environment = {"HOME": str(tmp_path), "PATH": "/nowhere", "NO_COLOR": "1", "COLUMNS": "200"}
    environment |= {"PYTHONUNBUFFERED": "1", "ZEVM_REQUIRE_CORE": "1"}
    command = [str(python), "-m", "zevm", "run", "--port", "0"]
    with NodeProcess(command, cwd=tmp_path, environment=environment) as process:
        yield process


@pytest.mark.slow
def test_a_fresh_environment_serves_a_block_on_the_core(node: NodeProcess) -> None:
    with node.connect() as rpc:
        assert rpc.call("zvm_status")["evm"] == "native"
        signer = development_signer(0)
        raw, _ = signer.sign(to=None, data="0x" + creation_code(RECORDER_RUNTIME).hex(), gas=200_000)
        rpc.call("eth_sendRawTransaction", raw)
        contract = contract_address(signer.address)
        raw, name = signer.sign(to=contract, data=write_data(5, 7), gas=200_000)
        rpc.call("eth_sendRawTransaction", raw)
        assert rpc.call("eth_getTransactionReceipt", name)["status"] == "0x1"
        assert int(rpc.call("eth_getStorageAt", contract, "0x5", "latest"), 16) == 7
        assert rpc.call("eth_blockNumber") == "0x2"
