"""Constructor arguments behind a module: `zvm.constructor` and what follows it, in every form of a creation."""

from itertools import product

import brotli
import pytest

from testing.contracts import MAKER, SALTED_MAKER
from tests.chain.vm.support import CONTRACT, SENDER, FakeAccount
from tests.chain.zvm.contracts import contract, deployed, executor, invoke, request_to, returning, send, word
from zevm.chain.rules.forks import LATEST_FORK
from zevm.chain.rules.schedule import ForkSchedule
from zevm.chain.vm.calls import contract_address
from zevm.chain.vm.interface import VmErrorKind
from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.inspection import deployment_price, inspect_module
from zevm.chain.zvm.module.creation import compressed, creation_data
from zevm.chain.zvm.module.form import CONSTRUCTOR_MARKER, CONSTRUCTOR_SELECTOR
from zevm.chain.zvm.module.limits import LIMITS
from zevm.chain.zvm.module.prepare import prepare
from zevm.chain.zvm.price_table import STYLUS, ZVM

CREATED = contract_address(SENDER, 0)

# Its constructor logs its call data and its wei; afterwards it returns 42
NEWBORN = contract(
    f"""{invoke("read_args", 64)} {invoke("msg_value", 32)}
    (if {invoke("is_constructing")} (then
      {invoke("emit_log", 32, "(i32.add (local.get $n) (i32.const 32))", 0)} {invoke("exit_early", 0)}))
    {invoke("write_result", 0, 32)}""",
    data={0: word(42)},
)
STORED = {"raw": NEWBORN, "compressed": compressed(NEWBORN)}
ARGUMENTS = {
    "none": b"",
    "a word": word(7),
    "no whole word": b"\1\2\3",
    "zeros": bytes(64),
    "the marker again": word(1) + CONSTRUCTOR_MARKER + word(2),
    "a section zvm.init": b"\0\x0a\x08zvm.initx",
    "a section of code": b"\x0b\1\0",
    "a module": NEWBORN,
    "long": bytes(range(256)) * 2,
}
CASES = list(product(STORED, ARGUMENTS))


def section(name: bytes, content: bytes = b"") -> bytes:
    body = bytes([len(name)]) + name + content
    return b"\0" + bytes([len(body)]) + body


def test_the_marker_is_an_empty_custom_section() -> None:
    assert section(b"zvm.constructor") == CONSTRUCTOR_MARKER


@pytest.mark.parametrize(("form", "arguments"), CASES)
@pytest.mark.parametrize("wrapped", [False, True], ids=["", "returned by EVM code"])
def test_the_constructor_gets_the_bytes_behind_the_marker(form: str, arguments: str, wrapped: bool) -> None:
    stored, given = STORED[form], ARGUMENTS[arguments]
    data = stored + CONSTRUCTOR_MARKER + given
    runner = executor({})
    outcome = send(runner, None, deployed(data) if wrapped else data, value=5)
    assert outcome.error is None
    assert [log.data for log in outcome.logs] == [word(5) + CONSTRUCTOR_SELECTOR + given]
    assert (runner.state.get_code(CREATED), outcome.output) == (stored, stored)
    assert runner.call(request_to(CREATED)).output == word(42)
    assert runner.state.get_balance(CREATED) == 5


@pytest.mark.parametrize("form", STORED)
@pytest.mark.parametrize("maker", [MAKER, SALTED_MAKER], ids=["CREATE", "CREATE2"])
def test_a_contract_of_the_evm_creates_one_with_arguments(form: str, maker: bytes) -> None:
    runner = executor({CONTRACT: FakeAccount(1, 0, maker)})
    outcome = send(runner, CONTRACT, STORED[form] + CONSTRUCTOR_MARKER + word(9), value=3)
    assert outcome.error is None
    assert [log.data for log in outcome.logs] == [word(3) + CONSTRUCTOR_SELECTOR + word(9)]
    created = runner.state.get_storage(CONTRACT, 0).to_bytes(20, "big")
    assert runner.state.get_code(created) == STORED[form]


def test_without_the_marker_nothing_runs_and_nothing_may_follow() -> None:
    for stored in STORED.values():
        runner = executor({})
        assert send(runner, None, stored).logs == ()
        assert runner.state.get_code(CREATED) == stored
        for behind in (b"\1", word(7), b"\0", CONSTRUCTOR_MARKER[:-1]):
            with pytest.raises(ModuleRefusedError):
                prepare(stored + behind, ZVM)
            failed = send(executor({}), None, stored + behind)
            assert failed.error is not None
            assert failed.error.kind is VmErrorKind.INVALID_MODULE


