"""Pages of an address: balance, code, interface, storage, and the transactions that touch it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from zevm.analysis.known_contract import KnownContract
from zevm.analysis.proxies import implementation_of
from zevm.analysis.storage_variables import LayoutError, Variable, variables
from zevm.chain.errors import ChainError
from zevm.chain.tracing import history
from zevm.chain.tracing.address_search import Match, SearchLimitError
from zevm.chain.tracing.trace import TraceRequest
from zevm.chain.types import Header
from zevm.chain.types.block_reference import LATEST
from zevm.contracts.artifact import Entry
from zevm.contracts.calls import signature_of
from zevm.rpc.errors import RpcError
from zevm.rpc.explorer import formats
from zevm.rpc.explorer.labels import Labels, contract_at
from zevm.rpc.explorer.names import HASH, address_named
from zevm.rpc.explorer.page import Page, PageRequest, PageText
from zevm.rpc.explorer.rows import TransactionRow, row_of, waiting_row
from zevm.rpc.methods.support.names import name_reader
from zevm.rpc.methods.support.reading import account_of
from zevm.rpc.methods.support.tracing import TraceConfig, run_trace
from zevm.rpc.methods.zvm.modules import get_contract
from zevm.rpc.services import Services
from zevm.storage.account import EMPTY_ROOT, Account
from zevm.storage.errors import OriginError
from zevm.storage.primitives import FIRST_KEY, Address, TrieKey
from zevm.storage.state_update import hashed

_DECIMAL_DIGITS = 30
"""A slot with a longer number is shown as hex alone: it is no amount."""


@dataclass(frozen=True, slots=True)
class SlotRow:
    """A slot. slot: its number, None where only the hash is known. number: in decimal, None for large ones."""

    key: str
    slot: str | None
    value: str
    number: str | None


@dataclass(frozen=True, slots=True)
class FunctionRow:
    """A function or an event of an ABI. selector: of an event its first topic."""

    selector: str
    signature: str
    mutability: str


def overview(request: PageRequest) -> Page:
    """An account: balance, nonce, code, interface, storage, and what waits in the pool."""
    services, text = request.services, request.text()
    address = address_named(request.arguments[0])
    state = services.chain.head.state
    account = account_of(state, address)
    code = state.code(account.code_hash)
    implementation = implementation_of(code)
    contract = contract_at(services, address)
    waiting = [each for group in services.chain.pool.of_sender(address) for each in group]
    labels = Labels(services, text)
    values = about(request, address, "overview") | {
        "account": account,
        "code_bytes": len(code),
        "code": text.data(code) if code else None,
        "implementation": implementation,
        "contract": None if contract is None else text.of(contract.name),
        "language": None if contract is None else text.of(contract.language),
        "source": None if contract is None else text.of(contract.source),
        "well_known": services.catalogue.well_known(address),
        "is_own": address in services.wallet.addresses(),
        "name": _name(request, address, text),
        "functions": [] if contract is None else _functions(contract, request.rows, text),
        "module": _module(services, address, code, request, text),
        "waiting": [waiting_row(address, each, labels) for each in waiting[: request.rows]],
    }
    return Page("address.html", f"Address {formats.short(formats.address(address))}", values)


def storage(request: PageRequest) -> Page:
    """An account's variables, as far as a layout is known, and its slots, by the hashes of their numbers."""
    text, address = request.text(), address_named(request.arguments[0])
    named, told = _variables(request, address, text)
    account = account_of(request.services.chain.head.state, address)
    slots, following, problem = _slots(request, address, account, text)
    path = f"/address/{formats.address(address)}/storage"
    values = about(request, address, "storage") | {
        "variables": named,
        "variables_problem": told,
        "slots": slots,
        "problem": problem,
        "following": None if following is None else f"{path}?from=0x{following.hex()}",
        "first": path if request.query.get("from") else None,
    }
    return Page("storage.html", f"Storage of {formats.short(formats.address(address))}", values)


def transactions(request: PageRequest) -> Page:
    """Transactions that touch an address, the newest first, in whole blocks."""
    services, address = request.services, address_named(request.arguments[0])
    limits = services.limits
    first = services.chain.first_kept
    newest = min(services.chain.head.number, request.number("from", services.chain.head.number))

    def search(asked: TraceRequest) -> tuple[list[Match], bool]:
        deadline = request.deadline.sooner(time.monotonic() + limits.explorer_trace_seconds)
        found = services.address_search.search(
            address, range(newest, first - 1, -1), request.rows, limits.search_blocks, deadline, asked
        )
        return found.matches, found.is_complete

    rows: list[TransactionRow] = []
    following: int | None = None
    problem, left_out = None, 0
    try:
        matches, is_complete = run_trace(services, request.deadline, search, TraceConfig())
        found = [(match, index) for match in matches for index in reversed(match.indexes)]
        most, labels = 2 * request.rows, Labels(services, request.text())
        rows = [row_of(match.block, match.receipts, index, labels) for match, index in found[:most]]
        left_out = len(found) - len(rows)
        if matches and not is_complete:
            following = matches[-1].block.number - 1
    except SearchLimitError as error:
        following = error.number
        problem = "The search has used up its time without finding one; it goes on from there."
    path = f"/address/{formats.address(address)}/transactions"
    values = about(request, address, "transactions") | {
        "transactions": rows,
        "left_out": left_out,
        "problem": problem,
        "newest": newest,
        "following": None if following is None or following < first else f"{path}?from={following}",
        "first": path if request.query.get("from") else None,
    }
    return Page("address_transactions.html", f"Transactions of {formats.short(formats.address(address))}", values)


