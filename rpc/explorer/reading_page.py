"""The page that calls functions of a contract without a transaction, by its ABI or by a signature."""

from collections.abc import Sequence
from dataclasses import dataclass

from zevm.analysis.abi_values import UndecodableError, decode_values, show_values
from zevm.analysis.known_contract import Entry
from zevm.chain.calls.overrides import NO_OVERRIDES
from zevm.chain.types.block_reference import LATEST
from zevm.chain.types.selectors import signature_selector
from zevm.contracts.abi_text import encode_arguments, parse_signature, split_values
from zevm.contracts.calls import input_types, output_types, selector_of, signature_of
from zevm.contracts.errors import AbiTextError
from zevm.rpc.codec.objects import TransactionArguments
from zevm.rpc.dispatch.error_translation import to_rpc_error
from zevm.rpc.explorer import formats
from zevm.rpc.explorer.account_page import about
from zevm.rpc.explorer.labels import contract_at
from zevm.rpc.explorer.names import address_named
from zevm.rpc.explorer.page import Page, PageRequest, PageText
from zevm.rpc.explorer.paging import paged
from zevm.rpc.methods.eth.call import call as eth_call
from zevm.storage.primitives import Address

_READING = ("view", "pure")
Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Function:
    """A function to call. results: its types, None for unknown ones. names: of the results, "" for one without."""

    selector: bytes
    parameters: Sequence[str]
    results: Sequence[str] | None
    names: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of a call: values by their names, or the reason why there are none."""

    values: Pairs
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """A function with a field for each of its parameters. fields: (label, text of the last call)."""

    signature: str
    name: str
    fields: Pairs
    returns: str
    result: Result | None


def read(request: PageRequest) -> Page:
    """The reading functions of a contract; the one that the query names is called.

    ?f=SIGNATURE&v0=..&v1=.. calls one of the ABI, ?s=name(types)(types)&v=a,b any.
    """
    text, address = request.text(), address_named(request.arguments[0])
    contract = contract_at(request.services, address)
    entries = [] if contract is None else [entry for entry in contract.functions.values() if _reads(entry)]
    chosen, pager = paged(request, len(entries), f"/address/{formats.address(address)}/read")
    typed = request.query.get("s", "").strip()
    values = about(request, address, "read") | {
        "forms": [_form(request, address, entry, text) for entry in entries[chosen.start : chosen.stop]],
        "pager": pager,
        "page": chosen.start // request.rows,
        "typed": text.of(typed),
        "typed_values": text.of(request.query.get("v", "")),
        "typed_result": _typed(request, address, typed, text) if typed else None,
    }
    return Page("read.html", f"Functions of {formats.short(formats.address(address))}", values)


def _reads(entry: Entry) -> bool:
    return entry.get("stateMutability") in _READING


def _form(request: PageRequest, address: Address, entry: Entry, text: PageText) -> Form:
    """A function of the ABI, and its result if the query names it."""
    signature, types, results = signature_of(entry), input_types(entry), output_types(entry)
    is_wanted = request.query.get("f") == signature
    given = [request.query.get(f"v{index}", "") if is_wanted else "" for index in range(len(types))]
    labels = [text.of(f"{name} {kind}".strip()) for name, kind in zip(_names(entry, "inputs"), types, strict=True)]
    result = None
    if is_wanted:
        function = Function(selector_of(entry), types, results, _names(entry, "outputs"))
        result = _called(request, address, function, given, text)
    return Form(
        signature=text.of(signature),
        name=text.of(str(entry["name"])),
        fields=list(zip(labels, map(text.of, given), strict=True)),
        returns=text.of(", ".join(results)),
        result=result,
    )


def _names(entry: Entry, member: str) -> list[str]:
    return [str(parameter.get("name", "")) for parameter in entry.get(member, [])]


def _typed(request: PageRequest, address: Address, text_of_signature: str, text: PageText) -> Result:
    """The result of a function that the reader has written the signature of."""
    try:
        signature = parse_signature(text_of_signature)
    except AbiTextError as error:
        return Result([], text.of(str(error)))
    function = Function(signature_selector(signature.canonical), signature.inputs, signature.outputs)
    return _called(request, address, function, split_values(request.query.get("v", "")), text)


def _called(request: PageRequest, address: Address, function: Function, given: Sequence[str], text: PageText) -> Result:
    """Call a function at the head."""
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