REFUSED = {
    "zvm.init before it, raw": (creation_data(NEWBORN, b"x") + CONSTRUCTOR_MARKER, "zvm.init at byte"),
    "zvm.init before it, compressed": (
        creation_data(NEWBORN, b"x", compress=True) + CONSTRUCTOR_MARKER,
        "has a section zvm.init, which excludes it",
    ),
    "inside the stream": (compressed(NEWBORN + CONSTRUCTOR_MARKER), "belongs behind the Brotli stream"),
    "inside the stream, with arguments": (compressed(NEWBORN + CONSTRUCTOR_MARKER + word(1)), "belongs behind"),
    "inside and behind": (compressed(NEWBORN + CONSTRUCTOR_MARKER) + CONSTRUCTOR_MARKER, "belongs behind"),
    "not empty": (NEWBORN + section(b"zvm.constructor", b"xy"), "has 2 bytes; arguments follow it"),
    "padded length of the section": (NEWBORN + b"\0\x90\0" + CONSTRUCTOR_MARKER[2:] + word(1), "in more than one byte"),
    "padded length of the name": (
        NEWBORN + b"\0\x11\x8f\0" + CONSTRUCTOR_MARKER[3:] + word(1),
        "in more than one byte",
    ),
    "padded length, compressed": (compressed(NEWBORN) + b"\0\x90\0" + CONSTRUCTOR_MARKER[2:], "Brotli stream"),
    "a byte before it, compressed": (compressed(NEWBORN) + b"\0" + CONSTRUCTOR_MARKER, "Brotli stream"),
    "a stream that is cut": (compressed(NEWBORN)[:-1] + CONSTRUCTOR_MARKER, "Brotli stream"),
    "nothing but the marker": (b"\xef\xf0\0\0" + CONSTRUCTOR_MARKER, "Brotli stream"),
    "a module that is cut": (NEWBORN[:-1] + CONSTRUCTOR_MARKER, "invalid module"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_marker_in_the_wrong_place_is_refused(case: str) -> None:
    code, message = REFUSED[case]
    with pytest.raises(ModuleRefusedError, match=message):
        prepare(code, ZVM)
    runner = executor({})
    outcome = send(runner, None, code)
    assert outcome.error is not None
    assert outcome.error.kind is VmErrorKind.INVALID_MODULE
    assert not runner.state.account_exists(CREATED)


def test_the_markers_bytes_may_be_in_the_module_itself() -> None:
    """In its data, which a stream that does not compress holds as they are: the stream's own end counts."""
    module = returning("", data={0: word(42), 64: CONSTRUCTOR_MARKER * 3 + bytes(range(64))})
    for stored in (module, compressed(module), b"\xef\xf0\0\0" + brotli.compress(module, quality=0)):
        assert prepare(stored, ZVM).init_payload is None
        prepared = prepare(stored + CONSTRUCTOR_MARKER + b"abc", ZVM)
        assert (prepared.stored, prepared.init_payload) == (stored, CONSTRUCTOR_SELECTOR + b"abc")


@pytest.mark.parametrize("schedule", [ZVM, STYLUS], ids=["zvm", "stylus"])
@pytest.mark.parametrize(("form", "arguments"), CASES)
def test_the_price_is_the_modules_and_the_datas(form: str, arguments: str, schedule: object) -> None:
    """Activation and stored bytes cost what they cost without arguments: those are paid for as call data."""
    plain, given = STORED[form], ARGUMENTS[arguments]
    with_arguments = prepare(plain + CONSTRUCTOR_MARKER + given, schedule)
    without = prepare(plain, schedule)
    assert with_arguments.activation_gas == without.activation_gas
    assert with_arguments.instrumented == without.instrumented
    assert with_arguments.stored == without.stored == plain


@pytest.mark.parametrize(("form", "arguments"), CASES)
def test_the_gas_is_the_same_each_time_and_one_less_is_too_little(form: str, arguments: str) -> None:
    data = STORED[form] + CONSTRUCTOR_MARKER + ARGUMENTS[arguments]
    first, again = (send(executor({}), None, data) for _ in range(2))
    assert first.error is again.error is None
    assert first.gas_used == again.gas_used
    price = deployment_price(data, ZVM, ForkSchedule.default(1, LATEST_FORK).rules(0, 0))
    assert price.total < first.gas_used, "the constructor's run comes on top"
    exact = send(executor({}), None, data, gas_limit=first.gas_used_before_refund)
    short = send(executor({}), None, data, gas_limit=first.gas_used_before_refund - 1)
    assert exact.error is None
    assert short.error is not None


@pytest.mark.parametrize(("form", "arguments"), CASES)
def test_an_inspection_shows_the_constructors_call_data(form: str, arguments: str) -> None:
    found = inspect_module(STORED[form] + CONSTRUCTOR_MARKER + ARGUMENTS[arguments], ZVM)
    assert found.refusal is None
    assert found.init_payload == CONSTRUCTOR_SELECTOR + ARGUMENTS[arguments]
    assert (found.module_bytes, found.stored_bytes) == (len(NEWBORN), len(STORED[form]))
    assert inspect_module(STORED[form], ZVM).init_payload is None


@pytest.mark.parametrize("form", STORED)
def test_creations_are_bounded_as_a_whole(form: str) -> None:
    """By the limit of a module's bytes, as before."""
    most = LIMITS["module bytes"] - len(STORED[form]) - len(CONSTRUCTOR_MARKER)
    data = STORED[form] + CONSTRUCTOR_MARKER
    assert prepare(data + bytes(most), ZVM).stored == STORED[form]
    with pytest.raises(ModuleRefusedError, match=f"{LIMITS['module bytes'] + 1} module bytes"):
        prepare(data + bytes(most + 1), ZVM)
