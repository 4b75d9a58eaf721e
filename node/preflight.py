"""Checks before a start that need no chain: they run before the node creates or deletes anything."""

import os
from importlib.util import find_spec
from pathlib import Path

from zevm.chain.rules.forks import Fork
from zevm.chain.rules.schedule import ForkSchedule
from zevm.node.errors import NodeError, reason_of
from zevm.node.extras import of_extra
from zevm.node.settings import NodeSettings
from zevm.node.state_file import dump_path, load_path
from zevm.node.zig_compiler import check_compiler
from zevm.rpc.transport.ipc import check_path
from zevm.rpc.transport.jwt import JwtSecretError, load_secret
from zevm.rpc.transport.listener import ENGINE_FLAGS, HTTP_FLAGS, NAMES_FLAGS, check_addresses
from zevm.rpc.transport.names.options import NamesPortOptions
from zevm.rpc.transport.quic.options import QuicPortOptions

IPC_NAME = "zevm.ipc"
JWT_SECRET_NAME = "jwtsecret"


def check_start(settings: NodeSettings, *, listens: bool = True) -> None:
    """Raises NodeError, AddressInUseError or IpcError for a problem that would end the start later, or fail the stop.

    `listens`: whether the server takes the port of the settings by itself.
    """
    if listens:
        check_addresses(settings.host, settings.port, HTTP_FLAGS)
    if settings.external_consensus:
        check_addresses(settings.authrpc_addr, settings.authrpc_port, ENGINE_FLAGS)
        if jwt_secret_path(settings).exists():
            read_jwt_secret(settings)
    check_names(settings)
    check_compiler(settings)
    check_quic(settings)
    socket = ipc_path(settings)
    if socket is not None:
        if socket.parent != settings.datadir:
            _check_folder("--ipc", socket)
        check_path(socket)
    file = load_path(settings)
    if file is not None and not file.is_file():
        raise NodeError(f"--load-state {file}: there is no such file")
    if file is not None:
        _check_readable(file)
    file = dump_path(settings)
    if file is not None:
        _check_replaceable("--dump-state" if settings.state is None else "--state", file)
    if settings.config_out is not None:
        _check_writable("--config-out", settings.config_out)


def check_merged(schedule: ForkSchedule, number: int, timestamp: int) -> None:
    """Raises NodeError if the Engine API cannot drive a chain whose head has that number and time."""
    if schedule.fork_at(number + 1, timestamp + 1) < Fork.PARIS:
        raise NodeError(
            "the Engine API drives chains after the merge, and the next block is before it; "
            "set terminalTotalDifficulty to 0 in the genesis file, or omit --authrpc"
        )


def ipc_path(settings: NodeSettings) -> Path | None:
    """The path of the Unix socket; None for no socket."""
    if settings.ipc is None or str(settings.ipc) != "@":
        return settings.ipc
    if settings.memory:
        raise NodeError("--ipc needs a path with --memory, as in --ipc /tmp/zevm.ipc")
    return settings.datadir / IPC_NAME


def jwt_secret_path(settings: NodeSettings) -> Path:
    """The path of the Engine API's secret. Raises NodeError if there is none."""
    if settings.authrpc_jwtsecret is not None:
        return settings.authrpc_jwtsecret
    if settings.memory:
        raise NodeError("--authrpc needs a secret's file with --memory, as in --authrpc-jwtsecret /tmp/jwt.hex")
    return settings.datadir / JWT_SECRET_NAME


def read_jwt_secret(settings: NodeSettings) -> bytes:
    """The Engine API's secret, created if absent. Raises NodeError."""
    try:
        return load_secret(jwt_secret_path(settings))
    except JwtSecretError as error:
        raise NodeError(f"--authrpc-jwtsecret {error}") from error


def names_port(settings: NodeSettings) -> NamesPortOptions | None:
    """The name resolver's port, if one is asked for."""
    if settings.zns_port is None:
        return None
    return NamesPortOptions(
        settings.zns_host, settings.zns_port, settings.allow_origin, settings.allow_host, settings.zns_upstream
    )


def check_names(settings: NodeSettings) -> None:
    """Raises NodeError if the name resolver's port, or the library of normal names, cannot be used."""
    if settings.zns_port is None:
        return
    check_addresses(settings.zns_host, settings.zns_port, NAMES_FLAGS)
    with of_extra("zns", "--zns-port"):
        if find_spec("ens_normalize") is None:  # its tables are loaded by the first name
            raise ModuleNotFoundError(name="ens_normalize")


def quic_port(settings: NodeSettings) -> QuicPortOptions | None:
    """The QUIC port, if one is asked for."""
    if settings.quic_port is None:
        return None
    return QuicPortOptions(
        hosts=settings.quic_host,
        port=settings.quic_port,
        allow_classical=settings.quic_allow_classical,
        certificate=settings.quic_cert,
        key=settings.quic_key,
        folder=None if settings.memory else settings.datadir,
        require_authentication=settings.quic_require_auth,
    )


def check_quic(settings: NodeSettings) -> None:
    """Raises NodeError if the QUIC port's library or certificate cannot be used."""
    options = quic_port(settings)
    if options is None:
        return
    with of_extra("quic", "--quic-port"):
        from zevm.rpc.transport.quic.certificates import check_given
        from zevm.rpc.transport.quic.server import check_bindable
    check_given(options)
    check_bindable(options)


def _check_writable(flag: str, file: Path) -> None:
    """Raises NodeError if a file can be neither created nor written."""
    if file.is_dir():
        raise NodeError(f"{flag} {file}: is a folder; give the name of a file")
    _check_folder(flag, file)
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise NodeError(f"{flag} {file}: may not be written; give another file")


def _check_replaceable(flag: str, file: Path) -> None:
    """Raises NodeError if a file cannot be written as a whole; a pipe or device would be replaced by a file."""
    _check_writable(flag, file)
    if file.exists() and not file.is_file():
        raise NodeError(f"{flag} {file}: is a pipe or a device, which cannot be replaced; give the name of a file")


def _check_readable(file: Path) -> None:
    try:
        with file.open("rb") as stream:
            stream.read(1)
    except OSError as error:
        raise NodeError(f"{file}: cannot be read: {reason_of(error)}") from error


def _check_folder(flag: str, file: Path) -> None:
    if not file.parent.is_dir():
        raise NodeError(f"{flag} {file}: there is no folder {file.parent}; create it, or give another path")
