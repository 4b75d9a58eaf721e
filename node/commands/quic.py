"""`zevm quic`: run functions, deploy modules and read statistics over a node's QUIC port."""

import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

import orjson
import typer

from zevm.node.commands.module_file import constructor_arguments, module_to_deploy, read_module
from zevm.node.commands.names import address_of, is_name, resolved
from zevm.node.commands.options import DatadirOption
from zevm.node.commands.sending import PrivateKeyOption
from zevm.node.commands.wasm_call import ENTRY_POINT, function_fields, tell
from zevm.node.commands.wasm_options import (
    ADDRESS,
    NEGATIVE_NUMBERS,
    DataOption,
    FileArgument,
    FromOption,
    FunctionArgument,
    JsonOption,
    ShowGasOption,
    TargetArgument,
    ValuesArgument,
)
from zevm.node.errors import NodeError
from zevm.node.extras import of_extra


class Client(Protocol):
    """A client of the extra `quic` (zevm.quic.ZvmQuicClient)."""

    def execute_function(self, module_bytecode: bytes, function_name: str, arguments: Any, options: Any) -> Any:
        """A WasmExecutionResult."""
        ...

    def deploy_module(self, module_bytecode: bytes, constructor_arguments: bytes, options: Any) -> Any:
        """A WasmExecutionResult."""
        ...

    def statistics(self) -> Any:
        """ServerStatistics."""
        ...

    def resolve_name(self, name: str) -> Any:
        """ResolvedName, or None."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


Result = TypeVar("Result")
DEFAULT_PORT = 8_545
_HASH = re.compile(r"(?:0x)?([0-9a-fA-F]{64})\Z")
_NODE = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.%]+)\]|(?P<host>[^:\[\]]+))(?::(?P<port>\d{1,5}))?\Z")

NodeOption = Annotated[
    str,
    typer.Option("--node", "-n", metavar="HOST:PORT", envvar="ZEVM_QUIC_NODE", help="The node's QUIC port."),
]
AuthorityOption = Annotated[
    Path | None,
    typer.Option("--ca", metavar="FILE", help="The node's quic-ca.pem. (default: that of the data directory)"),
]
ServerKeyOption = Annotated[
    str | None,
    typer.Option("--server-key", metavar="HASH", help="SHA-256 of the node's public key, instead of --ca."),
]
ChainIdOption = Annotated[
    int, typer.Option("--chain-id", min=0, max=2**63 - 1, help="Chain for which --private-key signs.")
]
ClassicalOption = Annotated[
    bool, typer.Option("--allow-classical", help="Go on if the key exchange is not post-quantum.")
]
TimeoutOption = Annotated[int, typer.Option("--timeout", min=0, metavar="MS", help="Longest time of the execution.")]
MemoryOption = Annotated[int, typer.Option("--memory-limit", min=0, metavar="BYTES", help="Maximum memory.")]

app = typer.Typer(help="A node over post-quantum QUIC: execute, deploy, stats.", no_args_is_help=True)


@app.command("execute", context_settings=NEGATIVE_NUMBERS)
def execute(
    target: TargetArgument,
    function: FunctionArgument = ENTRY_POINT,
    arguments: ValuesArgument = None,
    data: DataOption = None,
    node: NodeOption = f"127.0.0.1:{DEFAULT_PORT}",
    authority: AuthorityOption = None,
    server_key: ServerKeyOption = None,
    datadir: DatadirOption = None,
    private_key: PrivateKeyOption = None,
    chain_id: ChainIdOption = 31_337,
    sender: FromOption = None,
    gas_limit: Annotated[int, typer.Option("--gas-limit", min=0, metavar="GAS", help="Maximum gas.")] = 30_000_000,
    memory_limit: MemoryOption = 64 * 1024 * 1024,
    timeout_ms: TimeoutOption = 30_000,
    gas: ShowGasOption = False,
    allow_classical: ClassicalOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run a function on the head's state without keeping changes, and print its result."""
    connect = _client(node, authority, server_key, datadir, private_key, chain_id, allow_classical)
    names = _Names(connect, node)
    fields = function_fields(function, arguments or [], data, names)
    given = fields["arguments"]
    values = _bytes_of(given, "--data") if isinstance(given, str) else [int(text, 0) for text in given]
    if is_name(target):
        target = resolved(names, target, contract=True)
    code = bytes.fromhex(target[2:]) if ADDRESS.match(target) else read_module(Path(target), or_address=True)
    limits = {"gas_limit": gas_limit, "memory_limit": memory_limit, "timeout_ms": timeout_ms}
    options = _options(address_of(names, sender), limits)
    name = "" if fields["function"] == ENTRY_POINT else fields["function"]
    result = _ask(connect, lambda client: client.execute_function(code, name, values, options))
    tell(_answer(result), fields["outputs"], gas=gas, as_json=as_json)


