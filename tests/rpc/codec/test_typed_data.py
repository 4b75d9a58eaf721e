"""EIP-712 hashes: as eth-account makes them, linear in the request, none that no verifier computes (B1, R8)."""

import time
from typing import Any

import pytest
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError
from zevm.rpc.codec.typed_data import hash_typed_data
from zevm.rpc.errors import InvalidParamsError
from zevm.rpc.limits import Limits

LIMITS = Limits()
DOMAIN = {"name": "test", "chainId": 1}
PERSON = [{"name": "name", "type": "string"}, {"name": "wallets", "type": "address[2]"}]
ADDRESSES = ["0x" + "11" * 20, "0x" + "22" * 20]

ATOMIC_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "address": st.binary(min_size=20, max_size=20).map(lambda data: "0x" + data.hex()),
    "bool": st.booleans(),
    "string": st.text(max_size=40),
    "bytes": st.binary(min_size=1, max_size=80).map(lambda data: "0x" + data.hex()),
    "bytes4": st.binary(min_size=4, max_size=4).map(lambda data: "0x" + data.hex()),
    "bytes32": st.binary(min_size=32, max_size=32).map(lambda data: "0x" + data.hex()),
    "uint8": st.integers(0, 255),
    "uint256": st.integers(0, 2**256 - 1).map(str),
    "int256": st.integers(-(2**255), 2**255 - 1).map(str),
    "int64": st.integers(-(2**63), 2**63 - 1),
}


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """Types that refer to later ones, alone or in arrays, and a message of the first."""
    count = draw(st.integers(1, 4))
    types: dict[str, list[dict[str, str]]] = {}
    for index in range(count):
        names = sorted(ATOMIC_VALUES) + [f"T{other}" for other in range(index + 1, count)]
        suffixes = st.sampled_from(["", "", "[]", "[2]", "[][1]"])
        kinds = draw(st.lists(st.tuples(st.sampled_from(names), suffixes), min_size=1, max_size=4))
        types[f"T{index}"] = [{"name": f"f{place}", "type": "".join(kind)} for place, kind in enumerate(kinds)]

    def value_of(kind: str) -> Any:
        if kind.endswith("]"):
            inner, _, length = kind[:-1].rpartition("[")
            return [value_of(inner) for _ in range(int(length) if length else draw(st.integers(0, 2)))]
        if kind in ATOMIC_VALUES:
            return draw(ATOMIC_VALUES[kind])
        return {field["name"]: value_of(field["type"]) for field in types[kind]}

    message = value_of("T0")
    return {"types": types, "primaryType": "T0", "domain": DOMAIN, "message": message}


def reachable(types: dict[str, Any]) -> dict[str, Any]:
    """eth-account takes no types but those that the primary one needs."""
    wanted, found = ["T0"], dict[str, Any]()
    while wanted:
        name = wanted.pop().split("[")[0]
        if name in types and name not in found:
            found[name] = types[name]
            wanted += [field["type"] for field in types[name]]
    return found


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(requests())
def test_hashes_agree_with_eth_account(request: dict[str, Any]) -> None:
    hashes = hash_typed_data(request, LIMITS, Deadline.after(60))
    wanted = encode_typed_data(full_message={**request, "types": reachable(request["types"])})
    assert (hashes.domain_separator, hashes.struct_hash) == (wanted.header, wanted.body)


def test_a_list_of_structs_ends_with_null() -> None:
    types = {"Node": [{"name": "next", "type": "Node"}]}
    message: Any = {"next": {"next": None}}
    request = {"types": types, "primaryType": "Node", "domain": DOMAIN, "message": message}
    assert (
        hash_typed_data(request, LIMITS, Deadline.after(60)).struct_hash == encode_typed_data(full_message=request).body
    )


def mail(**changes: Any) -> dict[str, Any]:
    message = {"name": "Cow", "wallets": ADDRESSES}
    return {"types": {"Person": PERSON}, "primaryType": "Person", "domain": DOMAIN, "message": message} | changes


def test_r8_every_field_left_out_is_named() -> None:
    for field in PERSON:
        message = {"name": "Cow", "wallets": ADDRESSES}
        del message[field["name"]]
        with pytest.raises(InvalidParamsError, match=f"missing value for field '{field['name']}' of type Person"):
            hash_typed_data(mail(message=message), LIMITS, Deadline.after(60))
    types = {"A": [{"name": "person", "type": "Person"}], "Person": PERSON}
    with pytest.raises(InvalidParamsError, match="missing value for field 'person' of type A"):
        hash_typed_data(mail(types=types, primaryType="A", message={}), LIMITS, Deadline.after(60))
    declared = {"Person": PERSON, "EIP712Domain": [{"name": "salt", "type": "bytes32"}]}
    with pytest.raises(InvalidParamsError, match="missing value for field 'salt' of type EIP712Domain"):
        hash_typed_data(mail(types=declared), LIMITS, Deadline.after(60))


@pytest.mark.parametrize("kind", ["uint256[2]", "uint256[2][]", "uint256[][2]", "Person[2]"])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_r8_arrays_of_another_length_are_refused(kind: str, count: int) -> None:
    item: Any = {"uint256[2]": 1, "uint256[2][]": 1, "uint256[][2]": [1], "Person[2]": {"x": 1}}[kind]
    value = [item] * count
    types = {"A": [{"name": "list", "type": kind}], "Person": [{"name": "x", "type": "uint8"}]}
    message = {"list": [value] if kind.endswith("[]") else value}
    with pytest.raises(InvalidParamsError, match=f"field 'list' of type A: expected an array of 2 items, got {count}"):
        hash_typed_data(mail(types=types, primaryType="A", message=message), LIMITS, Deadline.after(60))


