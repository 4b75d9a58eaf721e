"""Every limit of the RPC server in one table: name, default, flag, meaning. The source of docs/limits.md."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, fields

from zevm.chain.canonical.group_limits import MEBIBYTE
from zevm.chain.rules.units import ETHER


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One row of the table, for the command line and the documentation."""

    name: str
    default: int | float
    flag: str
    effect: str


def _limit(default: int | float, effect: str) -> "int":
    """A field; its metadata says what happens past the limit."""
    return field(default=default, metadata={"effect": effect})  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in force. Names contain the units; the defaults are geth's where geth has one."""

    http_body_bytes: int = _limit(5 * MEBIBYTE, "a larger HTTP body is refused with 413")
    http_connections: int = _limit(4_096, "simultaneous HTTP connections; a further one is closed unanswered")
    http_header_seconds: float = _limit(30.0, "a slower request head closes the connection, a slower body gets 408")
    http_idle_seconds: float = _limit(120.0, "an idle keep-alive connection is closed")
    http_write_seconds: float = _limit(30.0, "a client that reads none of its answer for this long is disconnected")
    request_seconds: float = _limit(30.0, "calls of a batch that have not begun by then get -32002 `request timed out`")
    batch_items: int = _limit(1_000, "a longer batch is refused with one -32600 `batch too large`")
    write_queue: int = _limit(
        16_384, "writes that wait for their turn, also of clients that have left; one more gets -32005"
    )
    write_queue_bytes: int = _limit(
        128 * MEBIBYTE, "bytes of the requests of those writes; one that exceeds it gets -32005"
    )
    write_group_commands: int = _limit(256, "sends that share one sync to the disk; further ones share the next")
    write_group_bytes: int = _limit(
        4 * MEBIBYTE, "bytes that sends may write before they are synced; further ones share the next sync"
    )
    write_group_seconds: float = _limit(
        0.25,
        "time of sends before their sync, and a fifth of it for sends of other requests; further ones share the next",
    )
    joint_sends: int = _limit(
        128, "sends of clients that wait at once and may share a block under instant mining; 1 for a block each"
    )
    fork_items: int = _limit(
        200_000,
        "accounts, slots, trie nodes and other records of the forked chain that are kept in memory, of each kind; "
        "others are asked for again",
    )
    fork_disk_bytes: int = _limit(
        2_048 * MEBIBYTE,
        "what forks have read, on disk; past it, a start deletes the blocks not used for longest, and a fork keeps "
        "no more",
    )
    fork_fetches: int = _limit(16, "simultaneous requests to the nodes of the forked chain; further ones wait")
    fork_waits: int = _limit(
        64, "executions and reads that wait for the forked chain, in addition to evm-workers; one more gets -32005"
    )
    fork_wait_seconds: float = _limit(
        30.0, "total wait of one execution for the forked chain, on top of its own time; then it gets -32000"
    )
    json_structure: int = _limit(
        400_000, "a body with more brackets, commas and colons outside strings is refused with -32600"
    )
    json_names: int = _limit(100_000, "a body with more object members is refused with -32600")
    json_depth: int = _limit(512, "a body with deeper nesting is refused with -32700")
    response_bytes: int = _limit(
        25_000_000,
        "calls past this total of a batch, and a longer GraphQL answer, get -32003 `response too large`; "
        "a filter with more undelivered bytes is removed",
    )
    websocket_connections: int = _limit(12_000, "simultaneous WebSocket connections; a further one is refused with 503")
    websocket_message_bytes: int = _limit(5 * MEBIBYTE, "a larger message closes the connection (code 1009)")
    websocket_ping_seconds: float = _limit(
        30.0, "interval of pings, and time to answer one before the connection closes"
    )
    websocket_message_seconds: float = _limit(
        30.0, "a message incomplete this long after its first byte closes the connection (code 1008); also on IPC"
    )
    websocket_fragments: int = _limit(8_192, "a message in more fragments closes the connection (code 1008)")
    websocket_controls: int = _limit(100, "more pings and pongs within a second close the connection (code 1008)")
    websocket_write_seconds: float = _limit(
        10.0, "a client that reads nothing of its pending output for this long is disconnected; also on IPC"
    )
    websocket_calls: int = _limit(64, "running calls of one connection; further ones wait")
    subscriptions: int = _limit(1_024, "subscriptions on one connection; one more gets -32005")
    subscription_queue: int = _limit(1_024, "unread notifications of one connection; one more closes it")
    unread_bytes: int = _limit(
        64 * MEBIBYTE, "unread bytes of one connection; a further answer or notification closes it"
    )
    output_bytes: int = _limit(
        512 * MEBIBYTE,
        "unread output of all clients and filters; past it, the largest are disconnected or removed",
    )
    input_bytes: int = _limit(
        256 * MEBIBYTE, "unfinished input of all clients; a further part is refused (503, code 1013)"
    )
    event_bytes: int = _limit(
        64 * MEBIBYTE, "undelivered events; past it, all subscribers are disconnected and all filters removed"
    )
    ipc_connections: int = _limit(256, "simultaneous IPC connections; a further one is closed")
    ipc_message_bytes: int = _limit(5 * MEBIBYTE, "a larger IPC message closes the connection")
    quic_connections: int = _limit(256, "simultaneous QUIC connections; a further one is refused (CONNECTION_REFUSED)")
    quic_connections_per_address: int = _limit(
        16, "simultaneous QUIC connections of one IPv4 address, or of one IPv6 /64; a further one is refused"
    )
    quic_half_open: int = _limit(
        50, "unfinished QUIC handshakes; past it, clients on loopback too prove their address first (Retry)"
    )
    quic_handshake_seconds: float = _limit(10.0, "a QUIC handshake that takes longer is given up")
    quic_idle_seconds: float = _limit(30.0, "an idle QUIC connection is closed")
    quic_streams: int = _limit(32, "open bidirectional streams of one QUIC connection; further ones wait at the client")
    quic_unidirectional_streams: int = _limit(3, "open unidirectional streams of one QUIC connection (HTTP/3 needs 3)")
    quic_stream_window_bytes: int = _limit(
        512 * 1024, "unread bytes of one QUIC stream; the client waits before it sends more"
    )
    quic_connection_window_bytes: int = _limit(
        2 * MEBIBYTE, "unread bytes of one QUIC connection; the client waits before it sends more"
    )
    quic_write_seconds: float = _limit(
        30.0, "a client that acknowledges nothing of its reply for this long has its stream reset (0x105)"
    )
    quic_message_bytes: int = _limit(2 * MEBIBYTE, "a longer request of zvm/1 has its stream reset (0x101) unread")
    quic_body_seconds: float = _limit(10.0, "a request over QUIC that is not whole by then is given up (0x105)")
    quic_input_bytes: int = _limit(
        4 * MEBIBYTE,
        "requests held of one QUIC connection; a further one has its stream reset (0x103; HTTP/3: 0x107)",
    )
    quic_total_input_bytes: int = _limit(
        64 * MEBIBYTE, "requests held of all QUIC connections; a further one has its stream reset"
    )
    quic_output_bytes: int = _limit(
        4 * MEBIBYTE,
        "replies held of one QUIC connection; a further one has its stream reset (0x103; HTTP/3: 503)",
    )
    quic_executions: int = _limit(100, "simultaneous executions of zvm/1; one more gets `Server busy, try again later`")
    quic_authentication_seconds: float = _limit(
        60.0, "a signed request of zvm/1 that is valid for longer gets status 7"
    )
    quic_nonces: int = _limit(100_000, "unexpired nonces of signed requests; a further request gets `Server busy`")
    quic_nonces_per_address: int = _limit(
        25_000, "unexpired nonces of one IPv4 address, or of one IPv6 /64; its further requests get `Server busy`"
    )
    quic_datagram_bytes: int = _limit(1_200, "size of sent UDP payloads, until larger ones are seen to get through")
    quic_largest_datagram_bytes: int = _limit(
        16_000, "larger sizes of sent UDP payloads that a connection with much to send tries (1452, 8952, 16000)"
    )
    receipt_hashes: int = _limit(200, "transaction hashes of a transactionReceipts subscription; one more gets -32602")
    filters: int = _limit(4_096, "simultaneous polling filters; one more gets -32005")
    filter_idle_seconds: float = _limit(300.0, "a filter not polled for this long is removed")
    filter_items: int = _limit(20_000, "undelivered changes of one filter; one more removes the filter")
    evm_workers: int = _limit(max(2, min(4, os.cpu_count() or 2)), "simultaneous executions such as eth_call")
    evm_queue_ms: int = _limit(5_000, "an execution that waits longer for a worker gets -32005 `limit exceeded`")
    brief_execution_us: int = _limit(
        500,
        "an execution that is known to be short runs on the event loop, within this time, and with the chain in memory "
        "a transaction within twice this time of a processor (0: none does); what takes longer there begins again on a "
        "worker or the writer's thread",
    )
    brief_kinds: int = _limit(10_000, "kinds of executions whose time is known; past it, the oldest are forgotten")
    evm_timeout_seconds: float = _limit(5.0, "a longer execution is aborted: `execution aborted (timeout = 5s)`")
    trace_seconds: float = _limit(
        30.0, "a longer trace of one transaction is aborted: `execution timeout`; a request's `timeout` replaces this"
    )
    trace_seconds_limit: float = _limit(
        300.0, "longest time of one tracing request; a longer `timeout` is lowered to it"
    )
    trace_memory_bytes: int = _limit(
        512 * MEBIBYTE, "approximate bytes of all running traces; a trace that would exceed it gets -32005"
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
        50_000, "blocks of one eth_getLogs that may match according to the index; one more gets -32602"
    )
    log_cache_bytes: int = _limit(
        4 * MEBIBYTE,
        "logs of the newest 256 blocks as JSON, kept for further searches; past it, the oldest are forgotten",
    )
    log_results: int = _limit(20_000, "logs that one eth_getLogs may return; more gets -32602")
    fee_history_blocks: int = _limit(1_024, "blocks of eth_feeHistory; a higher count is lowered to it")
    fee_history_percentiles: int = _limit(100, "percentiles of eth_feeHistory; one more gets -32000")
    storage_values: int = _limit(1_024, "slots of one eth_getStorageValues; one more gets -38026")
    state_file_bytes: int = _limit(64 * MEBIBYTE, "a state file of anvil_loadState that unpacks to more gets -32602")
    typed_data_types: int = _limit(1_024, "types used by one eth_signTypedData; one more gets -32602")
    typed_data_depth: int = _limit(64, "nesting depth of structs and arrays in typed data; a deeper one gets -32602")
    proof_keys: int = _limit(1_024, "slots of one eth_getProof; one more gets -32602")
    sync_send_seconds: float = _limit(60.0, "longest wait of eth_sendRawTransactionSync; longer is lowered to it")
    engine_body_bytes: int = _limit(
        128 * MEBIBYTE, "size of a request to the Engine API's port; a larger one is refused, as on the main port"
    )
    engine_payload_bodies: int = _limit(1_024, "bodies of one engine_getPayloadBodies call; more gets -38004")
    engine_blob_hashes: int = _limit(128, "hashes of one engine_getBlobs call; one more gets -38004")
    engine_reorg_blocks: int = _limit(128, "blocks that one engine_forkchoiceUpdated may remove; one more gets -38006")
    engine_side_blocks: int = _limit(1_024, "side blocks that are kept; a further one evicts the lowest branch end")
    forward_queue: int = _limit(
        4_096, "transactions queued for forwarding to one node; a further one is not forwarded, and the log says so"
    )
    forward_seconds: float = _limit(5.0, "time for a forwarding target to answer; then it counts as unreachable")
    replica_followers: int = _limit(32, "simultaneous followers of this node; a further one is refused")
    replica_followers_per_address: int = _limit(
        8, "simultaneous followers of one IP address (IPv6: its /64); a further one is refused"
    )
    replica_batch_blocks: int = _limit(256, "blocks that a follower is sent, and takes, at once")
    replica_batch_bytes: int = _limit(MEBIBYTE, "a batch for a follower ends before the block that makes it larger")
    replica_message_bytes: int = _limit(
        16 * MEBIBYTE, "a larger block, genesis or answer between leader and follower is refused by either"
    )
    replica_message_seconds: float = _limit(
        30.0, "a message between leader and follower that takes longer ends the connection"
    )
    replica_heartbeat_seconds: float = _limit(
        2.0, "longest time that a leader leaves a follower without a word; after five of them the follower hangs up"
    )
    replica_idle_seconds: float = _limit(600.0, "a follower that asks for nothing for this long is disconnected")
    replica_retry_seconds: float = _limit(10.0, "longest pause before a follower tries to reach its leader again")
    replica_calls: int = _limit(32, "calls of followers that run at their leader at once; one more is refused")
    replica_calls_per_address: int = _limit(
        16, "calls of followers of one IP address (IPv6: its /64) that run at once; one more is refused"
    )
    replica_compared_entries: int = _limit(
        250_000,
        "accounts and slots that a leader compares within a minute for followers of one IP address, to send changes "
        "outside of blocks; past it, they are refused until the minute is over",
    )
    replica_difference_bytes: int = _limit(
        16 * MEBIBYTE, "changes outside of blocks that a leader keeps for the next follower; one more evicts the oldest"
    )
    replica_catch_up_seconds: float = _limit(
        1.0,
        "longest time that a follower holds back the leader's answer until its own chain has the leader's head",
    )
    replica_rewind_blocks: int = _limit(
        1_024, "blocks that a follower takes back when its leader has others, unless the chain is for development"
    )
    replica_behind_blocks: int = _limit(64, "a follower that is further behind its leader answers /health with 503")
    zns_records: int = _limit(64, "records of one zns_records or zns_register; one more gets -32602")
    zns_cache: int = _limit(
        1_024, "answers of the names port that are kept while the head stays; one more evicts the oldest"
    )
    zns_cache_bytes: int = _limit(16 * 1024, "a name and its answer that are longer are not kept")
    zns_upstream_seconds: float = _limit(3.0, "time for the whole exchange with the upstream name resolver; then 504")
    zns_upstream_head_bytes: int = _limit(
        16 * 1024, "longer headers of the upstream name resolver are refused with 502"
    )
    zns_upstream_bytes: int = _limit(64 * 1024, "a longer answer of the upstream name resolver is refused with 502")
    zns_upstream_calls: int = _limit(
        8, "simultaneous calls of the upstream name resolver; as many may wait, one more gets 503"
    )
    zns_upstream_cache: int = _limit(1_024, "kept answers of the upstream name resolver; one more evicts the oldest")
    zns_upstream_cache_seconds: int = _limit(
        300, "longest time that an answer of the upstream name resolver is kept; 0: none is"
    )
    search_transactions: int = _limit(
        100, "page size of ots_searchTransactions* and ots_getBlockTransactions; more gets -32602"
    )
    search_blocks: int = _limit(
        10_000,
        "blocks that one ots_searchTransactions* executes again; then, or past evm-timeout-seconds, it returns what it "
        "has found, or -32005 with the block to continue from",
    )
    zig_source_bytes: int = _limit(256 * 1024, "a larger source of zvm_deployZigContract gets -32602")
    zig_seconds: float = _limit(30.0, "a compiler that takes longer is ended, and the call gets -32050")
    zig_memory_bytes: int = _limit(1024 * MEBIBYTE, "writable memory of a compiler, which ends at more: -32050")
    zig_file_bytes: int = _limit(
        64 * MEBIBYTE, "size of each file that a compiler writes; a larger one ends it: -32050"
    )
    zig_compiles: int = _limit(1, "simultaneous compiles of zvm_deployZigContract; further ones wait")
    zig_waiting: int = _limit(8, "compiles that wait for their turn; one more gets -32005")
    zig_client_compiles: int = _limit(
        6, "compiles of one client's address (IPv6: its /64), under way and waiting; one more gets -32005"
    )
    audit_seconds: float = _limit(
        20.0, "time of one zvm_auditContract; then it reports what it has found, or gets -32000 before it has anything"
    )
    audit_code_bytes: int = _limit(256 * 1024, "larger code of zvm_auditContract gets -32602")
    audits: int = _limit(1, "simultaneous calls of zvm_auditContract; one more gets -32005")
    balance_addresses: int = _limit(
        5_000, "addresses of one anvil_setBalance or anvil_addBalance; more gets -32602 and changes nothing"
    )
    impersonated_accounts: int = _limit(10_000, "individually impersonated accounts; one more gets -32005")
    impersonated_signatures: int = _limit(1_024, "signatures of anvil_impersonateSignature; one more gets -32005")
    snapshots: int = _limit(10_000, "stored snapshots of evm_snapshot; one more gets -32005")
    mine_blocks: int = _limit(100_000, "blocks of one evm_mine or hardhat_mine; more gets -32602")
    reorg_blocks: int = _limit(1_024, "blocks that one anvil_reorg may replace; more gets -32602")
    explorer_rows: int = _limit(50, "rows of a list on one page of the explorer; further ones are on the next page")
    explorer_calls: int = _limit(
        300, "calls and logs of a transaction, or changes that it made, on one page of the explorer; the rest is cut"
    )
    explorer_value_bytes: int = _limit(
        2_048, "bytes of one text or value of the chain on a page of the explorer; the rest is cut"
    )
    explorer_page_bytes: int = _limit(
        64 * 1024, "bytes of all texts and values on a page of the explorer, as HTML; further ones are cut"
    )
    explorer_trace_seconds: float = _limit(
        2.0, "time in which a transaction is executed again for a page of the explorer, which then says so"
    )
    explorer_trace_bytes: int = _limit(2 * MEBIBYTE, "larger traces are not shown by the explorer, which then says so")
    explorer_transfers: int = _limit(
        2_000, "newest Transfer logs that a page of the explorer finds a token's holders by; older ones are left out"
    )
    verify_seconds: float = _limit(
        120.0, "a Solidity compiler of a verification that takes longer is ended: the contract is not verified"
    )
    verify_memory_bytes: int = _limit(
        4_096 * MEBIBYTE, "writable memory of a Solidity compiler, which ends at more: the contract is not verified"
    )
    verify_output_bytes: int = _limit(
        64 * MEBIBYTE, "size of a Solidity compiler's answer, which ends at more: the contract is not verified"
    )
    verify_compiles: int = _limit(1, "contracts that are verified at a time; further ones wait")
    verify_waiting: int = _limit(16, "contracts that wait to be verified; one more is told to try again")
    verify_outcomes: int = _limit(1_000, "outcomes of verifications that can be asked for; one more evicts the oldest")
    verified_contracts: int = _limit(1_000, "verified contracts that are kept; one more is not verified")
    verified_bytes: int = _limit(
        256 * MEBIBYTE, "sources and artifacts of verified contracts that are kept; one that exceeds it is not verified"
    )
    graphql_tokens: int = _limit(5_000, "tokens of a GraphQL query; a longer one is refused without parsing")
    graphql_depth: int = _limit(20, "nesting depth of a GraphQL query; a deeper one is refused")
    graphql_fragments: int = _limit(100, "fragments of a GraphQL query; one more is refused before it is validated")
    graphql_repetitions: int = _limit(
        100, "fields of the same name, and fragments, in one selection of a GraphQL query; one more is refused"
    )
    graphql_fields: int = _limit(100_000, "fields and list items of a GraphQL answer; one more gets -32003")


def limit_rows() -> Iterator[LimitRow]:
    """The table, in the order of the class."""
    for item in fields(Limits):
        default = item.default
        assert isinstance(default, int | float)
        yield LimitRow(item.name, default, "--rpc-" + item.name.replace("_", "-"), item.metadata["effect"])
