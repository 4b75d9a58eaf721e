"""Parameter decoders: what they take, and geth's words for what they refuse."""

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zevm.chain.calls.overrides import BlockOverrides, StateOverride
from zevm.chain.types import AccessListEntry, Authorization, Log, Withdrawal
from zevm.chain.types.block_reference import EARLIEST, LATEST, PENDING, BlockReference, BlockTag
from zevm.rpc.codec import foreign_blocks, scalars
from zevm.rpc.codec.objects import (
    LogFilter,
    TransactionArguments,
    block_overrides,
    log_filter,
    state_overrides,
    transaction_arguments,
)
from zevm.rpc.codec.scalars import Decoder
from zevm.rpc.errors import InvalidParamsError, RpcError, ServerError

A, B = bytes.fromhex("aa" * 20), bytes.fromhex("bb" * 20)
HEX_A, HEX_B = "0x" + A.hex(), "0x" + B.hex()
H1, H2 = bytes.fromhex("11" * 32), bytes.fromhex("22" * 32)
HEX_H1, HEX_H2 = "0x" + H1.hex(), "0x" + H2.hex()
HEX_ONE = "0x" + "00" * 31 + "01"


@pytest.mark.parametrize(
    ("decode", "value", "expected"),
    [
        (scalars.data, "0x", b""),
        (scalars.data, "0xAbcD", b"\xab\xcd"),
        (scalars.data, "0X01", b"\x01"),
        (scalars.address, HEX_A, A),
        (scalars.address, "0x" + "Aa" * 20, A),
        (scalars.hash32, HEX_H1, H1),
        (scalars.quantity, "0x0", 0),
        (scalars.quantity, "0x" + "f" * 64, 2**256 - 1),
        (scalars.uint64, "0xffffffffffffffff", 2**64 - 1),
        (scalars.number, "0x10", 16),
        (scalars.number, "0x0010", 16),
        (scalars.number, "0x", 0),
        (scalars.number, "16", 16),
        (scalars.number, 16, 16),
        (scalars.number, str(2**256 - 1), 2**256 - 1),
        (scalars.boolean, True, True),
        (scalars.string, "", ""),
        (scalars.anything, [1], [1]),
        (scalars.json_object, {}, {}),
        (scalars.storage_slot, "0x0", 0),
        (scalars.storage_slot, "0xabc", 0xABC),
        (scalars.storage_slot, HEX_H1, int.from_bytes(H1, "big")),
        (scalars.storage_slot, "5", 5),
        (scalars.word, "0x" + "00" * 31 + "01", 1),
        (scalars.percentile, 5, 5.0),
        (scalars.percentile, 5.5, 5.5),
        (scalars.block_number, "latest", LATEST),
        (scalars.block_number, "0x7fffffffffffffff", BlockReference(number=2**63 - 1)),
        (scalars.block_number, 5, BlockReference(number=5)),
        (scalars.block_reference, "earliest", EARLIEST),
        (scalars.block_reference, "pending", PENDING),
        (scalars.block_reference, "safe", BlockReference(tag=BlockTag.SAFE)),
        (scalars.block_reference, "finalized", BlockReference(tag=BlockTag.FINALIZED)),
        (scalars.block_reference, "0x10", BlockReference(number=16)),
        (scalars.block_reference, HEX_H1, BlockReference(hash=H1)),
        (scalars.block_reference, {"blockNumber": "0x5"}, BlockReference(number=5)),
        (scalars.block_reference, {"blockNumber": "latest"}, LATEST),
        (scalars.block_reference, {"blockHash": HEX_H1}, BlockReference(hash=H1)),
        (
            scalars.block_reference,
            {"blockHash": HEX_H1, "requireCanonical": True},
            BlockReference(hash=H1, require_canonical=True),
        ),
        (scalars.array_of(scalars.quantity), ["0x1", "0x2"], [1, 2]),
        (scalars.array_of(scalars.quantity, 2), ["0x1", "0x2"], [1, 2]),
    ],
)
def test_accepted(decode: Decoder, value: Any, expected: Any) -> None:
    decoded = decode(value)
    assert decoded == expected
    assert type(decoded) is type(expected)


