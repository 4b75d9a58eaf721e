"""The sdist and the wheel: what is in them, what they need, and that they serve in a fresh environment."""

import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.parser import Parser
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.syntax import PRODUCT
from testing.contracts import CACHE
from testing.node_process import ROOT, NodeProcess
from tests.clients.document_blocks import blocks_of
from tests.package.environments import make, make_more, run
from zevm.core import CORE

SOURCES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "genesis.json", "zevm", *PRODUCT)
EXACT = {
    "py-evm",
    "rlp",
    "trie",
    "ckzg",
    "py-arkworks-bls12381",
    "py-ecc",
    "coincurve",
    "wasmtime",
    "brotli",
    "pyelftools",
}
COMPILERS = {"ziglang", "vyper"}
"""Packages of extras that run as processes of their own; the bytes of contracts depend on them."""
PROGRAMS = {"launch.py"}
"""Files that run by themselves, and import their neighbours."""
PYTEST = [f"{name}=={metadata.version(name)}" for name in ("pytest", "pytest-xdist")]

OF_EXTRAS = (
    "node/commands/", "node/cli.py", "node/eth_tester/", "node/help.py", "node/telemetry.py", "node/testing/",
    "node/web3_providers.py",
    "zevm/pytest_plugin.py", "rpc/transport/quic/", "contracts/source_maps/dwarf.py",
    "analysis/audit/evm/dispatcher_process.py", "chain/rules/name_service.py",
)  # fmt: skip
"""What is loaded only where an extra, or pytest, is there."""

PART_OF = {"pydantic_core": "pydantic", "starlette": "fastapi", "click": "typer"}
"""Packages that one of ours brings along and that its interface is made of."""


@dataclass
class Built:
    """sdist, wheel: what `python -m build` makes, the wheel out of the sdist. from_tree: the wheel of the checkout."""

    sdist: Path
    wheel: Path
    from_tree: Path

    @property
    def requirements(self) -> list[str]:
        """What the wheel declares, with the markers of its extras."""
        with zipfile.ZipFile(self.wheel) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            return Parser().parsestr(archive.read(name).decode()).get_all("Requires-Dist") or []


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Built from a copy, so that the checkout gets no build folder."""
    copy = tmp_path_factory.mktemp("copy")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    for arguments in (["--outdir", "dist"], ["--wheel", "--outdir", "from-tree"]):
        command = [sys.executable, "-m", "build", "--no-isolation", *arguments]
        finished = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=400, check=False)
        assert finished.returncode == 0, finished.stdout[-2_000:] + finished.stderr[-2_000:]
        # a page for each folder that setuptools takes for a forgotten package; `make run` shows it
        assert "would be ignored" not in finished.stdout + finished.stderr
    (sdist,), (wheel,) = (copy / "dist").glob("*.tar.gz"), (copy / "dist").glob("*.whl")
    (from_tree,) = (copy / "from-tree").glob("*.whl")
    return Built(sdist, wheel, from_tree)


@pytest.fixture(scope="module")
def bare(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of an environment with the wheel and no extra."""
    return make(tmp_path_factory.mktemp("bare"), built.wheel, built.requirements)


