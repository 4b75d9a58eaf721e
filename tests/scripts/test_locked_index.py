"""The package index of what is locked, for pip."""

import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from scripts.locked_index import CONNECTIONS, JSON_PAGE, configured_index, locked_hashes, write_index

NAME = "locked-sample"
LOCK = """
one[extra]==1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via -r somewhere
other==2
"""


class Pages(SimpleHTTPRequestHandler):
    """Gives JSON pages, as an index does, and says nothing."""

    protocol_version = "HTTP/1.1"
    connections = 0

    def setup(self) -> None:
        super().setup()
        Pages.connections += 1

    def guess_type(self, path: object) -> str:
        return JSON_PAGE if str(path).endswith(".html") else "application/octet-stream"

    def log_request(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of an index."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Pages, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def wheel(folder: Path, version: str) -> tuple[str, str]:
    """A wheel's name and hash."""
    stem = f"locked_sample-{version}"
    file = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("locked_sample.py", f"version = {version!r}\n")
        archive.writestr(f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {version}\n")
        archive.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{stem}.dist-info/RECORD", "")
    return file.name, hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture
def wheels(tmp_path: Path) -> dict[str, str]:
    """The hashes of three versions, which an index in `tmp_path/served` has, by the wheel's name."""
    folder = tmp_path / "served" / NAME
    folder.mkdir(parents=True)
    made = dict(wheel(folder, version) for version in ("0.9", "1.0", "1.1"))
    files = [
        {"filename": name, "url": name, "hashes": {"sha256": value}, "requires-python": ">=3", "core-metadata": False}
        for name, value in made.items()
    ]
    (folder / "index.html").write_text(json.dumps({"meta": {"api-version": "1.0"}, "name": NAME, "files": files}))
    return made


def test_the_hashes_of_lock_files_are_those_of_each_project(tmp_path: Path) -> None:
    first, second = tmp_path / "first.lock", tmp_path / "second.lock"
    first.write_text(LOCK)
    second.write_text("one==1.0 \\\n    --hash=sha256:cc\n")
    assert locked_hashes([first, second]) == {"one": {"aa", "bb", "cc"}, "other": set()}


def test_pip_finds_the_locked_version_alone(tmp_path: Path, wheels: dict[str, str]) -> None:
    newer, locked = wheels["locked_sample-1.1-py3-none-any.whl"], wheels["locked_sample-1.0-py3-none-any.whl"]
    index, target = tmp_path / "index", tmp_path / "target"
    index.mkdir()
    with served(tmp_path / "served") as address:
        write_index(index, address, {NAME: {locked}})
        page = (index / NAME / "index.html").read_text()
        command = [
            sys.executable,
            "-m",
            "pip",
            "--isolated",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            str(target),
        ]
        subprocess.run([*command, "--index-url", f"file://{index}", NAME], check=True, timeout=60)
    assert (target / "locked_sample.py").read_text() == "version = '1.0'\n"
    assert page.count("<a ") == 1
    assert 'data-requires-python="&gt;=3"' in page
    assert newer not in page


@pytest.mark.parametrize("name", [NAME, "unknown"])
def test_an_index_that_lacks_what_is_locked_gives_none(tmp_path: Path, wheels: dict[str, str], name: str) -> None:
    assert wheels
    index = tmp_path / "index"
    index.mkdir()
    with served(tmp_path / "served") as address, pytest.raises((OSError, ValueError)):
        write_index(index, address, {name: {"00"}})
    assert list(index.iterdir()) == []


def test_threads_keep_their_connections(
    tmp_path: Path, wheels: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To look a name up for each page may take longer than all pages."""
    monkeypatch.setattr(Pages, "connections", 0)
    names = [f"project-{number}" for number in range(3 * CONNECTIONS)]
    index = tmp_path / "index"
    index.mkdir()
    for name in names:
        (tmp_path / "served" / name).symlink_to(tmp_path / "served" / NAME)
    with served(tmp_path / "served") as address:
        write_index(index, address, {name: set(wheels.values()) for name in names})
    assert len(list(index.iterdir())) == len(names)
    assert 1 <= Pages.connections <= CONNECTIONS


def test_the_address_that_pip_is_given_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://example.org/simple")
    assert configured_index() == "https://example.org/simple"
