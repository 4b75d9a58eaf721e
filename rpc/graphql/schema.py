"""The schema: schema.graphql's text joined with the functions that decode its scalars and resolve its fields."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from graphql import (
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLScalarType,
    GraphQLSchema,
    build_schema,
)

from zevm.rpc.codec import scalars
from zevm.rpc.codec.scalars import Decoder
from zevm.rpc.errors import InvalidParamsError
from zevm.rpc.graphql import objects, roots
from zevm.rpc.graphql.objects import Fields

_MAX_INT64 = (1 << 63) - 1


def long(value: object) -> int:
    """A Long: as `codec.number` takes it, or negative, or a float without a fraction; 64 bits with the sign."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    negative = isinstance(value, str) and value[:1] == "-"
    number = value if type(value) is int else scalars.number(str(value)[1:] if negative else value)
    number = -number if negative else number
    if not -_MAX_INT64 <= number <= _MAX_INT64:
        raise InvalidParamsError(f"{number} does not fit the 64 bits of a Long")
    return number


SCALARS: dict[str, Decoder] = {
    "Address": scalars.address,
    "Bytes32": scalars.hash32,
    "Bytes": scalars.data,
    "BigInt": scalars.number,
    "Long": long,
}
"""Decoders of input. rpc.codec.results has encoded the output already."""

FIELDS: dict[str, Fields] = {
    "Account": objects.ACCOUNT,
    "Log": objects.LOG,
    "AccessTuple": objects.ACCESS_TUPLE,
    "Withdrawal": objects.WITHDRAWAL,
    "Transaction": objects.TRANSACTION,
    "Block": objects.BLOCK,
    "CallResult": objects.CALL_RESULT,
    "SyncState": objects.SYNC_STATE,
    "Pending": roots.PENDING_FIELDS,
    "Query": roots.QUERY,
    "Mutation": roots.MUTATION,
}

EXECUTIONS = frozenset({"pending", "call", "estimateGas"})
"""Fields that execute contracts. Queries with them, or with lists of objects, run on a worker."""

_OWN_NAMES: dict[tuple[str, str], dict[str, str]] = {
    ("Query", "block"): {"hash": "block_hash"},
    ("Query", "blocks"): {"from": "first", "to": "last"},
    ("Query", "transaction"): {"hash": "transaction_hash"},
    ("Query", "logs"): {"filter": "criteria"},
    ("Block", "logs"): {"filter": "criteria"},
}
"""Type, field -> argument -> the name of the Python parameter, if it differs."""

_INPUT_NAMES: dict[str, dict[str, str]] = {
    "CallData": {
        "from": "sender",
        "gasPrice": "gas_price",
        "maxFeePerGas": "max_fee_per_gas",
        "maxPriorityFeePerGas": "max_priority_fee_per_gas",
    },
    "FilterCriteria": {"fromBlock": "from_block", "toBlock": "to_block"},
}
"""Input type -> field -> its internal name, if it differs (rpc.codec.objects)."""


def load_schema() -> GraphQLSchema:
    """The executable schema. Raises KeyError if a field has no function, or a table names a missing field."""
    schema = build_schema((Path(__file__).parent / "schema.graphql").read_text())
    for name, decode in SCALARS.items():
        scalar = schema.type_map[name]
        assert isinstance(scalar, GraphQLScalarType)
        scalar.parse_value = scalar.coerce_input_value = decode  # type: ignore[method-assign, assignment]
    for name, functions in FIELDS.items():
        of_type = schema.type_map[name]
        assert isinstance(of_type, GraphQLObjectType)
        for field_name, field in of_type.fields.items():
            field.resolve = _resolver(functions[field_name])
    for (name, field_name), renames in _OWN_NAMES.items():
        of_type = schema.type_map[name]
        assert isinstance(of_type, GraphQLObjectType)
        for argument, own_name in renames.items():
            of_type.fields[field_name].args[argument].out_name = own_name
    for name, renames in _INPUT_NAMES.items():
        of_input = schema.type_map[name]
        assert isinstance(of_input, GraphQLInputObjectType)
        for field_name, own_name in renames.items():
            of_input.fields[field_name].out_name = own_name
    return schema


def _resolver(function: Callable[..., Any]) -> Callable[..., Any]:
    def resolve(source: object, info: GraphQLResolveInfo[Any], **arguments: object) -> Any:  # noqa: ARG001
        return function(source, **arguments)

    return resolve
