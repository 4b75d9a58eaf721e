"""The parts of `zevm doctor`: what a node needs of the machine and the installation, and the remedy where it lacks.

It changes nothing: the database is not opened, which would repair it.
"""

import os
import platform
import resource
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from zevm import __version__
from zevm.contracts.compilers.assemblyscript import find_asc
from zevm.contracts.compilers.solidity import find_solc
from zevm.contracts.compilers.vyper import check_vyper
from zevm.contracts.errors import CompilerMissingError
from zevm.contracts.toolchain import zig
from zevm.core import CORE
from zevm.core.loading import NO_CORE, REMEDY, is_set
from zevm.node.client import Client
from zevm.node.errors import NodeError
from zevm.node.extras import EXTRAS, missing_extras
from zevm.node.hints import told
from zevm.node.settings import NodeSettings
from zevm.rpc.transport.listener import HTTP_FLAGS, AddressInUseError, check_addresses
from zevm.storage.directory import LEVELDB_NAME, DirectoryLock, check_ownership
from zevm.storage.errors import DatabaseLockedError, StorageError

FREE_BYTES = 1024**3
"""Less free space than this is worth a remark: LevelDB keeps old tables until it has written the new ones."""

OWN_FILES = 64
"""Files that a node has open besides its connections: LevelDB's tables, logs, libraries."""

CLOCK_SLACK_SECONDS = 60.0
"""How far the newest file may be ahead of the clock: file servers have clocks of their own."""


ANSWER_SECONDS = 2.0
"""How long another program at the port is asked who it is."""

_OTHER_FOLDER = "chown it to this user, or give another --datadir"


class Verdict(StrEnum):
    """How a part is."""

    GOOD = "ok"
    REMARK = "note"
    FAULT = "fault"


class Finding(NamedTuple):
    """The state of a part. remedy: a command or a sentence, "" for nothing to do."""

    part: str
    verdict: Verdict
    text: str
    remedy: str = ""


def findings(settings: NodeSettings) -> Iterator[Finding]:
    """A finding for each part, in the order in which a start needs them."""
    for part, look in PARTS.items():
        verdict, text, remedy = look(settings)
        yield Finding(part, verdict, text, remedy)


Look = Callable[[NodeSettings], tuple[Verdict, str, str]]


def _version(_: NodeSettings) -> tuple[Verdict, str, str]:
    text = f"zevm {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    wrong = sorted(_wrong_packages())
    if wrong:
        return Verdict.FAULT, f"{text}; a block's outcome depends on {', '.join(wrong)}", "install zevm-node again"
    return Verdict.GOOD, text, ""


def _wrong_packages() -> Iterator[str]:
    """Consensus-critical packages in another version than the exact one of the metadata, in words."""
    for requirement in metadata.requires("zevm-node") or ():
        name, exact, wanted = requirement.partition("==")
        if not exact or ";" in requirement:
            continue
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            found = "none"
        if found != wanted:
            yield f"{name} {wanted}, and {found} is installed"


def _engine(_: NodeSettings) -> tuple[Verdict, str, str]:
    if CORE.library is None:
        remedy = f"unset {NO_CORE}" if is_set(os.environ, NO_CORE) else REMEDY
        return Verdict.REMARK, f"py-evm, which is slower: {CORE.reason}", remedy
    return Verdict.GOOD, f"native core ({CORE.kernel})", ""


def _port(settings: NodeSettings) -> tuple[Verdict, str, str]:
    hosts = ", ".join(f"{host}:{settings.port}" for host in settings.host)
    try:
        check_addresses(settings.host, settings.port, HTTP_FLAGS)
    except AddressInUseError as error:
        said = _who_answers(settings)
        if said is not None:
            return Verdict.REMARK, f"{said} answers at {hosts}", "use it, stop it, or choose another --port"
        reason, _, remedy = str(error).partition("; ")
        return Verdict.FAULT, reason, remedy
    return Verdict.GOOD, f"{hosts} is free", ""


def _who_answers(settings: NodeSettings) -> str | None:
    host = settings.host[0]
    url = f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"
    try:
        return str(Client(url, timeout_seconds=ANSWER_SECONDS).call("web3_clientVersion"))
    except NodeError:
        return None