@pytest.mark.parametrize(
    ("decode", "value", "message"),
    [
        (scalars.data, None, "expected a hex string, got null"),
        (scalars.data, 5, "expected a hex string, got number"),
        (scalars.data, True, "expected a hex string, got boolean"),
        (scalars.data, [], "expected a hex string, got array"),
        (scalars.data, "", "empty hex string"),
        (scalars.block_number, "", "empty hex string"),
        (scalars.block_reference, "", "empty hex string"),
        (scalars.data, "ab", "hex string without 0x prefix"),
        (scalars.data, "0xabc", "hex string of odd length"),
        (scalars.data, "0xag", "invalid hex string"),
        (scalars.data, "0x ab ", "invalid hex string"),
        (scalars.data, "0xab\n0", "invalid hex string"),
        (scalars.data, "0x\u0660\u0661", "invalid hex string"),
        (scalars.address, "0xaa", "hex string has length 2, want 40 for common.Address"),
        (scalars.hash32, HEX_A, "hex string has length 40, want 64 for common.Hash"),
        (scalars.quantity, "0x", 'hex string "0x"'),
        (scalars.quantity, "0x01", "hex number with leading zero digits"),
        (scalars.quantity, "0x00", "hex number with leading zero digits"),
        (scalars.quantity, "0xx", "invalid hex string"),
        (scalars.quantity, "0x-1", "invalid hex string"),
        (scalars.quantity, "0x1_0", "invalid hex string"),
        (scalars.quantity, "10", "hex string without 0x prefix"),
        (scalars.quantity, 16, "expected a hex string, got number"),
        (scalars.quantity, "0x1" + "0" * 64, "hex number > 256 bits"),
        (scalars.uint64, "0x10000000000000000", "hex number > 64 bits"),
        (scalars.number, -1, "invalid number -1: must not be negative"),
        (scalars.number, 1.5, "expected a hex string, got number"),
        (scalars.number, True, "expected a hex string, got boolean"),
        (scalars.number, str(2**256), "number > 256 bits"),
        (scalars.number, "0x1" + "0" * 64, "number > 256 bits"),
        (scalars.number, "0x" + "0" * 100, "invalid hex string"),
        (scalars.number, "0xzz", "invalid hex string"),
        (scalars.boolean, 1, "expected a boolean, got number"),
        (scalars.string, 1, "expected a string, got number"),
        (scalars.json_object, [], "expected an object, got array"),
        (scalars.storage_slot, 1, "expected a hex string, got number"),
        (scalars.storage_slot, "0xg", "invalid hex string"),
        (scalars.storage_slot, "0x1" + "0" * 64, "hex string too long, want at most 32 bytes, have 33 bytes"),
        (scalars.percentile, True, "expected a number, got boolean"),
        (scalars.percentile, "5", "expected a number, got string"),
        (scalars.block_number, "newest", "hex string without 0x prefix"),
        (scalars.block_number, "0x8000000000000000", "block number larger than int64"),
        (scalars.block_number, -1, "block number -1 is out of range"),
        (scalars.block_number, 2**63, "block number 9223372036854775808 is out of range"),
        (scalars.block_number, [], "expected a block number or tag, got array"),
        (scalars.block_reference, "0x" + "1" * 63 + "g", "invalid hex string"),
        (scalars.block_reference, {}, "invalid arguments; neither block nor hash specified"),
        (
            scalars.block_reference,
            {"blockNumber": "0x1", "blockHash": HEX_H1},
            "cannot specify both BlockHash and BlockNumber, choose one or the other",
        ),
        (scalars.block_reference, {"blockHash": HEX_H1, "requireCanonical": "yes"}, "expected a boolean, got string"),
        (scalars.array_of(scalars.quantity), "0x1", "expected an array, got string"),
        (scalars.array_of(scalars.quantity), ["0x1", "0x"], 'hex string "0x"'),
        (scalars.array_of(scalars.quantity, 1), ["0x1", "0x2"], "too many items: have 2, want at most 1"),
    ],
)
def test_refused(decode: Decoder, value: Any, message: str) -> None:
    with pytest.raises(InvalidParamsError) as refused:
        decode(value)
    assert refused.value.message == message