def about(request: PageRequest, address: Address, tab: str) -> dict[str, Any]:
    """The values that all pages of an address begin with."""
    head: Header = request.services.chain.head.header
    return {"tab": tab, "address": address, "path": f"/address/{formats.address(address)}", "header": head}


def _name(request: PageRequest, address: Address, text: PageText) -> str | None:
    """The name that the address has chosen; None on a chain without a name service."""
    try:
        name = name_reader(request.services, LATEST, request.deadline).reverse(address)
    except (ChainError, RpcError):
        return None
    return None if name is None else text.of(name)


def _functions(contract: KnownContract, limit: int, text: PageText) -> list[FunctionRow]:
    rows: Sequence[tuple[Mapping[bytes, Entry], str]] = (
        (contract.functions, ""), (contract.events, "event"), (contract.errors, "error")
    )  # fmt: skip
    listed = [
        FunctionRow(
            formats.short("0x" + selector.hex()),
            text.of(signature_of(entry)),
            kind or text.of(str(entry.get("stateMutability", ""))),
        )
        for entries, kind in rows
        for selector, entry in entries.items()
    ]
    return listed[:limit]


def _variables(request: PageRequest, address: Address, text: PageText) -> tuple[list[Variable], str | None]:
    """The variables of the contract that an account runs, in its own storage, and why there are none."""
    contract = contract_at(request.services, address)
    if contract is None or contract.storage_layout is None or request.query.get("from"):
        return [], None
    state = request.services.chain.head.state
    try:
        found = variables(contract.storage_layout, lambda slot: state.storage(address, slot), request.rows)
    except LayoutError:
        return [], "The artifact's storage layout cannot be read."
    except OriginError as error:
        return [], text.of(str(error))
    return [
        replace(each, name=text.of(each.name), kind=text.of(each.kind), value=text.of(each.value)) for each in found
    ], None


def _slots(
    request: PageRequest, address: Address, account: Account, text: PageText
) -> tuple[list[SlotRow], bytes | None, str | None]:
    """Slots of one page, the key that comes next, and why there are none."""
    if account.storage_root == EMPTY_ROOT:
        return [], None, None
    start = request.query.get("from", "")
    begin = TrieKey(bytes.fromhex(start[2:])) if HASH.fullmatch(start) else FIRST_KEY
    try:
        entries, following = history.slot_range(
            request.services.chain, hashed(address), account.storage_root, begin, request.rows, request.deadline
        )
    except OriginError as error:
        return [], None, text.of(str(error))
    rows = [
        SlotRow(
            key=formats.hexadecimal(entry.key),
            slot=None if entry.slot is None else hex(int.from_bytes(entry.slot, "big")),
            value=f"0x{entry.value:064x}",
            number=formats.number(entry.value) if len(str(entry.value)) <= _DECIMAL_DIGITS else None,
        )
        for entry in entries
    ]
    return rows, following, None


def _module(
    services: Services, address: Address, code: bytes, request: PageRequest, text: PageText
) -> dict[str, Any] | None:
    """The imports and exports of a WebAssembly contract, as zvm_getContract tells them; None for others."""
    if services.chain.zvm is None or not code:
        return None
    found = get_contract(services, address, LATEST, deadline=request.deadline)
    if found is None:
        return None
    limit = request.rows
    return {
        "imports": [
            (text.of(f"{item['module']}.{item['name']}"), _signature(item), item["ink"])
            for item in found["imports"][:limit]
        ],
        "exports": [
            (text.of(item["name"]), item["kind"], _signature(item) if "parameters" in item else "")
            for item in found["exports"][:limit]
        ],
        "format": found["format"],
        "memory": found["memory"],
        "activation_gas": None if found["activationGas"] is None else int(found["activationGas"], 16),
        "module_bytes": found["size"]["module"],
    }


def _signature(item: Mapping[str, Any]) -> str:
    return f"({', '.join(item['parameters'])}) → ({', '.join(item['results'])})"
