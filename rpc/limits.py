"""Every limit of the RPC server in one table: name, default, flag, meaning. docs/limits.md is made from it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, fields

from zevm.chain.rules.units import ETHER

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One row of the table as the command line and the documentation read it."""

    name: str
    default: int | float
    flag: str
    effect: str


def _limit(default: int | float, effect: str) -> "int":
    """A field whose metadata says what happens past the limit."""
    return field(default=default, metadata={"effect": effect})  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in force. Units stand in the names; the defaults are geth's where geth has one."""

    http_body_bytes: int = _limit(5 * MEBIBYTE, "a larger HTTP body is refused with 413")
    http_connections: int = _limit(4_096, "HTTP connections at once; a further one is closed unanswered")
    http_header_seconds: float = _limit(30.0, "a slower request head is cut off, a slower body gets 408")
    http_idle_seconds: float = _limit(120.0, "an idle keep-alive connection is closed")
    http_write_seconds: float = _limit(30.0, "a client that takes nothing of its answer so long is cut off")
    request_seconds: float = _limit(30.0, "calls of a batch that have not begun by then get -32002 `request timed out`")
    batch_items: int = _limit(1_000, "a longer batch is refused with one -32600 `batch too large`")
    json_structure: int = _limit(
        400_000, "a body with more brackets, commas and colons outside of strings is refused with -32600"
    )
    json_names: int = _limit(100_000, "a body with more members of objects is refused with -32600")
    json_depth: int = _limit(512, "a body with arrays and objects nested deeper is refused with -32700")
    response_bytes: int = _limit(
        25_000_000,
        "calls past this total of a batch, and a longer GraphQL answer, get -32003 `response too large`; "
        "a filter with more undelivered is removed",
    )
    websocket_connections: int = _limit(12_000, "WebSocket connections at once; a further one is refused with 503")
    websocket_message_bytes: int = _limit(5 * MEBIBYTE, "a larger message closes the connection (code 1009)")
    websocket_ping_seconds: float = _limit(30.0, "time between pings, and to answer one; then the connection is closed")
    websocket_message_seconds: float = _limit(
        30.0, "a message that is not whole so long after its first byte closes the connection (code 1008); IPC's too"
    )
    websocket_fragments: int = _limit(8_192, "a message in more fragments closes the connection (code 1008)")
    websocket_controls: int = _limit(100, "more pings and pongs within a second close the connection (code 1008)")
    websocket_write_seconds: float = _limit(
        10.0, "a client that takes nothing of what waits for it so long is cut off; on IPC too"
    )
    websocket_calls: int = _limit(64, "calls under way on one connection; more wait their turn")
    subscriptions: int = _limit(1_024, "subscriptions on one connection; one more gets -32005")
    subscription_queue: int = _limit(1_024, "unread notifications on one connection; one more cuts it off")
    unread_bytes: int = _limit(
        64 * MEBIBYTE, "while so much is unread on one connection, a further answer or notification cuts it off"
    )
    output_bytes: int = _limit(
        512 * MEBIBYTE,
        "past so much unread output of all clients and filters, those with most of it are cut off or removed",
    )
    input_bytes: int = _limit(
        256 * MEBIBYTE, "past so much unfinished input of all clients, a further part is refused (503, code 1013)"
    )
    event_bytes: int = _limit(
        64 * MEBIBYTE, "past so much of events still to be told, all subscribers are cut off, and all filters removed"
    )
    ipc_connections: int = _limit(256, "IPC connections at once; a further one is closed")
    ipc_message_bytes: int = _limit(5 * MEBIBYTE, "a larger IPC message closes the connection")
    receipt_hashes: int = _limit(200, "transaction hashes of a transactionReceipts subscription; one more gets -32602")
    filters: int = _limit(4_096, "polling filters at once; one more gets -32005")
    filter_idle_seconds: float = _limit(300.0, "a filter that nobody asks for so long is removed")
    filter_items: int = _limit(20_000, "undelivered changes of one filter; one more removes the filter")
    evm_workers: int = _limit(max(2, min(4, os.cpu_count() or 2)), "eth_call-like executions at once")
    evm_queue_ms: int = _limit(5_000, "an execution that has waited so long for a worker gets -32005 `limit exceeded`")
    evm_timeout_seconds: float = _limit(5.0, "an execution is aborted: `execution aborted (timeout = 5s)`")
    trace_seconds: float = _limit(
        30.0, "tracing one transaction is aborted: `execution timeout`; a request's own `timeout` takes its place"
    )
    trace_seconds_limit: float = _limit(
        300.0, "longest time of one tracing request; a longer `timeout` is lowered to it"
    )
    trace_memory_bytes: int = _limit(
        512 * MEBIBYTE, "bytes of all traces under way, about; one that would take more gets -32005"
    )
    call_gas: int = _limit(50_000_000, "gas cap of eth_call and eth_estimateGas; a higher request is lowered to it")
    transaction_fee_cap_wei: int = _limit(
        ETHER,
        "gas limit x gas price of a transaction sent over RPC (0: no cap, as the development chain has by default); "
        "more is refused",
    )
    many_calls: int = _limit(
        5_000, "calls of one eth_callMany, debug_traceCallMany, trace_callMany or eth_callBundle; one more gets -32602"
    )
    log_addresses: int = _limit(1_000, "addresses of a log filter; one more gets -32602")
    log_topics: int = _limit(1_000, "alternatives for one topic position of a log filter; one more gets -32602")
    log_block_range: int = _limit(0, "blocks that one eth_getLogs may span (0: any number); more gets -32602")
    log_blocks: int = _limit(
        50_000, "blocks of one eth_getLogs that may have matching logs by the index; one more gets -32602"
    )
    log_results: int = _limit(20_000, "logs that one eth_getLogs may return; more gets -32602")
    fee_history_blocks: int = _limit(1_024, "blocks of eth_feeHistory; a higher count is lowered to it")
    fee_history_percentiles: int = _limit(100, "percentiles of eth_feeHistory; one more gets -32000")
    storage_values: int = _limit(1_024, "slots of one eth_getStorageValues; one more gets -38026")
    state_file_bytes: int = _limit(64 * MEBIBYTE, "a state file of anvil_loadState that unpacks to more gets -32602")
    typed_data_types: int = _limit(1_024, "types that one eth_signTypedData uses; one more gets -32602")
    typed_data_depth: int = _limit(64, "structs and arrays within one another of typed data; one more gets -32602")
    proof_keys: int = _limit(1_024, "slots of one eth_getProof; one more gets -32602")
    sync_send_seconds: float = _limit(60.0, "longest wait of eth_sendRawTransactionSync; longer is lowered to it")
    engine_body_bytes: int = _limit(128 * MEBIBYTE, "as http-body-bytes and the WebSocket's, on the Engine API's port")
    engine_payload_bodies: int = _limit(1_024, "bodies of one engine_getPayloadBodies call; more gets -38004")
    engine_blob_hashes: int = _limit(128, "hashes of one engine_getBlobs call; one more gets -38004")
    engine_reorg_blocks: int = _limit(128, "blocks that one engine_forkchoiceUpdated may remove; one more gets -38006")
    engine_side_blocks: int = _limit(
        1_024, "blocks kept beside the chain; the lowest end of a branch gives way to a further one"
    )
    forward_queue: int = _limit(
        4_096, "transactions that wait to be forwarded to one node; a further one is not forwarded, and the log says so"
    )
    forward_seconds: float = _limit(5.0, "a node that transactions are forwarded to and that answers later is given up")
    search_transactions: int = _limit(
        100, "page size of ots_searchTransactions* and ots_getBlockTransactions; more gets -32602"
    )
    search_blocks: int = _limit(
        10_000,
        "blocks that one ots_searchTransactions* executes again; then, or past evm-timeout-seconds, it answers what it "
        "has found, or -32005 with the block to go on from",
    )
    balance_addresses: int = _limit(
        5_000, "addresses of one anvil_setBalance or anvil_addBalance; more gets -32602, and changes none"
    )
    impersonated_accounts: int = _limit(10_000, "accounts impersonated one by one; one more gets -32005")
    impersonated_signatures: int = _limit(1_024, "signatures of anvil_impersonateSignature; one more gets -32005")
    snapshots: int = _limit(10_000, "snapshots of evm_snapshot that are kept; one more gets -32005")
    mine_blocks: int = _limit(100_000, "blocks of one evm_mine or hardhat_mine; more gets -32602")
    reorg_blocks: int = _limit(1_024, "blocks that one anvil_reorg may replace; more gets -32602")
    graphql_tokens: int = _limit(5_000, "words and signs of a GraphQL query; a longer one is refused unread")
    graphql_depth: int = _limit(20, "fields within one another of a GraphQL query; a deeper one is refused")
    graphql_fragments: int = _limit(100, "fragments of a GraphQL query; one more is refused before it is validated")
    graphql_repetitions: int = _limit(
        100, "fields of one name, and fragments, in one selection of a GraphQL query; one more is refused"
    )
    graphql_fields: int = _limit(100_000, "fields and list items of a GraphQL answer; one more gets -32003")


def limit_rows() -> Iterator[LimitRow]:
    """The table, in the order of the class."""
    for item in fields(Limits):
        default = item.default
        assert isinstance(default, int | float)
        yield LimitRow(item.name, default, "--rpc-" + item.name.replace("_", "-"), item.metadata["effect"])
