"""The page of a contract's functions: those that read are called, for those that write a transaction is prepared."""

from collections.abc import Sequence
from dataclasses import dataclass

from zevm.chain.types.selectors import signature_selector
from zevm.contracts.abi_text import parse_signature, split_values
from zevm.contracts.artifact import Entry
from zevm.contracts.calls import input_types, output_types, signature_of
from zevm.contracts.errors import AbiTextError
from zevm.rpc.explorer import formats
from zevm.rpc.explorer.account_page import about
from zevm.rpc.explorer.calling import Function, Pairs, Result, called, prepared
from zevm.rpc.explorer.labels import contract_at
from zevm.rpc.explorer.names import address_named
from zevm.rpc.explorer.page import Page, PageRequest, PageText
from zevm.rpc.explorer.paging import paged
from zevm.rpc.explorer.recovered import can_recover, recovered
from zevm.rpc.methods.support.reading import code_of
from zevm.storage.primitives import Address

ACCOUNTS = 20
"""Accounts of the node that a form proposes."""
_READING = ("view", "pure")
_SENT = "write"


@dataclass(frozen=True, slots=True)
class Form:
    """A function with a field for each of its parameters. fields: (label, text of the last call).

    ether: the text of the amount, None for a function that takes none.
    """

    signature: str
    name: str
    fields: Pairs
    returns: str
    ether: str | None
    result: Result | None


def functions(request: PageRequest) -> Page:
    """The functions of a contract; the one that the query names is called, or prepared to be sent.

    ?recover=1 recovers those of an unknown one from its code.

    ?f=SIGNATURE&v0=..&v1=.. is one of the ABI, ?s=name(types)(types)&v=a,b or &v0=a&v1=b any, which do=write prepares.
    &value= is in ETH.
    """
    text, address = request.text(), address_named(request.arguments[0])
    contract, code = contract_at(request.services, address), code_of(request.services.chain.head.state, address)
    can_be_recovered = contract is None and can_recover(code)
    is_recovered = can_be_recovered and "recover" in request.query
    known = contract.functions if contract is not None else recovered(request, code) if is_recovered else {}
    reading = [(selector, entry) for selector, entry in known.items() if _reads(entry)]
    writing = [(selector, entry) for selector, entry in known.items() if not _reads(entry)]
    path = f"/address/{formats.address(address)}/read"
    reads, pager = paged(request, len(reading), path)
    writes, write_pager = paged(request, len(writing), path, "writes", "#writes")
    typed = request.query.get("s", "").strip()
    values = about(request, address, "read") | {
        "is_recovered": is_recovered,
        "can_be_recovered": can_be_recovered,
        "forms": [_form(request, address, *each, text) for each in reading[reads.start : reads.stop]],
        "pager": pager,
        "page": reads.start // request.rows,
        "write_forms": [_form(request, address, *each, text) for each in writing[writes.start : writes.stop]],
        "write_pager": write_pager,
        "write_page": writes.start // request.rows,
        "typed": text.of(typed),
        "typed_values": text.of(request.query.get("v", "")),
        "typed_ether": text.of(request.query.get("value", "0")),
        "typed_result": _typed(request, address, typed, text) if typed else None,
        "chain_id": request.services.chain.chain_id,
        "token": request.panel_token,
        "accounts": request.services.wallet.addresses()[:ACCOUNTS],
    }
    return Page("functions.html", f"Functions of {formats.short(formats.address(address))}", values)


def _reads(entry: Entry) -> bool:
    return entry.get("stateMutability") in _READING


def _form(request: PageRequest, address: Address, selector: bytes, entry: Entry, text: PageText) -> Form:
    """A function of the ABI, and its result if the query names it."""
    signature, types, results = signature_of(entry), input_types(entry), output_types(entry)
    is_wanted = request.query.get("f") == signature
    given = [request.query.get(f"v{index}", "") if is_wanted else "" for index in range(len(types))]
    ether = request.query.get("value", "0") if is_wanted else "0"
    labels = [text.of(f"{name} {kind}".strip()) for name, kind in zip(_names(entry, "inputs"), types, strict=True)]
    result = None
    if is_wanted:
        function = Function(selector, types, results, _names(entry, "outputs"))
        if _reads(entry):
            result = called(request, address, function, given, text)
        else:
            result = prepared(function, given, ether, text)
    return Form(
        signature=text.of(signature),
        name=text.of(str(entry["name"])),
        fields=list(zip(labels, map(text.of, given), strict=True)),
        returns=text.of(", ".join(results)),
        ether=text.of(ether) if entry.get("stateMutability") == "payable" else None,
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
    given = _given(request, len(signature.inputs))
    if request.query.get("do") == _SENT:
        return prepared(function, given, request.query.get("value", ""), text)
    return called(request, address, function, given, text)


def _given(request: PageRequest, count: int) -> Sequence[str]:
    """The arguments of the query: in one text, or each in its own."""
    if "v" in request.query:
        return split_values(request.query["v"])
    return [request.query.get(f"v{index}", "") for index in range(count)]