@pytest.fixture(scope="module")
def full(built: Built, bare: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with the extras that the examples need, and pytest."""
    extras = ("cli", "web3", "zig")
    return make_more(tmp_path_factory.mktemp("full"), bare, [*built.requirements, *PYTEST], extras)


def _contents(wheel: Path) -> dict[str, str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


@pytest.mark.slow
def test_the_packages_are_real_folders_in_both(built: Built) -> None:
    wanted = {f"zevm/{path.relative_to(ROOT)}" for name in PRODUCT for path in (ROOT / name).rglob("*.py")}
    wanted |= {f"zevm/{name}" for name in ("__init__.py", "__init__.pyi", "__main__.py", "py.typed")}
    in_wheel = set(_contents(built.wheel))
    assert wanted <= in_wheel
    assert {name.split("/")[0] for name in in_wheel} == {
        "zevm",
        next(n for n in in_wheel if "dist-info" in n).split("/")[0],
    }
    with tarfile.open(built.sdist) as archive:
        members = archive.getmembers()
    assert all(member.isfile() or member.isdir() for member in members)
    top = members[0].name.split("/")[0]
    assert {f"{top}/{name}" for name in wanted} <= {member.name for member in members}
    assert not any(member.name.startswith(f"{top}/tests") for member in members)


@pytest.mark.slow
def test_the_wheel_has_the_core_and_is_for_every_python_from_3_11(built: Built) -> None:
    if CORE.library is None:
        pytest.skip(CORE.reason)
    assert re.fullmatch(r"zevm_node-[^-]+-cp311-abi3-\w+\.whl", built.wheel.name)
    contents = _contents(built.wheel)
    library = hashlib.sha256(Path(str(CORE.library.__file__)).read_bytes()).hexdigest()
    assert contents["zevm/core/_core.abi3.so"] == library
    assert {name for name in contents if name.endswith(".so")} == {"zevm/core/_core.abi3.so"}
    assert {f"zevm/{path.relative_to(ROOT)}" for path in (ROOT / "core").glob("zig/*.zig")} <= contents.keys()
    with tarfile.open(built.sdist) as archive:
        assert not any(name.endswith(".so") for name in archive.getnames())


@pytest.mark.slow
def test_without_the_core_the_wheel_is_for_every_system(built: Built, tmp_path: Path) -> None:
    with tarfile.open(built.sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--wheel",
        "--outdir",
        str(tmp_path / "out"),
        str(source),
    ]
    environment = {**os.environ, "ZEVM_NO_CORE": "1", "ZEVM_REQUIRE_CORE": ""}
    subprocess.run(command, env=environment, capture_output=True, timeout=400, check=True)
    (wheel,) = (tmp_path / "out").iterdir()
    assert wheel.name.endswith("-py3-none-any.whl")
    with_core, without = _contents(built.wheel).keys(), _contents(wheel).keys()
    assert {name for name in with_core - without if "dist-info" not in name} <= {"zevm/core/_core.abi3.so"}
    assert without <= with_core


@pytest.mark.slow
def test_the_sdist_builds_the_wheel_that_the_checkout_builds(built: Built) -> None:
    assert _contents(built.wheel) == _contents(built.from_tree)


def _declared() -> tuple[dict[str, Requirement], dict[str, dict[str, Requirement]]]:
    """By canonical name: what the node needs, and what each extra but `dev` adds."""
    project: Any = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    def by_name(lines: list[str]) -> dict[str, Requirement]:
        return {canonicalize_name(Requirement(line).name): Requirement(line) for line in lines}

    extras = {name: by_name(lines) for name, lines in project["optional-dependencies"].items() if name != "dev"}
    return by_name(project["dependencies"]), extras


def _imported() -> Iterator[tuple[str, str]]:
    """(file, package) of every import of a package that is neither Python's nor ours."""
    for path in [*(ROOT / "zevm").glob("*.py"), *(path for name in PRODUCT for path in (ROOT / name).rglob("*.py"))]:
        # a program that runs by itself imports its neighbours
        near = {file.stem for file in path.parent.glob("*.py")}
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            for name in {name.split(".")[0] for name in names} - sys.stdlib_module_names - near - {"zevm"}:
                yield str(path.relative_to(ROOT)), PART_OF.get(name, name)


def test_every_import_is_of_a_declared_package_and_every_declared_package_is_imported() -> None:
    needed, extras = _declared()
    distributions = metadata.packages_distributions()
    of_extras = {"pytest"} | {name for packages in extras.values() for name in packages}
    used = set()
    for file, package in _imported():
        candidates = {canonicalize_name(name) for name in distributions.get(package, [package])}
        assert candidates & (needed.keys() | of_extras), (
            f"{file} imports {package}, which pyproject.toml does not declare"
        )
        used |= candidates
        if not candidates & needed.keys():
            assert file.startswith(OF_EXTRAS), f"{file} imports {package}, which only an extra installs"
    # py-evm's trie, of which another version may give other roots, and what uvicorn's parser of HTTP is made of
    assert needed.keys() - used == {"trie"}
    # web3.py normalises names with pyunormalize, which its extra keeps to versions that it can work with
    assert of_extras - COMPILERS - {"pyunormalize"} <= used
    assert not used & COMPILERS


def test_what_decides_a_blocks_outcome_is_exact_and_all_else_a_range_that_holds_the_locked_version() -> None:
    needed, extras = _declared()
    locks = "".join((ROOT / name).read_text() for name in ("requirements-dev.lock", "requirements.lock"))
    locked = dict(re.findall(r"^([\w.-]+)==(\S+)", locks, flags=re.MULTILINE))
    declared = [*needed.items(), *(pair for packages in extras.values() for pair in packages.items())]
    assert {name for name, item in declared if str(item.specifier).startswith("==")} == EXACT | COMPILERS
    for name, item in declared:
        assert item.specifier.contains(locked[name], prereleases=True), f"{item}: {locked[name]} is locked"
        assert name in EXACT | COMPILERS or str(item.specifier).count(">=") == 1, f"{item}: want a range"


TEN_LINES = """
import zevm

with zevm.Node() as node:
    alice, bob = (account.address for account in node.accounts[:2])
    sent = node.request("eth_sendTransaction", {"from": alice, "to": bob, "value": hex(10**18)})
    print(node.request("eth_getTransactionReceipt", sent)["status"], node.chain.head.number)
    print(node.serve())
"""


@pytest.mark.slow
def test_ten_lines_embed_a_node_with_what_the_wheel_declares(bare: Path, tmp_path: Path) -> None:
    lines = run(bare, tmp_path, "-W", "error", "-c", TEN_LINES).stdout.splitlines()
    assert lines[0] == "0x1 1"
    assert lines[1].startswith("http://127.0.0.1:")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-m", "zevm"], "zevm: the command line needs typer: pip install 'zevm-node[cli]'"),
        (
            ["-c", "import zevm\nwith zevm.Node() as n: n.provider"],
            "node.provider needs web3: pip install 'zevm-node[web3]'",
        ),
    ],
)
def test_what_needs_an_extra_names_it(bare: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    assert run(bare, tmp_path, *arguments, succeeds=False).stderr.rstrip().endswith(message)


@pytest.mark.slow
def test_the_wheel_serves_and_its_console_connects(full: Path, tmp_path: Path) -> None:
    command = [str(full.with_name("zevm")), "run", "--memory", "--port", "0"]
    with NodeProcess(command, cwd=tmp_path) as node:
        console = ["-m", "zevm", "console", node.url, "--exec", "eth.chain_id"]
        assert run(full, tmp_path, *console).stdout == "31337\n"


@pytest.fixture(scope="module")
def token(full: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a built token in Zig, begun in an empty folder: library, templates and compiler are all there."""
    folder = tmp_path_factory.mktemp("project")
    contract = ("-m", "zevm", "contract")
    run(full, folder, *contract, "new", "token", "--lang", "zig")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZIG_GLOBAL_CACHE_DIR", str(CACHE))
        run(full, folder / "token", *contract, "build")
    return folder / "token"


@pytest.mark.slow
def test_the_wheel_makes_contracts_in_an_empty_folder(full: Path, token: Path, tmp_path: Path) -> None:
    contract = ("-m", "zevm", "contract")
    command = [str(full.with_name("zevm")), "run", "--memory", "--port", "0"]
    with NodeProcess(command, cwd=tmp_path) as node:
        there = ("--rpc", node.url)
        deployed = run(full, token, *contract, "deploy", *there).stdout.splitlines()
        assert deployed[0] == "address: 0x5FbDB2315678afecb367f032d93F642f64180aa3"
        called = run(full, token, *contract, "call", "Token", "totalSupply", *there)
    assert called.stdout == "1000000\n"
    for language, files in (("c", "zvm.h"), ("assemblyscript", "hooks.ts"), ("solidity", "*.t.sol"), ("vyper", "*.vy")):
        run(full, tmp_path, *contract, "new", language, "--lang", language)
        assert list((tmp_path / language).rglob(files)), language


@pytest.mark.slow
def test_the_first_example_of_the_document_runs(full: Path, tmp_path: Path) -> None:
    example = next(block for block in blocks_of(ROOT / "docs" / "embedding.md") if block.section == "Ten lines")
    assert len(example.text.strip().splitlines()) <= 10
    assert run(full, tmp_path, "-W", "error", "-c", example.text).stdout.splitlines() == example.output


CLASHING = {
    **{f"{name}/__init__.py": f"NAME = 'the project\\'s own {name}'\n" for name in PRODUCT},
    "test_project.py": """
import chain, contracts, covenant, node, rpc, storage
import zevm.chain, zevm.contracts, zevm.covenant, zevm.node, zevm.rpc, zevm.storage
import zevm.node as room
from zevm.chain.blockchain import Chain

def test_both_are_there(zevm, w3):
    for package in (node, rpc, covenant, contracts, chain, storage):
        assert package.NAME == f"the project's own {package.__name__}"
    assert room.__file__ != node.__file__
    assert isinstance(zevm.chain, Chain)
    alice, bob, *_ = w3.eth.accounts
    w3.eth.send_transaction({"from": alice, "to": bob, "value": 1})
    assert w3.eth.block_number == 1

def test_the_next_one_begins_anew(w3):
    assert w3.eth.block_number == 0
""",
    "program.py": """
import chain, node, rpc, storage, zevm
with zevm.Node("data") as own:
    own.request("evm_mine")
    print(own.request("eth_blockNumber"), node.NAME)
""",
}


DOCUMENTED = {
    named[1]: block.text
    for block in blocks_of(ROOT / "docs" / "testing.md")
    if (named := re.match(r"# ([\w/]+\.\w+)\n", block.text))
}
"""The files of a project with tests that docs/testing.md shows, by their paths."""


@pytest.mark.slow
def test_a_project_with_folders_of_the_same_names_has_no_clash(full: Path, tmp_path: Path) -> None:
    write_files(tmp_path, CLASHING)
    assert run(full, tmp_path, "program.py").stdout == "0x1 the project's own node\n"
    finished = run(full, tmp_path, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider")
    assert "2 passed" in finished.stdout


@pytest.mark.slow
def test_the_suite_of_the_document_runs_under_xdist_too(token: Path, full: Path) -> None:
    """Ten tests, and one that fails, whose call tree and gas are those that the document shows."""
    assert DOCUMENTED.keys() == {"pyproject.toml", "tests/test_token.py", "tests/test_failure.py"}
    assert len(DOCUMENTED["pyproject.toml"].splitlines()[1:]) == 5
    shown = next(block for block in blocks_of(ROOT / "docs" / "testing.md") if block.language == "text")
    write_files(token, DOCUMENTED)
    arguments = ("-m", "pytest", "-W", "error", "-p", "no:cacheprovider", "--zevm-gas")
    for more in ((), ("-n", "2", "--dist", "loadfile")):
        finished = run(full, token, *arguments, *more, succeeds=False)
        assert "1 failed, 10 passed" in finished.stdout
        start = finished.stdout.index(shown.text.splitlines()[0])
        assert finished.stdout[start:].startswith(shown.text)


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write files by their paths in a folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
