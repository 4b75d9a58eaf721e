"""Clients of a node's QUIC port (docs/quic.md); the extra `quic` installs what they need."""

from zevm.covenant.wasm import ExecutionOptions, ExecutionStatus, WasmExecutionRequest, WasmExecutionResult
from zevm.node.extras import of_extra

with of_extra("quic", "zevm.quic"):
    from zevm.rpc.transport.quic.options import QuicError
    from zevm.rpc.transport.quic.zvm.client import AsyncZvmQuicClient, ResolvedName, ServerStatistics, ZvmQuicClient

__all__ = [
    "AsyncZvmQuicClient",
    "ExecutionOptions",
    "ExecutionStatus",
    "QuicError",
    "ResolvedName",
    "ServerStatistics",
    "WasmExecutionRequest",
    "WasmExecutionResult",
    "ZvmQuicClient",
]
