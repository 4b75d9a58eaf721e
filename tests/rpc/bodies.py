"""The largest legal body of every method: a value for each kind of parameter, and for some methods a dearer one.

`LARGEST` goes by the parameter's decoder, so that a new method is covered by what it takes; a method with a parameter
of a new kind has no body until a row is added here, and the test that walks the registry fails.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import zevm.rpc.methods
from zevm.rpc.codec import engine, names, objects, scalars
from zevm.rpc.limits import Limits
from zevm.rpc.methods.debug import state as debug_state
from zevm.rpc.methods.dev import accounts, chain, time_mining
from zevm.rpc.methods.eth import bundles as eth_bundles
from zevm.rpc.methods.eth import sending, sign, simulate, state
from zevm.rpc.methods.support import bundles, tracing
from zevm.rpc.methods.trace import trace
from zevm.rpc.methods.zns import looking_up, registering
from zevm.rpc.methods.zvm import deployment, execution, modules
from zevm.rpc.registry import Method, Param

zevm.rpc.methods.load()

BODY_BYTES = 4_900_000
"""A little less than an HTTP body may have."""

LIMITS = Limits()
ENDLESS, LOGGING, STORED = ("0x" + digit * 40 for digit in "123")
ZERO_HASH = "0x" + "00" * 32


@dataclass(frozen=True)
class World:
    """What the node under test holds: hashes of its heavy block and of a transaction in it, an account, a filter."""

    account: str
    block_hash: str
    block_number: int
    transaction_hash: str
    filter_identifier: str


Value = Callable[[World, int], Any]
"""A parameter's value from the world and the bytes that it may take."""


