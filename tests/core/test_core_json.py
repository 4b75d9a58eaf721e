"""JSON text by the core against that by orjson: random values, receipts and logs, and what it leaves to Python."""

import random
from typing import Any

import orjson
import pytest

from tests.core.support import agree, needs_core
from tests.core.test_core_blocks import random_integer, random_log
from zevm.chain.canonical.log_records import LogRecord
from zevm.chain.types import Log, TransactionType
from zevm.chain.vm.interface import VmError, VmErrorKind
from zevm.chain.vm.simulated_calls import CallResult
from zevm.core import CORE
from zevm.rpc.codec.results import encoded_log_record, log_record
from zevm.rpc.methods.eth.simulate import plain_results
from zevm.storage.primitives import Address, Hash32

pytestmark = needs_core


def random_value(rng: random.Random, levels: int) -> Any:
    """A value of the chain, nested this deep at most."""
    kind = rng.randrange(8 if levels else 5)
    if kind == 0:
        return rng.randbytes(rng.choice((0, 1, 20, 32, 1_000)))
    if kind < 3:
        return random_integer(rng)
    if kind < 5:
        return rng.choice((None, True, False, TransactionType.BLOB))
    items = [random_value(rng, levels - 1) for _ in range(rng.randrange(5))]
    if kind == 5:
        return items
    return tuple(items) if kind == 6 else {f"name{index}": item for index, item in enumerate(items)}


def test_random_values_have_the_same_text() -> None:
    rng = random.Random(5)
    for _ in range(3_000):
        agree("hex_json", random_value(rng, 4))


@pytest.mark.parametrize("value", [0, 15, 16, 2**64 - 1, 2**64, 2**255, 2**256 - 1, b"", {}, [], (), None, True])
def test_values_at_the_bounds_have_the_same_text(value: Any) -> None:
    agree("hex_json", value)


DEEP: Any = []
for _ in range(9):
    DEEP = [DEEP]


@pytest.mark.parametrize("value", [2**256, -1, DEEP, {"a b": 1}, {"é": 1}, "text", 1.5, {"a": "text"}, {"a": [object]}])
def test_what_the_core_does_not_write_is_left_to_python(value: Any) -> None:
    agree("hex_json", value)


def test_a_log_has_the_text_of_its_values() -> None:
    rng = random.Random(6)
    for _ in range(200):
        record = LogRecord(
            random_log(rng), Hash32(rng.randbytes(32)), random_integer(rng), 7, Hash32(rng.randbytes(32)), 8, 0
        )
        assert encoded_log_record(record) == orjson.dumps(log_record(record))


def test_results_of_simulated_calls_have_the_same_text() -> None:
    rng = random.Random(7)
    for count in (0, 1, 2, 40):
        found = [
            CallResult(
                rng.randrange(1 << 40), rng.randrange(1 << 40), rng.randbytes(rng.choice((0, 32, 999))), None, (), False
            )
            for _ in range(count)
        ]
        text = agree("results_json", found)
        assert plain_results(found) == text
        assert orjson.loads(b"[" + text + b"]") == [
            {
                "returnData": "0x" + result.output.hex(),
                "logs": [],
                "gasUsed": hex(result.gas_used),
                "maxUsedGas": hex(result.gas_used_before_refund),
                "status": "0x1",
            }
            for result in found
        ]


def test_results_with_an_error_or_logs_are_not_the_cores() -> None:
    library: Any = CORE.library
    plain = CallResult(21_000, 21_000, b"", None, (), False)
    before = library.bind("results_json", None, None)
    try:
        assert library.results_json([plain, plain]).count(b"status") == 2
        for other in (
            plain._replace(error=VmError(VmErrorKind.REVERT, "")),
            plain._replace(logs=((0, Log(Address(bytes(20)), (), b"")),)),
            plain[:-1],
            7,
        ):
            with pytest.raises(library.RefusedError):
                library.results_json([plain, other])
    finally:
        library.bind("results_json", before, None)
