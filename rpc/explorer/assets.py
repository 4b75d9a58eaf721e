"""The explorer's style, scripts and picture: read once, kept in memory, known to browsers by their hashes."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

_KINDS = {
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file's bytes, its content type and its entity tag."""

    body: bytes
    kind: bytes
    tag: bytes


@cache
def assets() -> dict[str, Asset]:
    """The files by their names."""
    folder = resources.files("zevm.rpc.explorer").joinpath("assets")
    found = {}
    for file in folder.iterdir():
        kind = next((kind for suffix, kind in _KINDS.items() if file.name.endswith(suffix)), None)
        if kind is not None:
            body = file.read_bytes()
            found[file.name] = Asset(body, kind, b'"%s"' % hashlib.sha256(body).hexdigest()[:32].encode())
    return found