WRONG: list[tuple[str, Any]] = [
    *[(kind, None) for kind in ATOMIC_VALUES],
    *[(kind, {}) for kind in ATOMIC_VALUES],
    ("uint8", 256),
    ("uint8", -1),
    ("int8", 128),
    ("int8", "-129"),
    ("uint256", str(2**256)),
    ("uint256", "1_0"),
    ("uint256", ""),
    ("uint256", 1e30),
    ("uint256", True),
    ("address", "0x" + "11" * 19),
    ("address", 5),
    ("bytes4", "0x112233"),
    ("bytes4", "0x1122334455"),
    ("bytes", "text"),
    ("bytes", "0xabc"),
    ("bool", "maybe"),
    ("bool", 2),
    ("string", 5),
    ("uint256[]", 5),
]


@pytest.mark.parametrize(("kind", "value"), WRONG)
def test_r8_values_that_no_verifier_hashes_are_refused(kind: str, value: Any) -> None:
    types = {"A": [{"name": "x", "type": kind}]}
    with pytest.raises(InvalidParamsError, match=r"field 'x' of type A: (expected|.*out of|.*not exact)"):
        hash_typed_data(mail(types=types, primaryType="A", message={"x": value}), LIMITS, Deadline.after(60))


@pytest.mark.parametrize(
    "typed",
    [
        {},
        mail(types=3),
        mail(primaryType="Nothing"),
        mail(primaryType="EIP712Domain"),
        mail(message=None),
        mail(domain={"chainId": 2**300}),
        mail(domain={"other": 1}),
        mail(types={"Person": [{"name": "x"}]}),
        mail(types={"Person": [{"name": "x", "type": "uint7"}]}),
        mail(types={"Person": [{"name": "x", "type": "uint8["}]}),
        mail(types={"Person": [{"name": "x", "type": "Other[]"}]}, message={"x": []}),
    ],
)
def test_ill_formed_typed_data_is_refused(typed: dict[str, Any]) -> None:
    with pytest.raises(InvalidParamsError, match="invalid typed data"):
        hash_typed_data(typed, LIMITS, Deadline.after(60))


def chained(types: int, items: int) -> dict[str, Any]:
    """A{B[] b}, B{C0[] c}, C0 to C(types - 1) in a chain, and a message {b: items x {c: []}}."""
    chain = {f"C{index}": [{"name": "x", "type": f"C{index + 1}[]"}] for index in range(types - 1)}
    chain[f"C{types - 1}"] = [{"name": "x", "type": "uint256"}]
    head = {"A": [{"name": "b", "type": "B[]"}], "B": [{"name": "c", "type": "C0[]"}]}
    message = {"b": [{"c": []}] * items}
    return {"types": head | chain, "primaryType": "A", "domain": {}, "message": message}


def seconds(request: dict[str, Any]) -> float:
    def once() -> float:
        begun = time.thread_time()
        hash_typed_data(request, LIMITS, Deadline.after(60))
        return time.thread_time() - begun

    return min(once() for _ in range(3))


@pytest.mark.slow
def test_b1_typed_data_is_linear() -> None:
    many_types, few_types = seconds(chained(1_000, 50_000)), seconds(chained(1, 50_000))
    assert many_types < 3 * few_types
    assert many_types < 30 * seconds(chained(1_000, 5_000))


def test_b1_limits_of_typed_data() -> None:
    assert hash_typed_data(chained(LIMITS.typed_data_types - 3, 1), LIMITS, Deadline.after(60))
    with pytest.raises(InvalidParamsError, match=f"more than {LIMITS.typed_data_types} types"):
        hash_typed_data(chained(LIMITS.typed_data_types - 2, 1), LIMITS, Deadline.after(60))

    def nested(depth: int) -> dict[str, Any]:
        message: Any = None
        for _ in range(depth):
            message = {"next": message}
        types = {"Node": [{"name": "next", "type": "Node"}]}
        return {"types": types, "primaryType": "Node", "domain": {}, "message": message}

    assert hash_typed_data(nested(LIMITS.typed_data_depth), LIMITS, Deadline.after(60))
    with pytest.raises(InvalidParamsError, match=f"nested deeper than {LIMITS.typed_data_depth}"):
        hash_typed_data(nested(LIMITS.typed_data_depth + 1), LIMITS, Deadline.after(60))


def test_b1_the_deadline_is_looked_at() -> None:
    """Every type is met, and each one's text holds those of all after it."""
    count = 1_000
    types = {f"C{index}": [{"name": "x", "type": f"C{index + 1}[]"}] for index in range(count)}
    types[f"C{count}"] = [{"name": "x" * 1_000, "type": "uint256"}]
    types["A"] = [{"name": f"f{index}", "type": f"C{index}"} for index in range(count)]
    message = {f"f{index}": {"x": []} for index in range(count)}
    request = {"types": types, "primaryType": "A", "domain": {}, "message": message}

    def seconds() -> float:
        begun = time.thread_time()
        with pytest.raises(ExecutionTimeoutError):
            hash_typed_data(request, LIMITS, Deadline.after(0.05))
        return time.thread_time() - begun

    # one of them may meet the collector, or a core at half its speed
    assert min(seconds() for _ in range(3)) < 0.3
