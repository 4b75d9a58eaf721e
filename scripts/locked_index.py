"""Write a package index for pip that holds what the lock files name, and nothing else.

python scripts/locked_index.py FOLDER    afterwards ZEVM_LOCKED_INDEX=FOLDER lets scripts/venv.sh install from it

pip reads every link on a project's page, 10,000 on the longest, to find the one version of the lock file: two thirds of
what an installation computes. Its files still come from where the index has them, and are checked against the hashes.
A single installation gains nothing.
"""

import json
import os
import re
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from html import escape
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

ROOT = Path(__file__).resolve().parent.parent
PYPI = "https://pypi.org/simple"
JSON_PAGE = "application/vnd.pypi.simple.v1+json"
"""Content type of PEP 691."""

_TIMEOUT_SECONDS = 30
CONNECTIONS = 8
_LOCK = re.compile(r"^(?P<name>[\w.-]+)(?:\[.*?\])?==|--hash=sha256:(?P<hash>\w+)", flags=re.MULTILINE)


def locked_hashes(files: Iterable[Path]) -> dict[str, set[str]]:
    """The hashes of each project in lock files."""
    found: dict[str, set[str]] = {}
    for file in files:
        name = ""
        for match in _LOCK.finditer(file.read_text()):
            name = match["name"] or name
            found.setdefault(name, set())
            if match["hash"]:
                found[name].add(match["hash"])
    return found


def configured_index() -> str:
    """The address of the index that pip asks."""
    if named := os.environ.get("PIP_INDEX_URL"):
        return named
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    return asked.stdout.strip() if asked.returncode == 0 else PYPI


class Index:
    """A package index, asked over one connection a thread: to look its name up again takes longer than a page."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/") + "/"
        self._of_thread = threading.local()
        self._opened: list[HTTPConnection] = []
        # to read the system's certificates takes longer than a page
        self._trusted = ssl.create_default_context()

    def close(self) -> None:
        """Close the connections of all threads."""
        for connection in self._opened:
            connection.close()

    def files(self, page: str) -> list[Any]:
        """The files on a project's page (PEP 691). Raises OSError, HTTPException, and ValueError for another answer."""
        connection = self._connection()
        connection.request("GET", urlsplit(page).path, headers={"Accept": JSON_PAGE})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != HTTPStatus.OK:
            raise ValueError(f"{page} answers {answer.status} {answer.reason}")
        files: list[Any] = json.loads(content)["files"]
        return files

    def _connection(self) -> HTTPConnection:
        if not hasattr(self._of_thread, "connection"):
            parts = urlsplit(self.address)
            if parts.scheme == "https":
                made: HTTPConnection = HTTPSConnection(parts.netloc, timeout=_TIMEOUT_SECONDS, context=self._trusted)
            else:
                made = HTTPConnection(parts.netloc, timeout=_TIMEOUT_SECONDS)
            self._of_thread.connection = made
            self._opened.append(made)
        connection: HTTPConnection = self._of_thread.connection
        return connection

    def short_page(self, name: str, hashes: set[str]) -> str:
        """A project's page (PEP 503) with the files of these hashes alone.

        Raises as `files` does, and ValueError where the index has none of them.
        """
        page = f"{self.address}{name}/"
        links = [_link(page, file) for file in self.files(page) if file["hashes"].get("sha256") in hashes]
        if not links:
            raise ValueError(f"{page} has none of the files that are locked")
        return "<!DOCTYPE html>\n<html><body>\n{}\n</body></html>\n".format("\n".join(links))


def _link(page: str, file: Mapping[str, Any]) -> str:
    hashed = f"sha256={file['hashes']['sha256']}"
    attributes = {"href": f"{urljoin(page, file['url'])}#{hashed}"}
    if file.get("requires-python"):
        attributes["data-requires-python"] = file["requires-python"]
    if metadata := file.get("core-metadata"):
        # PEP 714: the hash of the metadata, or that there is some
        attributes["data-core-metadata"] = f"sha256={metadata['sha256']}" if isinstance(metadata, dict) else "true"
    told = " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items())
    return f"<a {told}>{escape(file['filename'])}</a>"


def write_index(folder: Path, address: str, wanted: Mapping[str, set[str]]) -> None:
    """Write each project's page to FOLDER/NAME/index.html. Raises as short_page does."""

    def write(name: str) -> None:
        page = index.short_page(name, wanted[name])
        (folder / name).mkdir()
        (folder / name / "index.html").write_text(page)

    with closing(Index(address)) as index, ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(write, wanted))


def main() -> None:
    """Write the index, or say why there is none."""
    try:
        write_index(Path(sys.argv[1]), configured_index(), locked_hashes(sorted(ROOT.glob("requirements*.lock"))))
    except (OSError, HTTPException, ValueError, KeyError) as error:
        sys.exit(f"locked_index: {error}")


if __name__ == "__main__":
    main()
