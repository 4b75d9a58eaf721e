"""Decoders of parameter objects: calls, log filters, state and block overrides."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from zevm.chain.calls.overrides import BlockOverrides, StateOverride
from zevm.chain.types import AccessListEntry, Authorization, Log, Withdrawal
from zevm.chain.types.block_reference import BlockReference
from zevm.chain.types.transaction import BLOB_BYTES
from zevm.core import replaced_by
from zevm.rpc.codec import scalars
from zevm.rpc.codec.scalars import Decoder, kind_of, schema
from zevm.rpc.errors import InvalidParamsError, RpcError, ServerError
from zevm.storage.primitives import Address, Hash32

MAX_TOPICS = 4


def decode_fields(value: object, table: Mapping[str, tuple[str, Decoder]]) -> dict[str, Any]:
    """Decode the members of a JSON object that `table` names (wire name -> own name, decoder).

    As in geth, null counts as absent, a null object as one without members, and unknown members are ignored.
    """
    if value is None:
        return {}
    if type(value) is not dict:
        raise InvalidParamsError(f"expected an object, got {kind_of(value)}")
    decoded = _decode_in_its_order(value, table) if len(value) <= len(table) else None
    return _decode_in_table_order(value, table) if decoded is None else decoded


def _decode_in_its_order(value: dict[str, object], table: Mapping[str, tuple[str, Decoder]]) -> dict[str, Any] | None:
    """The members that there are; None where the table's order matters: after an error, and of two for one own name."""
    decoded: dict[str, Any] = {}
    try:
        for wire_name, item in value.items():
            row = table.get(wire_name)
            if row is None or item is None:
                continue
            own_name, decoder = row
            if own_name in decoded:
                return None
            decoded[own_name] = decoder(item)
    except RpcError:
        return None
    return decoded


def _decode_in_table_order(value: dict[str, object], table: Mapping[str, tuple[str, Decoder]]) -> dict[str, Any]:
    decoded: dict[str, Any] = {}
    for wire_name, (own_name, decoder) in table.items():
        item = value.get(wire_name)
        if item is None:
            continue
        try:
            decoded[own_name] = decoder(item)
        except InvalidParamsError as error:
            raise InvalidParamsError(f"field {wire_name}: {error.message}") from None
    return decoded


class TransactionArguments(NamedTuple):
    """A call or transaction object from a client; None for absent members. Fees in wei per gas."""

    sender: Address | None = None
    to: Address | None = None
    gas: int | None = None
    gas_price: int | None = None
    max_fee_per_gas: int | None = None
    max_priority_fee_per_gas: int | None = None
    value: int | None = None
    nonce: int | None = None
    data: bytes = b""
    chain_id: int | None = None
    type: int | None = None
    access_list: tuple[AccessListEntry, ...] | None = None
    authorization_list: tuple[Authorization, ...] | None = None
    max_fee_per_blob_gas: int | None = None
    blob_versioned_hashes: tuple[bytes, ...] | None = None
    blobs: tuple[bytes, ...] | None = None
    commitments: tuple[bytes, ...] | None = None
    proofs: tuple[bytes, ...] | None = None
    cell_proofs: tuple[bytes, ...] | None = None


NO_ARGUMENTS = TransactionArguments()


def require_fields(decoded: Mapping[str, object], table: Mapping[str, tuple[str, Decoder]], structure: str) -> None:
    """Raises InvalidParamsError with geth's text for the first member of `table` that `decode_fields` missed."""
    for wire_name, (own_name, _) in table.items():
        if own_name not in decoded:
            raise InvalidParamsError(f"missing required field '{wire_name}' for {structure}")


def access_list_entry(value: object) -> AccessListEntry:
    """{address, storageKeys} (EIP-2930)."""
    decoded = decode_fields(
        value,
        {"address": ("address", scalars.address), "storageKeys": ("storage_keys", scalars.tuple_of(scalars.hash32))},
    )
    if "address" not in decoded:
        raise InvalidParamsError("missing required field 'address' for AccessTuple")
    return AccessListEntry(**decoded)


_AUTHORIZATION_FIELDS: dict[str, tuple[str, Decoder]] = {
    "chainId": ("chain_id", scalars.quantity),
    "address": ("address", scalars.address),
    "nonce": ("nonce", scalars.uint64),
    "yParity": ("y_parity", scalars.uint64),
    "r": ("r", scalars.quantity),
    "s": ("s", scalars.quantity),
}


def authorization(value: object) -> Authorization:
    """{chainId, address, nonce, yParity, r, s} (EIP-7702); `v` is accepted for yParity."""
    decoded = decode_fields(value, _AUTHORIZATION_FIELDS)
    if "y_parity" not in decoded and type(value) is dict:
        decoded |= decode_fields(value, {"v": ("y_parity", scalars.uint64)})
    require_fields(decoded, _AUTHORIZATION_FIELDS, "SetCodeAuthorization")
    return Authorization(**decoded)


