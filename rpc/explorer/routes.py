"""The explorer's paths (EIP-3091's for blocks, transactions and addresses) and the function behind each."""

import re
from collections.abc import Callable

from zevm.rpc.explorer import (
    account_page,
    chain_pages,
    functions_page,
    holders_page,
    search,
    source_page,
    steps_page,
    transaction_pages,
)
from zevm.rpc.explorer.page import Page, PageRequest, Redirect

Maker = Callable[[PageRequest], Page | Redirect]

_NAME = r"([0-9A-Za-z]{1,66})"
ROUTES: tuple[tuple[re.Pattern[str], Maker], ...] = tuple(
    (re.compile(pattern), maker)
    for pattern, maker in (
        (r"/", chain_pages.home),
        (r"/blocks", chain_pages.blocks),
        (rf"/block/{_NAME}", chain_pages.block),
        (r"/pool", chain_pages.pool),
        (rf"/tx/{_NAME}", transaction_pages.overview),
        (rf"/tx/{_NAME}/calls", transaction_pages.calls),
        (rf"/tx/{_NAME}/state", transaction_pages.state),
        (rf"/tx/{_NAME}/steps", steps_page.steps),
        (rf"/address/{_NAME}", account_page.overview),
        (rf"/address/{_NAME}/holders", holders_page.holders),
        (rf"/address/{_NAME}/read", functions_page.functions),
        (rf"/address/{_NAME}/source", source_page.source),
        (rf"/address/{_NAME}/storage", account_page.storage),
        (rf"/address/{_NAME}/transactions", account_page.transactions),
        (r"/search", search.find),
    )
)


def route(path: str) -> tuple[Maker, tuple[str, ...]] | None:
    """The function of a path, and the parts of the path that it is given; None for a path of nothing."""
    for pattern, maker in ROUTES:
        match = pattern.fullmatch(path)
        if match is not None:
            return maker, match.groups()
    return None