def test_every_field_of_a_call_object() -> None:
    decoded = transaction_arguments(
        {
            "from": HEX_A,
            "to": HEX_B,
            "gas": "0x5208",
            "maxFeePerGas": "0x3",
            "maxPriorityFeePerGas": "0x3",
            "value": "0x4",
            "nonce": "0x5",
            "data": "0x06",
            "input": "0x06",
            "chainId": "0x7a69",
            "type": "0x2",
            "accessList": [{"address": HEX_A, "storageKeys": [HEX_H1]}, {"address": HEX_B}],
            "authorizationList": [
                {"chainId": "0x1", "address": HEX_A, "nonce": "0x0", "v": "0x1", "r": "0x2", "s": "0x3"},
                {"chainId": "0x1", "address": HEX_A, "nonce": "0x0", "yParity": "0x0", "r": "0x2", "s": "0x3"},
            ],
            "maxFeePerBlobGas": "0x8",
            "blobVersionedHashes": [HEX_H2],
            "blobs": ["0x" + "09" * 131_072],
            "commitments": ["0x" + "0a" * 48],
            "proofs": ["0x" + "0b" * 48],
            "unknown": {"ignored": True},
        }
    )
    assert decoded == TransactionArguments(
        sender=A,
        to=B,
        gas=21_000,
        max_fee_per_gas=3,
        max_priority_fee_per_gas=3,
        value=4,
        nonce=5,
        data=b"\x06",
        chain_id=31337,
        type=2,
        access_list=(AccessListEntry(A, (H1,)), AccessListEntry(B)),
        authorization_list=(Authorization(1, A, 0, 1, 2, 3), Authorization(1, A, 0, 0, 2, 3)),
        max_fee_per_blob_gas=8,
        blob_versioned_hashes=(H2,),
        blobs=(b"\x09" * 131_072,),
        commitments=(b"\x0a" * 48,),
        proofs=(b"\x0b" * 48,),
    )


@pytest.mark.parametrize("names", list(permutations(("gas", "to", "value"))))
def test_of_several_faults_the_first_of_the_table_is_told(
    names: tuple[str, ...],
) -> None:
    with pytest.raises(InvalidParamsError, match="field to: hex string without 0x prefix"):
        transaction_arguments(dict.fromkeys(names, "zz"))


@pytest.mark.parametrize("names", list(permutations(("time", "timestamp"))))
def test_of_two_names_of_one_field_the_later_one_of_the_table_holds(names: tuple[str, ...]) -> None:
    values = {"time": "0x1", "timestamp": "0x2"}
    assert block_overrides({name: values[name] for name in names}).timestamp == 2


def test_more_members_than_a_call_object_has_are_ignored() -> None:
    many = {f"unknown {number}": number for number in range(100)}
    assert transaction_arguments(many | {"gas": "0x5"}) == TransactionArguments(gas=5)