def transaction_type(value: object) -> int | None:
    """The type of transaction, as a number or in hex. As in geth the fields decide: any other value is ignored."""
    if type(value) is int:
        return value
    try:
        return scalars.uint64(value)
    except InvalidParamsError:
        return None


_CALL_FIELDS: dict[str, tuple[str, Decoder]] = {
    "from": ("sender", scalars.address),
    "to": ("to", scalars.address),
    "gas": ("gas", scalars.uint64),
    "gasPrice": ("gas_price", scalars.quantity),
    "maxFeePerGas": ("max_fee_per_gas", scalars.quantity),
    "maxPriorityFeePerGas": ("max_priority_fee_per_gas", scalars.quantity),
    "value": ("value", scalars.quantity),
    "nonce": ("nonce", scalars.uint64),
    "data": ("data", scalars.data),
    "input": ("input", scalars.data),
    "chainId": ("chain_id", scalars.quantity),
    "type": ("type", transaction_type),
    "accessList": ("access_list", scalars.tuple_of(access_list_entry)),
    "authorizationList": ("authorization_list", scalars.tuple_of(authorization)),
    "maxFeePerBlobGas": ("max_fee_per_blob_gas", scalars.quantity),
    "blobVersionedHashes": ("blob_versioned_hashes", scalars.tuple_of(scalars.hash32)),
    "blobs": ("blobs", scalars.tuple_of(scalars.fixed_data(BLOB_BYTES, "kzg4844.Blob"))),
    "commitments": ("commitments", scalars.tuple_of(scalars.fixed_data(48, "kzg4844.Commitment"))),
    "proofs": ("proofs", scalars.tuple_of(scalars.fixed_data(48, "kzg4844.Proof"))),
    "cellProofs": ("cell_proofs", scalars.tuple_of(scalars.fixed_data(48, "kzg4844.Proof"))),
}


@schema(type="object", title="Transaction call object", properties={name: {} for name in _CALL_FIELDS})
def transaction_arguments(value: object) -> TransactionArguments:
    """A call or transaction object. Raises ServerError with geth's texts for contradictory fields."""
    return _call_arguments(value, NO_ARGUMENTS)


@replaced_by("call_arguments")
def _call_arguments(value: object, usual: TransactionArguments) -> TransactionArguments:  # noqa: ARG001  the core's
    decoded = decode_fields(value, _CALL_FIELDS)
    payload = decoded.pop("input", None)
    if payload is not None:
        if decoded.get("data", payload) != payload:
            raise ServerError(
                'both "data" and "input" are set and not equal. Please use "input" to pass transaction call data'
            )
        decoded["data"] = payload
    return arguments_from(decoded)


def arguments_from(decoded: dict[str, Any]) -> TransactionArguments:
    """The object of decoded fields. Raises ServerError for contradictory fees."""
    if "max_fee_per_gas" in decoded or "max_priority_fee_per_gas" in decoded:
        _check_fees(decoded)
    return TransactionArguments(**decoded)


def _check_fees(decoded: dict[str, Any]) -> None:
    cap, tip = decoded.get("max_fee_per_gas"), decoded.get("max_priority_fee_per_gas")
    if "gas_price" in decoded and (cap is not None or tip is not None):
        raise ServerError("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")
    if cap is not None and tip is not None and cap < tip:
        raise ServerError(f"maxFeePerGas ({cap}) < maxPriorityFeePerGas ({tip})")


@dataclass(frozen=True, slots=True)
class LogFilter:
    """The logs that a client requests.

    Empty `addresses` match any. Each topic position is a tuple of alternatives; an empty one matches any.
    """

    from_block: BlockReference | None = None
    to_block: BlockReference | None = None
    block_hash: Hash32 | None = None
    addresses: tuple[Address, ...] = ()
    topics: tuple[tuple[bytes, ...], ...] = ()

    def matches(self, log: Log) -> bool:
        """Whether address and topics of a log match; the caller checks the block."""
        if self.addresses and log.address not in self.addresses:
            return False
        if len(self.topics) > len(log.topics):
            return False
        return all(not wanted or have in wanted for wanted, have in zip(self.topics, log.topics, strict=False))


def _one_or_many(decoder: Decoder) -> Decoder:
    def decode(value: object) -> tuple[bytes, ...]:
        return tuple(decoder(item) for item in value) if type(value) is list else (decoder(value),)

    return decode


def _topics(value: object) -> tuple[tuple[bytes, ...], ...]:
    if type(value) is not list:
        raise InvalidParamsError(f"expected an array, got {kind_of(value)}")
    if len(value) > MAX_TOPICS:
        raise InvalidParamsError(f"exceed max topics: have {len(value)}, want at most {MAX_TOPICS}")
    return tuple(_topic_position(item) for item in value)


