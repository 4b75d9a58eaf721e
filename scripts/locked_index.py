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
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parent.parent
PYPI = "https://pypi.org/simple"
JSON_PAGE = "application/vnd.pypi.simple.v1+json"
"""Content type of PEP 691."""

_TIMEOUT_SECONDS = 30
_CONNECTIONS = 8
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


def short_page(address: str, hashes: set[str], trusted: ssl.SSLContext) -> str:
    """A project's page (PEP 503) with the files of these hashes alone.

    Raises OSError where the index does not answer, and ValueError where it has none of them.
    """
    request = Request(address, headers={"Accept": JSON_PAGE})
    with urlopen(request, timeout=_TIMEOUT_SECONDS, context=trusted) as answer:
        files = json.load(answer)["files"]
    links = [_link(address, file) for file in files if file["hashes"].get("sha256") in hashes]
    if not links:
        raise ValueError(f"{address} has none of the files that are locked")
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


def write_index(folder: Path, index: str, wanted: Mapping[str, set[str]]) -> None:
    """Write each project's page to FOLDER/NAME/index.html. Raises as short_page does."""

    # to read the system's certificates takes longer than a page
    trusted = ssl.create_default_context()

    def write(name: str) -> None:
        page = short_page(f"{index.rstrip('/')}/{name}/", wanted[name], trusted)
        (folder / name).mkdir()
        (folder / name / "index.html").write_text(page)

    with ThreadPoolExecutor(_CONNECTIONS) as threads:
        list(threads.map(write, wanted))


def main() -> None:
    """Write the index, or say why there is none."""
    try:
        write_index(Path(sys.argv[1]), configured_index(), locked_hashes(sorted(ROOT.glob("requirements*.lock"))))
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"locked_index: {error}")


if __name__ == "__main__":
    main()
