"""N6: the examples of README and docs/, run as they stand in a fresh clone that has only what their lines install.

What they print is what the documents say. The first one takes the installation's time: Python's packages are installed
anew, npm's are those that the same script has installed in this checkout.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from testing.contracts import CACHE
from testing.node_process import ROOT, NodeProcess
from tests.clients.document_blocks import (
    DOCUMENTS,
    PREPARATION,
    RUNNABLE,
    SHOWN,
    Block,
    blocks_of,
    parse,
    runnable,
    script_of,
    sections_of,
)
from tests.clients.tools import BIN

INSTALLATION_SECONDS = 900

TESTED_ELSEWHERE: dict[str, str] = {
    "embedding.md": "tests/node/test_embedding_document.py",
    "debugging.md": "tests/node/test_embedding_document.py",
    "covenant.md": "tests/covenant/test_covenant_document.py",
    "testing.md": "tests/package/test_built_package.py",
}
"""Documents whose examples another test runs."""

OF_THIS_CHECKOUT = ("VIRTUAL_ENV", "PYTHONPATH", "NODE_PATH", "MAKEFLAGS", "MAKELEVEL", "VENV", "PYTHON")
LOCKED_INDEX = "ZEVM_LOCKED_INDEX"
"""Variable that names where scripts/venv.sh asks for packages; what it gets are those of the lock files."""

RUN_HERE = [
    document for document in DOCUMENTS if document.name not in TESTED_ELSEWHERE and runnable(blocks_of(document))
]
PortFor = Callable[[Path], int]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of what is committed: no .venv, nothing compiled."""
    folder = tmp_path_factory.mktemp("clone") / "zevm"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", f"file://{ROOT}", folder], check=True)
    if (BIN / "forge").exists():
        shutil.copytree(BIN.parent, folder / BIN.parent.relative_to(ROOT), symlinks=True, copy_function=_link)
    return folder