def _topic_position(value: object) -> tuple[bytes, ...]:
    if value is None:
        return ()
    if type(value) is list:
        # geth: a null among the alternatives makes the position a wildcard
        return () if None in value else tuple(scalars.hash32(item) for item in value)
    return (scalars.hash32(value),)


_FILTER_FIELDS: dict[str, tuple[str, Decoder]] = {
    "fromBlock": ("from_block", scalars.block_number),
    "toBlock": ("to_block", scalars.block_number),
    "blockHash": ("block_hash", scalars.hash32),
    "address": ("addresses", _one_or_many(scalars.address)),
    "topics": ("topics", _topics),
}


@schema(type="object", title="Filter object", properties={name: {} for name in _FILTER_FIELDS})
def log_filter(value: object) -> LogFilter:
    """A filter object of eth_getLogs, eth_newFilter and eth_subscribe."""
    decoded = decode_fields(value, _FILTER_FIELDS)
    if "block_hash" in decoded and ("from_block" in decoded or "to_block" in decoded):
        raise InvalidParamsError("can't specify fromBlock/toBlock with blockHash")
    return LogFilter(**decoded)


def _slots(value: object) -> dict[int, int]:
    if type(value) is not dict:
        raise InvalidParamsError(f"expected an object, got {kind_of(value)}")
    return {scalars.word(slot): scalars.word(item) for slot, item in value.items()}


_ACCOUNT_OVERRIDE_FIELDS: dict[str, tuple[str, Decoder]] = {
    "balance": ("balance", scalars.quantity),
    "nonce": ("nonce", scalars.uint64),
    "code": ("code", scalars.data),
    "state": ("state", _slots),
    "stateDiff": ("state_diff", _slots),
    "movePrecompileToAddress": ("move_precompile_to", scalars.address),
}


@schema(type="object", title="State overrides by address")
def state_overrides(value: object) -> dict[Address, StateOverride]:
    """{address: {balance, nonce, code, state, stateDiff, movePrecompileToAddress}}."""
    overrides: dict[Address, StateOverride] = {}
    for wire_address, changes in scalars.json_object(value).items():
        account = scalars.address(wire_address)
        override = StateOverride(**decode_fields(changes, _ACCOUNT_OVERRIDE_FIELDS))
        if override.state is not None and override.state_diff is not None:
            raise ServerError(f"account 0x{account.hex()} has both 'state' and 'stateDiff'")
        overrides[account] = override
    return overrides


_WITHDRAWAL_FIELDS: dict[str, tuple[str, Decoder]] = {
    "index": ("index", scalars.uint64),
    "validatorIndex": ("validator_index", scalars.uint64),
    "address": ("address", scalars.address),
    "amount": ("amount_gwei", scalars.uint64),
}


def withdrawal(value: object) -> Withdrawal:
    """{index, validatorIndex, address, amount}; the amount in gwei (EIP-4895)."""
    decoded = decode_fields(value, _WITHDRAWAL_FIELDS)
    require_fields(decoded, _WITHDRAWAL_FIELDS, "Withdrawal")
    return Withdrawal(**decoded)


def _block_hashes(value: object) -> dict[int, bytes]:
    return {scalars.number(height): scalars.hash32(item) for height, item in scalars.json_object(value).items()}


def _lenient(decoder: Callable[[Any], Any]) -> Decoder:
    return lambda value: decoder(value) if type(value) is str else scalars.number(value)


_BLOCK_OVERRIDE_FIELDS: dict[str, tuple[str, Decoder]] = {
    "number": ("number", _lenient(scalars.quantity)),
    "time": ("timestamp", _lenient(scalars.uint64)),
    "timestamp": ("timestamp", _lenient(scalars.uint64)),
    "gasLimit": ("gas_limit", scalars.uint64),
    "feeRecipient": ("coinbase", scalars.address),
    "coinbase": ("coinbase", scalars.address),
    "prevRandao": ("prev_randao", scalars.hash32),
    "random": ("prev_randao", scalars.hash32),
    "difficulty": ("difficulty", scalars.quantity),
    "baseFeePerGas": ("base_fee_per_gas", scalars.quantity),
    "baseFee": ("base_fee_per_gas", scalars.quantity),
    "blobBaseFee": ("blob_base_fee", scalars.quantity),
    "beaconRoot": ("parent_beacon_block_root", scalars.hash32),
    "withdrawals": ("withdrawals", scalars.tuple_of(withdrawal)),
    "blockHash": ("block_hashes", _block_hashes),
}


@schema(type="object", title="Block overrides", properties={name: {} for name in _BLOCK_OVERRIDE_FIELDS})
def block_overrides(value: object) -> BlockOverrides:
    """{number, time, gasLimit, feeRecipient, prevRandao, baseFeePerGas, blobBaseFee, ...}, older names too."""
    return BlockOverrides(**decode_fields(value, _BLOCK_OVERRIDE_FIELDS))
