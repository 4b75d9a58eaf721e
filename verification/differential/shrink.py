"""Makes a failing case small."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from verification.differential.cases import Case
from zevm.chain.rules.predeploys import SYSTEM_CONTRACTS

_PLAIN: dict[str, Any] = {"data": "", "value": 0, "accessList": [], "tip": 0}
"""Fields of a transaction that may be what they are in the plainest one."""
_SYSTEM_ADDRESSES = {address.hex() for _, address, _ in SYSTEM_CONTRACTS}
_JUMPDEST = "5b"


def smaller(case: Case) -> Iterator[Case]:
    """Cases with one thing less."""
    yield from _without_an_item(case)
    for address in case["accounts"]:
        if address not in _SYSTEM_ADDRESSES:
            copy = deepcopy(case)
            del copy["accounts"][address]
            yield copy
    for index, transaction in enumerate(case["transactions"]):
        for name, plain in _PLAIN.items():
            if transaction[name] != plain:
                copy = deepcopy(case)
                copy["transactions"][index][name] = plain
                yield copy
        for name in ("authorizations", "blobs"):
            for item in range(len(transaction[name]) if len(transaction[name]) > 1 else 0):
                copy = deepcopy(case)
                del copy["transactions"][index][name][item]
                yield copy
    for address in case["accounts"]:
        yield from _with_a_smaller_account(case, address)


def _without_an_item(case: Case) -> Iterator[Case]:
    for name in ("transactions", "withdrawals"):
        for index in range(len(case[name])):
            copy = deepcopy(case)
            del copy[name][index]
            yield copy


def _with_a_smaller_account(case: Case, address: str) -> Iterator[Case]:
    account = case["accounts"][address]
    changes: list[dict[str, Any]] = []
    if address not in _SYSTEM_ADDRESSES:  # without their code no block is valid
        changes += [{"code": code} for code in _smaller_codes(account["code"])]
    changes += [{"storage": {}}] if account["storage"] else []
    for change in changes:
        changed = account | change
        copy = deepcopy(case)
        if any(changed.values()):
            copy["accounts"][address] = changed
        else:
            del copy["accounts"][address]
        yield copy


def _smaller_codes(code: str) -> Iterator[str]:
    """Shorter ones, and such with a part replaced by JUMPDESTs, which do nothing and keep places as they are."""
    if code.startswith("ef0100"):
        yield ""
        return
    size = len(code) // 2
    for kept in sorted({0, size // 4, size // 2, 3 * size // 4, size - 1}):
        if 0 <= kept < size:
            yield code[: 2 * kept]
    width = size // 2
    while width >= 1 and size // width <= 32:
        for start in range(0, size, width):
            part = code[2 * start : 2 * (start + width)]
            if part.strip("5b"):
                yield code[: 2 * start] + _JUMPDEST * (len(part) // 2) + code[2 * (start + width) :]
        width //= 2


def shrink(case: Case, fails: Callable[[Case], bool], attempts: int) -> Case:
    """A case that still fails, shrunk by the given number of attempts.

    After a success it goes on about where it was: what was needed before is likely needed still.
    """
    position, progress = 0, True
    while progress or position:
        if not progress:
            position = 0
        progress = False
        for number, candidate in enumerate(smaller(case)):
            if number < position:
                continue
            if not attempts:
                return case
            attempts -= 1
            if fails(candidate):
                case, position, progress = candidate, number, True
                break
    return case
