"""Call objects of simulated blocks by the core: the same calls and refusals as by Python's decoders."""

import random
from typing import Any

import pytest

from tests.core.support import agree, needs_core
from zevm.chain.types import TransactionType
from zevm.chain.vm.simulated_calls import SimulatedCall
from zevm.core import CORE
from zevm.rpc.codec.objects import NO_ARGUMENTS, TransactionArguments
from zevm.rpc.errors import InvalidParamsError
from zevm.rpc.methods.eth.simulate import CALLS_TOGETHER, LEGACY_CALL, USUAL_CALL, simulation_arguments
from zevm.storage.primitives import Address

pytestmark = needs_core

ADDRESS, WORD = "0x" + "aB" * 20, "0x" + "00" * 31 + "07"
VALUES: dict[str, tuple[Any, ...]] = {
    "from": (ADDRESS, "0x" + "00" * 20, "0x" + "ab" * 19, "0X" + "ab" * 20, "", None, 7),
    "to": (ADDRESS, None, "0x", "0xzz" + "00" * 19, "\ud800"),
    "gas": ("0x0", "0x5208", "0x00", "0x", "0xffffffffffffffff", "0x10000000000000000", 21_000, None),
    "gasPrice": ("0x0", "0x3b9aca00", "0x" + "f" * 64, "0x1" + "0" * 64, None),
    "maxFeePerGas": ("0x9", "0x3B9ACA00", None),
    "maxPriorityFeePerGas": ("0x9", "0xa", "0x1", None),
    "value": ("0x0", "0xde0b6b3a7640000", "0x01", "10", "0xg", None),
    "nonce": ("0x0", "0x7", "0xfffffffffffffffe", None),
    "data": ("0x", WORD, "0xabc", "0xAb", "ab", "0x" + "é" * 2, "0x\ud8000", None),
    "input": ("0x", WORD, None),
    "chainId": ("0x1", "0x7a69", None),
    "type": ("0x0", "0x2", 2, "two", "0x02", None),
    "accessList": ([], [{"address": ADDRESS, "storageKeys": [WORD]}], None),
    "authorizationList": ([], None),
    "maxFeePerBlobGas": ("0x1", None),
    "blobVersionedHashes": ([WORD], None),
    "blobs": ([], None),
    "unknown": ("0x1", None, {}, []),
    "\ud800": ("0x1", None),
}


def call_of(rng: random.Random) -> Any:
    names = rng.sample(sorted(VALUES), rng.randrange(6))
    return {name: VALUES[name][0] if rng.random() < 0.7 else rng.choice(VALUES[name]) for name in names}


def test_random_calls_are_read_as_by_python() -> None:
    rng = random.Random(3)
    read = 0
    for _ in range(4_000):
        found = agree("simulated_calls", [call_of(rng) for _ in range(rng.randrange(3))], USUAL_CALL, LEGACY_CALL)
        read += isinstance(found, list)
    assert 1_500 < read < 3_900


def test_usual_calls_are_the_cores_and_named_tuples() -> None:
    library: Any = CORE.library
    before = library.bind("simulated_calls", None, None)
    try:
        usual = {
            "from": ADDRESS,
            "to": ADDRESS,
            "gas": "0x5208",
            "value": "0x" + "f" * 64,
            "input": WORD,
            "nonce": "0x1",
        }
        (found,) = library.simulated_calls([usual], USUAL_CALL, LEGACY_CALL)
        (priced,) = library.simulated_calls([{"gasPrice": "0x7", "type": "0x9"}], USUAL_CALL, LEGACY_CALL)
        assert library.simulated_calls([{}], USUAL_CALL, LEGACY_CALL) == [SimulatedCall()]
        for strange in ([{"blobs": []}], [7], [None], ({},), [{"to": 7}], [{"chainId": "0x1"}]):
            with pytest.raises(library.RefusedError):
                library.simulated_calls(strange, USUAL_CALL, LEGACY_CALL)
        for template in ({}, 7, (1,), tuple(USUAL_CALL)[1:]):
            with pytest.raises(library.RefusedError):
                library.simulated_calls([usual], template, LEGACY_CALL)
    finally:
        library.bind("simulated_calls", before, None)
    assert type(found) is SimulatedCall
    address = Address(bytes.fromhex(ADDRESS[2:]))
    assert found == SimulatedCall(address, address, 2**256 - 1, bytes.fromhex(WORD[2:]), gas_limit=21_000, nonce=1)
    assert priced == LEGACY_CALL._replace(max_fee_per_gas=7, max_priority_fee_per_gas=7)
    assert priced.type is TransactionType.LEGACY


def test_random_arguments_are_read_as_by_python() -> None:
    rng = random.Random(5)
    read = sum(
        isinstance(agree("call_arguments", call_of(rng), NO_ARGUMENTS), TransactionArguments) for _ in range(4_000)
    )
    assert 2_000 < read < 3_900
    for strange in (None, 7, [], "0x", {7: "0x1"}):
        agree("call_arguments", strange, NO_ARGUMENTS)


def test_usual_arguments_are_the_cores_and_a_named_tuple() -> None:
    library: Any = CORE.library
    before = library.bind("call_arguments", None, None)
    usual = {name: values[0] for name, values in VALUES.items() if name in USUAL_MEMBERS}
    try:
        found = library.call_arguments(usual, NO_ARGUMENTS)
        assert library.call_arguments({}, NO_ARGUMENTS) == NO_ARGUMENTS
        rare = (
            {name: VALUES[name][0]}
            for name in VALUES.keys() - USUAL_MEMBERS - {"gasPrice", "input", "unknown", "\ud800"}
        )
        priced = {"gasPrice": "0x1", "maxFeePerGas": "0x1"}
        both, low = {"data": "0x", "input": "0x"}, {"maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x2"}
        for strange in (*rare, priced, both, low, {"to": 7}, None):
            with pytest.raises(library.RefusedError):
                library.call_arguments(strange, NO_ARGUMENTS)
        for template in ({}, 7, (1,), tuple(NO_ARGUMENTS)[1:]):
            with pytest.raises(library.RefusedError):
                library.call_arguments(usual, template)
    finally:
        library.bind("call_arguments", before, None)
    assert type(found) is TransactionArguments
    address = Address(bytes.fromhex(ADDRESS[2:]))
    wanted = TransactionArguments(address, address, 0, None, 9, 9, 0, 0, b"", 1)
    assert found == wanted


USUAL_MEMBERS = {"from", "to", "gas", "maxFeePerGas", "maxPriorityFeePerGas", "value", "nonce", "data", "chainId"}


@pytest.mark.parametrize("value", [{}, "0x", 7, True])
def test_what_is_no_array_is_refused(value: object) -> None:
    with pytest.raises(InvalidParamsError, match="field calls: expected an array"):
        simulation_arguments({"blockStateCalls": [{"calls": value}]})


def test_many_calls_are_read_in_steps_and_in_their_order() -> None:
    listed = [{"nonce": hex(number), "gas": "0x5208"} for number in range(2 * CALLS_TOGETHER + 7)]
    listed[CALLS_TOGETHER + 3]["chainId"] = "0x1"
    (block,) = simulation_arguments({"blockStateCalls": [{"calls": listed}]}).blocks
    assert [call.nonce for call in block.calls] == list(range(len(listed)))
    kinds = [type(call) for call in block.calls]
    assert [place for place, kind in enumerate(kinds) if kind is TransactionArguments] == [CALLS_TOGETHER + 3]
    assert {*kinds} == {SimulatedCall, TransactionArguments}
