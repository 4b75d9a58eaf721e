"""Functions of a contract, called at the head, or made into the call data of a transaction that is not sent."""

from collections.abc import Sequence
from dataclasses import dataclass

from zevm.analysis.abi_values import UndecodableError, decode_values, show_values
from zevm.chain.calls.overrides import NO_OVERRIDES
from zevm.chain.rules.units import ETHER
from zevm.chain.types.block_reference import LATEST
from zevm.contracts.abi_text import encode_arguments
from zevm.contracts.errors import AbiTextError
from zevm.rpc.codec.objects import TransactionArguments
from zevm.rpc.dispatch.error_translation import to_rpc_error
from zevm.rpc.explorer import formats
from zevm.rpc.explorer.page import PageRequest, PageText
from zevm.rpc.explorer.panel_actions import CALL_DATA_BYTES, FieldError, wei_of
from zevm.rpc.methods.eth.call import call as eth_call
from zevm.storage.primitives import Address

Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Function:
    """A function to call. results: its types, None for unknown ones. names: of the results, "" for one without."""

    selector: bytes
    parameters: Sequence[str]
    results: Sequence[str] | None
    names: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A transaction that is not sent. data: the whole call data as hex. shown: the same, cut. ether: decimal."""

    data: str
    shown: str
    wei: str
    ether: str


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of a form: values by their names, a transaction to send, or the reason why there is neither."""

    values: Pairs
    problem: str | None = None
    transaction: Prepared | None = None


def called(request: PageRequest, address: Address, function: Function, given: Sequence[str], text: PageText) -> Result:
    """The result of a function at the head. given: a text for each argument."""
    try:
        data = function.selector + encode_arguments(function.parameters, given)
    except AbiTextError as error:
        return Result([], text.of(str(error)))
    arguments = TransactionArguments(to=address, data=data)
    state, block = NO_OVERRIDES.state, NO_OVERRIDES.block
    try:
        output = eth_call(request.services, arguments, LATEST, state, block, deadline=request.deadline)
    except Exception as error:
        return Result([], text.of(to_rpc_error(request.services, "the explorer", error).message))
    return Result(_shown(bytes.fromhex(output[2:]), function, text))


def prepared(function: Function, given: Sequence[str], ether: str, text: PageText) -> Result:
    """A transaction that calls a function, and sends it an amount of ETH in decimals."""
    try:
        data = function.selector + encode_arguments(function.parameters, given)
        wei = wei_of(ether.strip() or "0")
    except (AbiTextError, FieldError) as error:
        return Result([], text.of(str(error)))
    if len(data) > CALL_DATA_BYTES:
        told = f"The call data have {len(data):,} bytes; a page takes {CALL_DATA_BYTES:,} at most."
        return Result([], told)
    amount = formats.decimal(wei, ETHER, 18).replace(",", "")
    return Result([], transaction=Prepared(formats.hexadecimal(data), text.data(data), hex(wei), amount))


def _shown(output: bytes, function: Function, text: PageText) -> Pairs:
    """The values of a result; its bytes where the types are not known, or do not fit."""
    results = function.results or ()
    try:
        shown = show_values(results, decode_values(results, output), lambda _: None)
    except UndecodableError:
        shown = []
    if not shown:
        return [("data", text.data(output))] if output else []
    names = function.names or [""] * len(shown)
    return [(text.of(name), text.of(value)) for name, value in zip(names, shown, strict=True)]