def test_creation_and_nulls_in_a_call_object() -> None:
    assert transaction_arguments({"to": None, "input": "0x01", "gasPrice": "0x5", "nonce": None}) == (
        TransactionArguments(data=b"\x01", gas_price=5)
    )
    assert transaction_arguments({}) == TransactionArguments()


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (5, InvalidParamsError, "expected an object, got number"),
        ({"to": "0x1"}, InvalidParamsError, "field to: hex string of odd length"),
        ({"gas": "0x10000000000000000"}, InvalidParamsError, "field gas: hex number > 64 bits"),
        (
            {"accessList": [{"storageKeys": []}]},
            InvalidParamsError,
            "field accessList: missing required field 'address' for AccessTuple",
        ),
        (
            {"authorizationList": [{"chainId": "0x1"}]},
            InvalidParamsError,
            "field authorizationList: missing required field 'address' for SetCodeAuthorization",
        ),
        (
            {"authorizationList": ["x"]},
            InvalidParamsError,
            "field authorizationList: expected an object, got string",
        ),
        (
            {"data": "0x01", "input": "0x02"},
            ServerError,
            'both "data" and "input" are set and not equal. Please use "input" to pass transaction call data',
        ),
        (
            {"gasPrice": "0x1", "maxFeePerGas": "0x1"},
            ServerError,
            "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified",
        ),
        (
            {"gasPrice": "0x1", "maxPriorityFeePerGas": "0x1"},
            ServerError,
            "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified",
        ),
        (
            {"maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x2"},
            ServerError,
            "maxFeePerGas (1) < maxPriorityFeePerGas (2)",
        ),
    ],
)
def test_call_objects_that_are_refused(value: Any, kind: type[RpcError], message: str) -> None:
    with pytest.raises(kind) as refused:
        transaction_arguments(value)
    assert refused.value.message == message


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, LogFilter()),
        ({"address": HEX_A}, LogFilter(addresses=(A,))),
        ({"address": [HEX_A, HEX_B]}, LogFilter(addresses=(A, B))),
        ({"address": [], "topics": []}, LogFilter()),
        ({"address": None, "topics": None, "fromBlock": None}, LogFilter()),
        ({"topics": [HEX_H1]}, LogFilter(topics=((H1,),))),
        ({"topics": [None, [HEX_H1, HEX_H2], []]}, LogFilter(topics=((), (H1, H2), ()))),
        ({"topics": [[HEX_H1, None]]}, LogFilter(topics=((),))),
        ({"fromBlock": "0x1", "toBlock": "latest"}, LogFilter(BlockReference(number=1), LATEST)),
        ({"blockHash": HEX_H1}, LogFilter(block_hash=H1)),
    ],
)
def test_log_filters(value: Any, expected: LogFilter) -> None:
    assert log_filter(value) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"blockHash": HEX_H1, "fromBlock": "0x1"}, "can't specify fromBlock/toBlock with blockHash"),
        ({"blockHash": HEX_H1, "toBlock": "latest"}, "can't specify fromBlock/toBlock with blockHash"),
        ({"topics": HEX_H1}, "field topics: expected an array, got string"),
        ({"topics": [HEX_H1] * 5}, "field topics: exceed max topics: have 5, want at most 4"),
        ({"topics": ["0x1"]}, "field topics: hex string of odd length"),
        ({"address": ["0x"]}, "field address: hex string has length 0, want 40 for common.Address"),
        ({"fromBlock": {}}, "field fromBlock: expected a block number or tag, got object"),
    ],
)
def test_log_filters_that_are_refused(value: Any, message: str) -> None:
    with pytest.raises(InvalidParamsError) as refused:
        log_filter(value)
    assert refused.value.message == message


@pytest.mark.parametrize(
    ("criteria", "matches"),
    [
        (LogFilter(), True),
        (LogFilter(addresses=(B, A)), True),
        (LogFilter(addresses=(B,)), False),
        (LogFilter(topics=((H1,),)), True),
        (LogFilter(topics=((H2,),)), False),
        (LogFilter(topics=((), (H1, H2))), True),
        (LogFilter(topics=((), ())), True),
        (LogFilter(topics=((), (), ())), False),
        (LogFilter(addresses=(A,), topics=((H2, H1), (H2,))), True),
    ],
)
def test_matching(criteria: LogFilter, matches: bool) -> None:
    assert criteria.matches(Log(A, (H1, H2), b"")) is matches


