"""Documents made from the tables: rpc.discover, docs/methods.md, docs/limits.md."""

from itertools import groupby
from typing import Any

from zevm.rpc.codec.scalars import SCHEMAS
from zevm.rpc.errors import ENGINE_ERRORS
from zevm.rpc.limits import LimitRow, limit_rows
from zevm.rpc.registry import Method, Param, Registry

OPENRPC_VERSION = "1.2.6"
WIRE_ERRORS = (
    (-32700, "the body is not JSON"),
    (-32600, "not a request, an empty batch, a batch over the limit"),
    (-32601, "unknown method, or one that this transport cannot serve"),
    (-32602, "a parameter is missing, superfluous or ill-formed"),
    (-32603, "a fault of the node; the log has the details under the same request id"),
    (-32000, "failures of a valid request: refused transactions, halted executions, failed look-ups"),
    (-32002, "the batch took too long; this call had not begun"),
    (-32003, "the answer to the batch is too large"),
    (-32005, "a bounded resource is exhausted for now"),
    (-32001, "a kind of data that no fork of this chain has: block access lists"),
    (-38010, "eth_simulateV1: nonce too low"),
    (-38011, "eth_simulateV1: nonce too high"),
    (-38012, "eth_simulateV1: fee cap below the base fee"),
    (-38013, "eth_simulateV1: gas limit below the intrinsic gas"),
    (-38014, "eth_simulateV1: insufficient funds"),
    (-38015, "eth_simulateV1: the block's gas limit is reached"),
    (-38020, "eth_simulateV1: block numbers out of order"),
    (-38021, "eth_simulateV1: block timestamps out of order"),
    (-38025, "eth_simulateV1: creation code too long"),
    (-38026, "eth_simulateV1, eth_getStorageValues: more than the limit allows"),
    (-32015, "in a call's result of eth_simulateV1: the execution halted"),
    (3, "execution reverted; `data` is the revert data"),
    *((code, f"Engine API: {text.lower()}") for code, text in ENGINE_ERRORS.values() if code != -32602),
    (4, "no receipt in time for eth_sendRawTransactionSync; `data` is the transaction's hash"),
)
"""Code and meaning, for the documentation."""


def openrpc_document(registry: Registry, version: str) -> dict[str, Any]:
    """The OpenRPC document of a registry."""
    return {
        "openrpc": OPENRPC_VERSION,
        "info": {"title": "zEVM JSON-RPC", "version": version},
        "methods": [_describe(row) for row in registry.methods()],
    }


def _describe(row: Method) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": row.name,
        "summary": row.summary,
        "paramStructure": "by-position",
        "params": [_describe_param(param) for param in row.params],
        "result": {"name": row.result, "schema": {}},
    }
    if row.aliases:
        described["x-aliases"] = list(row.aliases)
    return described


def _describe_param(param: Param) -> dict[str, Any]:
    described = {"name": param.name, "required": param.required, "schema": SCHEMAS.get(param.decode, {})}
    if param.summary:
        described["summary"] = param.summary
    return described


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def methods_document(registry: Registry) -> str:
    """docs/methods.md."""
    lines = [
        "# Methods",
        "",
        "Made from the registry by `make docs`. Parameters in brackets may be left out or null.",
        "`rpc_modules` and `rpc.discover` (OpenRPC) tell the same to programs.",
        "The methods of `engine` are served on the authenticated port alone: see [engine-api.md](engine-api.md).",
    ]
    for namespace, rows in groupby(registry.methods(), key=lambda row: row.namespace):
        lines += ["", f"## {namespace}", "", _row("method", "parameters", "result", "what it does")]
        lines.append(_row("---", "---", "---", "---"))
        lines += [_row(_names(row), _params(row), row.result, row.summary) for row in rows]
    lines += ["", "## Errors", "", _row("code", "meaning"), _row("---", "---")]
    lines += [_row(str(code), meaning) for code, meaning in WIRE_ERRORS]
    return "\n".join(lines) + "\n"


def _names(row: Method) -> str:
    return ", ".join(f"`{name}`" for name in (row.name, *row.aliases))


def _params(row: Method) -> str:
    return ", ".join(param.name if param.required else f"[{param.name}]" for param in row.params)


def limits_document() -> str:
    """docs/limits.md."""
    lines = [
        "# Limits",
        "",
        "Made from the table in `rpc/limits.py` by `make docs`. Each limit is a flag of `zevm run`, a variable",
        "(`--rpc-call-gas` is `ZEVM_RPC_CALL_GAS`) and a key of the TOML file (`call-gas` in the table `[rpc]`).",
        "The pool's limits are in [settings.md](settings.md).",
        "",
        _row("flag", "default", "past the limit"),
        _row("---", "---", "---"),
        *(_row(f"`{row.flag}`", _number(row), row.effect) for row in limit_rows()),
        "",
        "## Time per gas",
        "",
        "`bench.time_per_gas` measures every opcode, precompile, WebAssembly instruction, host function, deployment",
        "and entry at its dearest input, and names those above 10 times the median opcode per gas. With the native EVM",
        "these are many, since its median is 0.6 ns a gas (Osaka, two loaded cores): hashes take up to 12 ns a gas,",
        "precompiles 59 (BLS12-381), WebAssembly's host functions 38, its instructions 62 (memory.copy), a deployment",
        "113. Dearest is the first call of a WebAssembly contract after a start, whose compiled code is read from the",
        "disk: 200 to 300 ns a gas, 1.4 ms at most.",
    ]
    return "\n".join(lines) + "\n"


def _number(row: LimitRow) -> str:
    return "a worker a core, 2 to 4" if row.name == "evm_workers" else f"{row.default:,}"