@app.command("deploy", context_settings=NEGATIVE_NUMBERS)
def deploy(
    file: FileArgument,
    values: Annotated[
        list[str] | None, typer.Argument(metavar="[VALUES]...", help="Arguments of the constructor.")
    ] = None,
    constructor: Annotated[
        str | None, typer.Option("--constructor", metavar="TYPES", help='As "uint256,address".')
    ] = None,
    node: NodeOption = f"127.0.0.1:{DEFAULT_PORT}",
    authority: AuthorityOption = None,
    server_key: ServerKeyOption = None,
    datadir: DatadirOption = None,
    private_key: PrivateKeyOption = None,
    chain_id: ChainIdOption = 31_337,
    sender: FromOption = None,
    gas_limit: Annotated[int, typer.Option("--gas-limit", min=0, metavar="GAS", help="Maximum gas; 0: enough.")] = 0,
    allow_classical: ClassicalOption = False,
    as_json: JsonOption = False,
) -> None:
    """Deploy a module from one of the node's accounts, and print its address."""
    from zevm.chain.zvm.module.creation import compressed, stripped

    connect = _client(node, authority, server_key, datadir, private_key, chain_id, allow_classical)
    names = _Names(connect, node)
    arguments = constructor_arguments(file, constructor, values or [], names) or b""
    plain = stripped(module_to_deploy(file))
    # as `zevm wasm deploy` stores it; a module that comes compressed stays so
    module = min(compressed(plain), plain, key=len)
    options = _options(address_of(names, sender), {"gas_limit": gas_limit})
    result = _ask(connect, lambda client: client.deploy_module(module, arguments, options))
    tell(_answer(result), None, gas=False, as_json=as_json)


@app.command("stats")
def stats(
    node: NodeOption = f"127.0.0.1:{DEFAULT_PORT}",
    authority: AuthorityOption = None,
    server_key: ServerKeyOption = None,
    datadir: DatadirOption = None,
    private_key: PrivateKeyOption = None,
    chain_id: ChainIdOption = 31_337,
    allow_classical: ClassicalOption = False,
    as_json: JsonOption = False,
) -> None:
    """Print the node's executions over QUIC: active, started, gas in total, age of the oldest."""
    connect = _client(node, authority, server_key, datadir, private_key, chain_id, allow_classical)
    found = asdict(_ask(connect, lambda client: client.statistics()))
    if as_json:
        typer.echo(orjson.dumps(found))
        return
    for name, value in found.items():
        typer.echo(f"{name}: {value}")


class _Names:
    """Names resolved over the node's QUIC port (names.Client)."""

    def __init__(self, connect: Callable[[], Client], node: str) -> None:
        self._connect = connect
        self.url = node

    def call(self, method: str, *params: object) -> Any:
        """The answer of zns_resolve, the only method there is. Raises NodeError."""
        assert method == "zns_resolve"
        name = str(params[0])
        found = _ask(self._connect, lambda client: client.resolve_name(name))
        places = None if found is None else {"address": found.address, "contract": found.contract}
        return places and {kind: value and "0x" + value.hex() for kind, value in places.items()}


def _client(
    node: str,
    authority: Path | None,
    server_key: str | None,
    datadir: Path | None,
    private_key: str | None,
    chain_id: int,
    allow_classical: bool,
) -> Callable[[], Client]:
    """The connecting function for the options. Raises NodeError for options that cannot be used."""
    with of_extra("quic", "zevm quic"):
        from zevm.quic import ZvmQuicClient
    from zevm.node.commands.account import parse_key
    from zevm.rpc.transport.quic.options import AUTHORITY_NAME

    found = _NODE.match(node)
    port = DEFAULT_PORT if found is None else int(found["port"] or DEFAULT_PORT)
    if found is None or not 0 < port < 65_536:
        raise NodeError(f"--node {node}: want HOST:PORT, as 127.0.0.1:{DEFAULT_PORT}")
    key_hash = None if server_key is None else _HASH.match(server_key)
    if server_key is not None and key_hash is None:
        raise NodeError(f"--server-key {server_key}: want 64 hex digits (SHA-256)")
    if authority is None and key_hash is None:
        from zevm.node.commands.chosen_settings import settings_of

        own = settings_of(datadir, None).datadir / AUTHORITY_NAME
        authority = own if own.exists() else None
    options: dict[str, Any] = {
        "authority": authority,
        "server_key_hash": None if key_hash is None else bytes.fromhex(key_hash[1]),
        "private_key": None if private_key is None else parse_key(private_key, "--private-key").secret,
        "chain_id": chain_id,
        "allow_classical": allow_classical,
    }
    host = found["v6"] or found["host"]
    return lambda: ZvmQuicClient(host, port, **options)


def _ask(connect: Callable[[], Client], question: Callable[[Client], Result]) -> Result:
    """The answer to one question over a connection of its own. Raises NodeError."""
    from zevm.covenant.errors import InvalidParameters
    from zevm.rpc.transport.quic.options import QuicError

    client = connect()
    try:
        return question(client)
    except (QuicError, InvalidParameters) as error:
        raise NodeError(str(error)) from None
    finally:
        client.close()


def _options(sender: str | None, values: dict[str, int]) -> Any:
    """ExecutionOptions of the given values; their class is loaded only here."""
    from zevm.covenant.wasm import ExecutionOptions

    return ExecutionOptions(**values, caller_address=sender or b"")


def _bytes_of(text: str, option: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise NodeError(f"{option} {text}: not hexadecimal") from None


def _answer(result: Any) -> dict[str, Any]:
    """A WasmExecutionResult in the form of zvm_executeFunction's answer."""
    return {
        "status": result.status.name.lower(),
        "statusCode": int(result.status),
        "returnValue": "0x" + result.return_value.hex(),
        "gasUsed": hex(result.gas_consumed),
        "executionTimeMs": result.execution_time_us / 1_000,
        "error": result.error_message or None,
        "modifiedState": "0x" + result.modified_state.hex(),
    }