def test_state_overrides() -> None:
    decoded = state_overrides(
        {
            HEX_A: {"balance": "0x1", "nonce": "0x2", "code": "0x03", "stateDiff": {HEX_ONE: HEX_H1}},
            HEX_B: {"state": {HEX_H2: HEX_ONE}, "movePrecompileToAddress": HEX_A, "balance": None},
        }
    )
    assert decoded == {
        A: StateOverride(1, 2, b"\x03", None, {1: int.from_bytes(H1, "big")}),
        B: StateOverride(state={int.from_bytes(H2, "big"): 1}, move_precompile_to=A),
    }


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ([], InvalidParamsError, "expected an object, got array"),
        ({"0x1": {}}, InvalidParamsError, "hex string of odd length"),
        ({HEX_A: {"state": {}, "stateDiff": {}}}, ServerError, f"account {HEX_A} has both 'state' and 'stateDiff'"),
        ({HEX_A: {"state": []}}, InvalidParamsError, "field state: expected an object, got array"),
        (
            {HEX_A: {"stateDiff": {HEX_ONE: 5}}},
            InvalidParamsError,
            "field stateDiff: expected a hex string, got number",
        ),
    ],
)
def test_state_overrides_that_are_refused(value: Any, kind: type[RpcError], message: str) -> None:
    with pytest.raises(kind) as refused:
        state_overrides(value)
    assert refused.value.message == message


def test_block_overrides() -> None:
    withdrawal = {"index": "0x1", "validatorIndex": "0x2", "address": HEX_A, "amount": "0x3"}
    value = {
        "number": "0x5",
        "time": 6,
        "gasLimit": "0x7",
        "feeRecipient": HEX_A,
        "prevRandao": HEX_H1,
        "difficulty": "0x8",
        "baseFeePerGas": "0x9",
        "blobBaseFee": "0xa",
        "beaconRoot": HEX_H2,
        "withdrawals": [withdrawal],
        "blockHash": {"0x1": HEX_H1},
    }
    assert block_overrides(value) == BlockOverrides(
        number=5,
        timestamp=6,
        gas_limit=7,
        coinbase=A,
        prev_randao=H1,
        difficulty=8,
        base_fee_per_gas=9,
        blob_base_fee=10,
        parent_beacon_block_root=H2,
        withdrawals=(Withdrawal(1, 2, A, 3),),
        block_hashes={1: H1},
    )
    older = block_overrides({"coinbase": HEX_B, "random": HEX_H2, "baseFee": "0x1", "timestamp": "0x2"})
    assert older == BlockOverrides(coinbase=B, prev_randao=H2, base_fee_per_gas=1, timestamp=2)
    del withdrawal["amount"]
    with pytest.raises(InvalidParamsError, match="missing required field 'amount' for Withdrawal"):
        block_overrides(value)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from(["0x", HEX_A, HEX_H1]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["to", "topics", "address", "state", "balance", HEX_A, "accessList"]), inner)
    ),
    max_leaves=10,
)
DECODERS = [
    *scalars.SCHEMAS,
    transaction_arguments,
    log_filter,
    state_overrides,
    block_overrides,
]


@pytest.mark.slow
@given(JSON, st.sampled_from(DECODERS))
def test_nothing_but_rpc_errors_comes_out(value: Any, decode: Decoder) -> None:
    refused = None
    try:
        decode(value)
    except RpcError as error:
        refused = error
    assert refused is None or (refused.code in (-32602, -32000) and refused.message)


@given(st.integers(0, 2**256 - 1))
def test_quantities_round_trip(value: int) -> None:
    assert scalars.quantity(hex(value)) == scalars.number(hex(value)) == scalars.number(str(value)) == value


@given(st.binary(max_size=100))
def test_data_round_trips(value: bytes) -> None:
    assert scalars.data("0x" + value.hex()) == value


@pytest.mark.parametrize("value", [None, {}, {"chainId": 1, "address": HEX_A, "nonce": 1, "r": 1, "s": 1}])
def test_an_authorization_of_a_state_file_needs_its_fields(value: object) -> None:
    with pytest.raises(InvalidParamsError, match=r"missing required field '.*' for SetCodeAuthorization"):
        foreign_blocks._authorization(value)