def _link(source: str, target: str) -> None:
    """The same file under another name, or a copy on another disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@pytest.fixture(scope="module")
def bare() -> dict[str, str]:
    """The caller's environment without anything of this checkout but what compilers have made of the same text.

    Of the packages that pip installs, what is imported is compiled then, and the rest never.
    """
    here = str(ROOT)
    path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if not part.startswith(here))
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == LOCKED_INDEX or (name not in OF_THIS_CHECKOUT and not name.startswith(("ZEVM_", "ETH_", "PYTEST")))
    }
    return kept | {
        "PATH": path,
        "NO_COLOR": "1",
        "PIP_COMPILE": "0",
        "PYTHONDONTWRITEBYTECODE": "",
        "HARDHAT_DISABLE_TELEMETRY_PROMPT": "true",
        "ZIG_GLOBAL_CACHE_DIR": str(CACHE),
    }


@pytest.fixture(scope="module")
def installed_node(clone: Path, bare: dict[str, str]) -> Iterator[NodeProcess]:
    """A node by README's line, whose first start installs the node's packages."""
    command = ["make", "--silent", "run", "ARGS=--memory --port 0"]
    with NodeProcess(command, cwd=clone, environment=bare, ready_timeout_seconds=INSTALLATION_SECONDS) as node:
        yield node


@pytest.fixture(scope="module")
def port_for(installed_node: NodeProcess) -> PortFor:
    """A fresh chain for each document: the examples name the addresses of the first contracts."""
    begun: list[Path] = []

    def begin(document: Path) -> int:
        if begun[-1:] != [document]:
            with installed_node.connect() as connection:
                connection.call("anvil_reset")
            begun.append(document)
        return installed_node.port

    return begin


@pytest.mark.slow
@pytest.mark.timeout(INSTALLATION_SECONDS)
@pytest.mark.parametrize("document", RUN_HERE, ids=lambda document: document.name)
def test_n6_example(document: Path, clone: Path, bare: dict[str, str], port_for: PortFor) -> None:
    blocks = blocks_of(document)
    for block in blocks:
        if block.file_name is not None:
            (clone / block.file_name).write_text(block.text)
    script = script_of(blocks).replace("127.0.0.1:8545", f"127.0.0.1:{port_for(document)}")
    status, output, errors = _run(f"set -euo pipefail\n{script}", clone, bare)
    assert status == 0, output + errors
    assert output.splitlines() == [line for block in runnable(blocks) for line in block.output], errors


def _run(script: str, folder: Path, environment: dict[str, str]) -> tuple[int, str, str]:
    """Status, output and errors of a script. What it left running ends with it, and holds no pipe open."""
    with TemporaryFile("w+") as output, TemporaryFile("w+") as errors:
        shell = subprocess.Popen(
            ["bash", "-c", script], cwd=folder, env=environment, stdout=output, stderr=errors, start_new_session=True
        )
        try:
            status = shell.wait(timeout=INSTALLATION_SECONDS - 60)
        except subprocess.TimeoutExpired:
            status = -signal.SIGALRM
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
        output.seek(0)
        errors.seek(0)
        return status, output.read(), errors.read()


@pytest.mark.slow
def test_a_failing_example_says_what_failed_at_once(tmp_path: Path) -> None:
    """A process that it started and left holds nothing up."""
    status, output, errors = _run("set -e\nsleep 600 &\necho one\necho two >&2\nfalse", tmp_path, dict(os.environ))
    assert (status, output, errors) == (1, "one\n", "two\n")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_block_is_run_or_says_why_not(document: Path) -> None:
    for block in blocks_of(document):
        command = re.search(r"^(\$|zevm|cast|curl|make|npx|python|docker) ", block.text, flags=re.MULTILINE)
        assert block.language in RUNNABLE or command is None, f"{command} in {block.section!r}: mark the block as sh"
        assert block.language in RUNNABLE | SHOWN, f"a block of {block.section!r} has the language {block.language!r}"
        assert block.language in RUNNABLE or block.reason is None, f"{block.section!r}: this kind is never run"
    fences = sum(line.startswith("```") for line in document.read_text().splitlines())
    assert fences == 2 * len(blocks_of(document)), "a fence that does not begin a line, or has no end"


def test_what_is_tested_elsewhere_is_there() -> None:
    for name, test in TESTED_ELSEWHERE.items():
        assert (ROOT / "docs" / name).exists()
        assert name in (ROOT / test).read_text()


def test_every_client_has_a_quick_start() -> None:
    clients = ["curl", "Foundry", "web3.py", "Hardhat", "ethers and viem", "WebAssembly contracts"]
    text = (ROOT / "docs" / "clients.md").read_text()
    assert list(sections_of(parse(text))) == [PREPARATION, *clients]
    assert "\n## MetaMask\n" in text


def test_blocks_are_read_with_their_reasons() -> None:
    text = "## One\n```sh\na\n#> b\n```\n<!-- not run: no client -->\n```sh\nc\n```\n## Two\n```python\nd\n```\n"
    first, second, third = parse(text)
    assert first == Block("One", "sh", "a\n#> b\n", None)
    assert first.output == ["b"]
    assert second.reason == "no client"
    assert third.script == "python - <<'END_OF_PYTHON'\nd\nEND_OF_PYTHON\n"
    assert script_of([first, second, third]) == f"{first.text}{third.script}"
    assert runnable([first, second, third]) == [first, third]
    prepared = parse(f"## Preparation\n```sh\nz\n```\n{text}")
    assert script_of(prepared) == f"z\n(\n{first.text})\n(\n{third.script})\n"


@pytest.mark.slow
def test_a_section_follows_the_preparation_alone_and_its_failure_ends_all(tmp_path: Path) -> None:
    text = "## Preparation\n```sh\nx=1\n```\n## One\n```sh\ncd /\n```\n## Two\n```sh\necho $x\npwd\nfalse\n```\n"
    script = script_of(parse(f"{text}## Three\n```sh\necho no\n```\n"))
    status, output, _ = _run(f"set -euo pipefail\n{script}", tmp_path, dict(os.environ))
    assert (status, output.splitlines()) == (1, ["1", str(tmp_path)])