def blob(world: World, size: int) -> str:  # noqa: ARG001  one signature
    """Bytes as hex."""
    return "0x" + "5b" * (size // 2 - 2)


def transaction(world: World, size: int) -> dict[str, Any]:
    """A call of code that does not end, with as much data as there is room for."""
    return {"from": world.account, "to": ENDLESS, "gas": hex(10**15), "data": blob(world, size)}


def overrides(world: World, size: int) -> dict[str, Any]:  # noqa: ARG001
    """State for many accounts."""
    count = min(size // 230, LIMITS.json_structure // 20)
    return {
        f"0x{index:040x}": {"balance": "0x1", "state": {"0x" + "01" * 32: "0x" + "02" * 32}} for index in range(count)
    }


def many(item: Any, item_bytes: int, count_limit: int = 10**9) -> Value:
    """A list of one value, repeated."""
    return lambda world, size: [item(world) if callable(item) else item] * min(size // item_bytes, count_limit)


def typed_data(world: World, size: int) -> dict[str, Any]:  # noqa: ARG001
    """As many types as may be, in a chain, and as many values."""
    count = LIMITS.typed_data_types - 4
    types = {f"C{index}": [{"name": "x", "type": f"C{index + 1}[]"}] for index in range(count)}
    types |= {f"C{count}": [{"name": "x", "type": "uint256"}], "A": [{"name": "b", "type": "B[]"}]}
    types["B"] = [{"name": "c", "type": "C0[]"}]
    return {"types": types, "primaryType": "A", "domain": {}, "message": {"b": [{"c": []}] * 50_000}}


def payload(world: World, size: int) -> dict[str, Any]:
    """A payload of many transactions upon an unknown parent."""
    return {
        **dict.fromkeys(("parentHash", "stateRoot", "receiptsRoot", "prevRandao", "blockHash"), ZERO_HASH),
        **dict.fromkeys(("blockNumber", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas"), "0x1"),
        "feeRecipient": world.account,
        "logsBloom": "0x" + "00" * 256,
        "extraData": "0x",
        "transactions": ["0x02" + "ab" * 60] * min(size // 130, 100_000),
    }


def simulation(world: World, _size: int) -> dict[str, Any]:
    """As many blocks as may be, with calls."""
    call = {"from": world.account, "to": LOGGING, "gas": hex(24_000)}
    return {"blockStateCalls": [{"calls": [call] * 8} for _ in range(256)], "returnFullTransactions": True}


def block(world: World, size: int) -> str:  # noqa: ARG001
    """The heavy block by number."""
    return hex(world.block_number)


def attributes(world: World, size: int) -> dict[str, Any]:
    """Many withdrawals."""
    withdrawal = {"index": "0x1", "validatorIndex": "0x1", "address": world.account, "amount": "0x1"}
    count = min(size // 130, LIMITS.json_structure // 20)
    return {
        "timestamp": "0xffffffffff",
        "prevRandao": ZERO_HASH,
        "suggestedFeeRecipient": world.account,
        "withdrawals": [withdrawal] * count,
        "parentBeaconBlockRoot": ZERO_HASH,
    }


def module(_world: World, size: int) -> str:
    """A module that is none but for its first bytes."""
    return "0x0061736d01000000" + "5b" * (size // 2 - 20)


ALL_KINDS = ["trace", "vmTrace", "stateDiff"]
LARGEST: dict[scalars.Decoder, Value] = {
    scalars.address: lambda world, _size: world.account,
    scalars.anything: lambda _world, _size: None,
    scalars.block_number: block,
    scalars.block_reference: block,
    scalars.boolean: lambda _world, _size: True,
    scalars.data: blob,
    scalars.hash32: lambda world, _size: world.block_hash,
    scalars.json_object: lambda _world, _size: {},
    scalars.number: lambda _world, _size: hex(1),
    scalars.quantity: lambda _world, _size: hex(10**9),
    scalars.storage_slot: lambda _world, _size: "0x1",
    scalars.string: lambda _world, _size: "x" * 20,
    scalars.uint64: lambda _world, _size: "0x1",
    scalars.word: lambda _world, _size: ZERO_HASH,
    engine.execution_payload: payload,
    engine.forkchoice_state: lambda world, _size: dict.fromkeys(
        ("headBlockHash", "safeBlockHash", "finalizedBlockHash"), world.block_hash
    ),
    engine.payload_attributes: attributes,
    engine.payload_identifier: lambda _world, _size: "0x" + "03" * 8,
    engine.transition_configuration: lambda _world, _size: {
        "terminalTotalDifficulty": "0x0",
        "terminalBlockHash": ZERO_HASH,
        "terminalBlockNumber": "0x0",
    },
    objects.block_overrides: lambda _world, _size: {"number": "0xffff"},
    objects.log_filter: lambda _world, _size: {
        "fromBlock": "0x0",
        "address": [f"0x{index:040x}" for index in range(999)] + [LOGGING],
        "topics": [],
    },
    objects.state_overrides: overrides,
    objects.transaction_arguments: transaction,
    accounts._one_or_many: lambda _world, size: [f"0x{index:040x}" for index in range(size // 50)],
    chain.reorg_options: lambda _world, _size: 2,
    chain.transaction_pairs: lambda _world, _size: [],
    debug_state._key: blob,
    eth_bundles.signed_bundle: lambda world, _size: {"txs": [blob(world, 100_000)] * 40, "blockNumber": "0xffff"},
    sending._conditions: lambda _world, size: {
        "knownAccounts": {f"0x{index:040x}": {"0x" + "01" * 32: ZERO_HASH} for index in range(size // 200)}
    },
    sign.message: blob,
    sign.typed_data: typed_data,
    simulate.simulation_arguments: simulation,
    state._wanted_slots: lambda _world, _size: {STORED: [f"0x{slot:064x}" for slot in range(LIMITS.storage_values)]},
    time_mining._interval: lambda _world, _size: 0,
    time_mining.mine_options: lambda _world, _size: {"blocks": LIMITS.mine_blocks},
    trace.calls: lambda world, size: [[transaction(world, 10_000), ALL_KINDS]] * (size // 10_100),
    trace.frame_filter: lambda _world, _size: {"fromBlock": "0x0"},
    trace.kinds: lambda _world, _size: ALL_KINDS,
    tracing.trace_call_config: lambda _world, _size: {"enableMemory": True},
    tracing.trace_config: lambda _world, _size: {"enableMemory": True},
    deployment.deployment: lambda world, size: {
        "from": world.account,
        "module": "0x0061736d01000000" + blob(world, size)[2:],
    },
    execution.function_call: lambda world, size: {
        "module": "0x0061736d01000000" + blob(world, size)[2:],
        "function": "f",
    },
    modules.price_table_name: lambda _world, _size: None,
    names.address_or_name: lambda world, _size: world.account,
    looking_up.record_keys: lambda _world, size: {"texts": ["k" * (size // LIMITS.zns_records)] * LIMITS.zns_records},
    registering.registration: lambda _world, size: {"name": "x.ghost", "texts": {"k": "v" * size}},
    bundles.state_context: lambda _world, _size: {"blockNumber": "latest"},
}
"""Decoder -> its largest value."""

BUNDLES: Value = lambda world, size: [{"transactions": [transaction(world, 10_000)] * (size // 10_300)}]  # noqa: E731
BY_PARAMETER: Mapping[tuple[str, str], Value] = {
    ("debug_traceCallMany", "bundles"): BUNDLES,
    ("engine_exchangeCapabilities", "methods"): many("engine_newPayloadV1", 25, LIMITS.json_structure - 10),
    ("engine_getBlobsV1", "versionedHashes"): many(ZERO_HASH, 70, LIMITS.engine_blob_hashes),
    ("engine_getBlobsV2", "versionedHashes"): many(ZERO_HASH, 70, LIMITS.engine_blob_hashes),
    ("engine_getBlobsV3", "versionedHashes"): many(ZERO_HASH, 70, LIMITS.engine_blob_hashes),
    ("engine_getPayloadBodiesByHashV1", "hashes"): many(
        lambda world: world.block_hash, 70, LIMITS.engine_payload_bodies
    ),
    ("engine_getPayloadBodiesByRangeV1", "count"): lambda _world, _size: hex(LIMITS.engine_payload_bodies),
    ("engine_newPayloadV3", "versionedHashes"): many(ZERO_HASH, 70, 20_000),
    ("engine_newPayloadV4", "versionedHashes"): many(ZERO_HASH, 70, 20_000),
    ("engine_newPayloadV4", "executionRequests"): many("0x01" + "ab" * 200, 410),
    ("eth_callMany", "bundles"): BUNDLES,
    ("eth_feeHistory", "blockCount"): lambda _world, _size: hex(LIMITS.fee_history_blocks),
    ("eth_feeHistory", "newestBlock"): lambda _world, _size: "latest",
    ("eth_feeHistory", "rewardPercentiles"): lambda _world, _size: list(range(LIMITS.fee_history_percentiles)),
    ("eth_getProof", "address"): lambda _world, _size: STORED,
    ("eth_getProof", "keys"): lambda _world, _size: [f"0x{slot:064x}" for slot in range(LIMITS.proof_keys)],
    ("eth_getStorageAt", "address"): lambda _world, _size: STORED,
    ("debug_storageRangeAt", "address"): lambda _world, _size: STORED,
    ("debug_storageRangeAt", "start"): lambda _world, _size: "0x",
    ("debug_storageRangeAt", "maxResult"): lambda _world, _size: 1_024,
    ("debug_accountRange", "start"): lambda _world, _size: "0x",
    ("debug_accountRange", "maxResults"): lambda _world, _size: 256,
    ("debug_getModifiedAccountsByNumber", "start"): lambda _world, _size: 0,
    ("debug_getModifiedAccountsByNumber", "end"): lambda world, _size: world.block_number,
    ("debug_getModifiedAccountsByHash", "end"): lambda _world, _size: None,
    ("eth_getFilterChanges", "filterId"): lambda world, _size: world.filter_identifier,
    ("eth_getFilterLogs", "filterId"): lambda world, _size: world.filter_identifier,
    ("eth_subscribe", "kind"): lambda _world, _size: "newHeads",
    ("eth_submitWork", "nonce"): lambda _world, _size: "0x" + "00" * 8,
    ("eth_submitHashrate", "hashrate"): lambda _world, _size: "0x01",
    ("evm_setNextBlockTimestamp", "timestamp"): lambda _world, _size: 2**33,
    ("personal_sign", "address"): lambda world, _size: world.account,
    ("personal_ecRecover", "signature"): lambda _world, _size: "0x" + "11" * 65,
    ("anvil_impersonateSignature", "signature"): lambda _world, _size: "0x" + "11" * 65,
    ("anvil_mine", "blocks"): lambda _world, _size: hex(LIMITS.mine_blocks),
    ("anvil_setChainId", "chainId"): lambda _world, _size: 31_337,
    ("anvil_setCode", "address"): lambda _world, _size: "0x" + "77" * 20,
    ("anvil_setNonce", "address"): lambda _world, _size: "0x" + "77" * 20,
    ("anvil_removePoolTransactions", "address"): lambda _world, _size: "0x" + "77" * 20,
    ("anvil_setMinGasPrice", "price"): lambda _world, _size: 1,
    ("anvil_setNextBlockBaseFeePerGas", "baseFee"): lambda _world, _size: 1,
    ("evm_setBlockGasLimit", "gasLimit"): lambda _world, _size: 30_000_000,
    ("ots_getBlockTransactions", "pageNumber"): lambda _world, _size: 0,
    ("zvm_auditContract", "contract"): lambda _world, _size: "0x" + "5b" * LIMITS.audit_code_bytes,
    ("zvm_profile", "transaction"): lambda world, size: LARGEST[objects.transaction_arguments](world, size),
    ("ots_getBlockTransactions", "pageSize"): lambda _world, _size: LIMITS.search_transactions,
    ("ots_searchTransactionsBefore", "block"): lambda _world, _size: 0,
    ("ots_searchTransactionsBefore", "pageSize"): lambda _world, _size: LIMITS.search_transactions,
    ("ots_searchTransactionsAfter", "block"): lambda _world, _size: 0,
    ("ots_searchTransactionsAfter", "pageSize"): lambda _world, _size: LIMITS.search_transactions,
    ("testing_buildBlockV1", "parentHash"): lambda world, _size: world.block_hash,
    ("testing_buildBlockV1", "attributes"): lambda world, _size: attributes(world, 1_000),
    ("testing_buildBlockV1", "transactions"): many("0x02" + "ab" * 60, 130, 30_000),
    ("testing_buildBlockV1", "extraData"): lambda _world, _size: "0x",
    ("trace_get", "traceAddress"): many("0x0", 6, 1_024),
    ("zvm_deployZigContract", "arguments"): many("0x" + "11" * 32, 70, 100_000),
    ("zvm_deployZigContract", "transaction"): transaction,
    ("zvm_estimateGasUsage", "module"): module,
    ("zvm_validateModule", "module"): module,
}
"""(method, parameter) -> a value that the decoder's row does not give, or a dearer one."""

LARGEST |= {
    scalars.bare_address: LARGEST[scalars.address],
    scalars.bare_data: LARGEST[scalars.data],
    scalars.bare_hash32: LARGEST[scalars.hash32],
    scalars.bare_word: LARGEST[scalars.word],
}
_HASHES = {scalars.hash32, scalars.bare_hash32}
_SMALL = frozenset(
    {
        *_HASHES,
        scalars.address,
        scalars.bare_address,
        scalars.block_number,
        scalars.block_reference,
        scalars.boolean,
        scalars.number,
    }
)


class NoBodyError(Exception):
    """A method takes a kind of parameter for which there is no row."""


def largest(method: Method, world: World) -> list[Any]:
    """The parameters of a method's largest legal body. Raises NoBodyError."""
    big = [param for param in method.params if param.decode not in _SMALL]
    size = (BODY_BYTES - 10_000) // max(1, len(big))
    return [_value(method, param, world, size) for param in method.params]


def _value(method: Method, param: Param, world: World, size: int) -> Any:
    chosen = BY_PARAMETER.get((method.name, param.name))
    if chosen is not None:
        return chosen(world, size)
    if param.decode in _HASHES and _names_transaction(method, param):
        return world.transaction_hash
    value = LARGEST.get(param.decode)
    if value is None:
        raise NoBodyError(f"{method.name}: no largest value for its parameter {param.name}")
    return value(world, size)


def _names_transaction(method: Method, param: Param) -> bool:
    if param.name == "transactionHash":
        return True
    return "Transaction" in method.name and "Block" not in method.name