def _database(settings: NodeSettings) -> tuple[Verdict, str, str]:
    path = settings.datadir
    if settings.memory:
        return Verdict.GOOD, "in memory", ""
    try:
        if not check_ownership(path):
            return Verdict.GOOD, f"{path}: none yet; the first start makes one", ""
        DirectoryLock(path).release()
    except DatabaseLockedError as error:
        return Verdict.REMARK, str(error), "stop that node before another one, or give this one another --datadir"
    except StorageError as error:
        reason, _, remedy = told(error).partition("; ")
        return Verdict.FAULT, reason, remedy
    except OSError as error:
        return Verdict.FAULT, f"{path} cannot be read: {error.strerror}", _OTHER_FOLDER
    size_bytes = sum(file.st_size for file in _files_below(path / LEVELDB_NAME))
    return Verdict.GOOD, f"{path}: {size_bytes:,} bytes; `zevm db check` reads all of it", ""


def _disk(settings: NodeSettings) -> tuple[Verdict, str, str]:
    if settings.memory:
        return Verdict.GOOD, "not used", ""
    above = (settings.datadir, *settings.datadir.absolute().parents)
    # unlike is_dir, it says no for what lies in a folder that may not be entered
    folder = next(folder for folder in above if os.path.isdir(folder))
    if not os.access(folder, os.W_OK):
        return Verdict.FAULT, f"{folder} may not be written", _OTHER_FOLDER
    free_bytes = shutil.disk_usage(folder).free
    text = f"{free_bytes:,} bytes free at {folder}"
    if free_bytes < FREE_BYTES:
        return Verdict.REMARK, text, "free some, or give a --datadir on another disk; a full disk stops the node safely"
    return Verdict.GOOD, text, ""


def _clock(settings: NodeSettings) -> tuple[Verdict, str, str]:
    now = time.time()
    text = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    ahead_seconds = max((file.st_mtime for file in _files_below(settings.datadir)), default=now) - now
    if ahead_seconds > CLOCK_SLACK_SECONDS:
        return (
            Verdict.REMARK,
            f"{text}, which is {ahead_seconds:,.0f} s before the newest file of {settings.datadir}",
            "set the clock; new blocks follow the head's time, not the clock's, until it has caught up",
        )
    return Verdict.GOOD, text, ""


def _files_below(folder: Path) -> Iterator[os.stat_result]:
    """Of files at every depth, without those that a running node deletes meanwhile and those that may not be seen."""
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                status = os.stat(Path(place, name))
                if stat.S_ISREG(status.st_mode):
                    yield status


def _open_files(settings: NodeSettings) -> tuple[Verdict, str, str]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limits = settings.limits
    needed = limits.http_connections + limits.websocket_connections + limits.ipc_connections + OWN_FILES
    text = "no limit" if soft == resource.RLIM_INFINITY else f"{soft:,} files"
    if soft != resource.RLIM_INFINITY and soft < needed:
        able = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        remedy = f"`ulimit -n {able}` before the start, or lower --rpc-http-connections and --rpc-websocket-connections"
        return Verdict.REMARK, f"{text}, and all allowed connections take {needed:,}", remedy
    return Verdict.GOOD, text, ""


def _extras(_: NodeSettings) -> tuple[Verdict, str, str]:
    missing = missing_extras()
    if missing:
        return Verdict.REMARK, f"not installed: {', '.join(missing)}", f"pip install 'zevm-node[{','.join(missing)}]'"
    return Verdict.GOOD, ", ".join(EXTRAS), ""


def _compilers(_: NodeSettings) -> tuple[Verdict, str, str]:
    found, missing = [], []
    for language, find in COMPILERS.items():
        try:
            find()
            found.append(language)
        except CompilerMissingError as error:
            missing.append(str(error))
    text = ", ".join(found)
    if not missing:
        return Verdict.GOOD, text, ""
    return Verdict.REMARK, f"only {text}" if found else "none", "; ".join(missing)


COMPILERS: dict[str, Callable[[], object]] = {
    "Zig and C": zig,
    "Solidity": lambda: find_solc(Path.cwd()),
    "Vyper": check_vyper,
    "AssemblyScript": lambda: find_asc(Path.cwd()),
}
"""Each finds the language's compiler as a build in this folder would, or raises CompilerMissingError."""

PARTS: dict[str, Look] = {
    "version": _version,
    "engine": _engine,
    "extras": _extras,
    "compilers": _compilers,
    "port": _port,
    "database": _database,
    "disk": _disk,
    "clock": _clock,
    "open files": _open_files,
}
