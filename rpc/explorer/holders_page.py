"""The page of a token's holders, by its newest Transfer logs and what it says of their balances now."""

import time
from dataclasses import dataclass

from zevm.chain.concurrency.deadline import ExecutionTimeoutError
from zevm.rpc.explorer import formats
from zevm.rpc.explorer.account_page import about
from zevm.rpc.explorer.names import address_named
from zevm.rpc.explorer.page import Page, PageRequest
from zevm.rpc.explorer.paging import paged
from zevm.rpc.explorer.tokens import Token, TokenReader, transfers
from zevm.rpc.methods.support.reading import code_of
from zevm.storage.errors import OriginError

_NOTHING = Token(None, None, None, None)
_DIGITS = 40
"""Digits of an amount that is shown; a larger one is no amount."""


@dataclass(frozen=True, slots=True)
class HolderRow:
    """An account. rank: from 1. share: of the supply, "" where the token tells none."""

    rank: int
    account: bytes
    amount: str
    share: str


def holders(request: PageRequest) -> Page:
    """The accounts with the largest balances first."""
    services, text, address = request.services, request.text(), address_named(request.arguments[0])
    limits = services.limits
    deadline = request.deadline.sooner(time.monotonic() + limits.explorer_trace_seconds)
    token, count = _NOTHING, 0
    rows: list[HolderRow] = []
    notes: list[str] = []
    path = f"/address/{formats.address(address)}/holders"
    chosen, pager = paged(request, 0, path)
    if code_of(services.chain.head.state, address):
        reader = TokenReader(services, address, deadline)
        try:
            token = reader.token()
            seen = transfers(services, address, limits.explorer_transfers, deadline)
            balances, is_whole = reader.balances(seen.accounts)
        except (ExecutionTimeoutError, OriginError) as error:
            notes.append(text.of(f"The holders are not known: {error}"))
        else:
            held = sorted(((amount, account) for account, amount in balances.items() if amount), reverse=True)
            count = len(held)
            chosen, pager = paged(request, count, path)
            rows = [
                HolderRow(index + 1, account, _amount(amount, token), _share(amount, token))
                for index, (amount, account) in enumerate(held)
                if index in chosen
            ]
            if not seen.is_whole:
                told = formats.plural(seen.count, "transfer")
                notes.append(
                    f"By the newest {told}, down to block {seen.first:,}: accounts of older ones are left out."
                )
            if not is_whole:
                notes.append("The time for this page has passed before all balances were read.")
    values = about(request, address, "holders") | {
        "name": None if token.name is None else text.of(token.name),
        "symbol": None if token.symbol is None else text.of(token.symbol),
        "decimals": token.decimals,
        "supply": None if token.supply is None else _amount(token.supply, token),
        "rows": rows,
        "count": count,
        "pager": pager,
        "notes": notes,
    }
    return Page("holders.html", f"Holders of {formats.short(formats.address(address))}", values)


def _amount(value: int, token: Token) -> str:
    if len(str(value)) > _DIGITS:
        return hex(value)
    return formats.decimal(value, 10**token.decimals, token.decimals) if token.decimals else formats.number(value)


def _share(value: int, token: Token) -> str:
    return formats.share(value, token.supply) if token.supply else ""
