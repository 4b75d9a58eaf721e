"""Makes a failing case small."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from typing import Any

from verification.differential.cases import Case
from zevm.chain.rules.predeploys import SYSTEM_CONTRACTS

_PLAIN: dict[str, Any] = {"data": "", "value": 0, "accessList": [], "tip": 0}
"""Fields of a transaction that may be what they are in the plainest one."""
_SYSTEM_ADDRESSES = {address.hex() for _, address, _ in SYSTEM_CONTRACTS}
_JUMPDEST = "5b"


Change = Callable[[Case], None]
"""Takes one thing out of a copy of the case that it was made for."""


def changes_of(case: Case) -> Iterator[Change]:
    """The changes that each make the case smaller by one thing."""
    for name in ("transactions", "withdrawals"):
        for index in range(len(case[name])):
            yield partial(_remove, path=(name,), key=index)
    for address in case["accounts"]:
        if address not in _SYSTEM_ADDRESSES:
            yield partial(_remove, path=("accounts",), key=address)
    for index, transaction in enumerate(case["transactions"]):
        yield from _changes_of_transaction(transaction, index)
    for address in case["accounts"]:
        yield from _changes_of_account(case["accounts"][address], address)


def _changes_of_transaction(transaction: dict[str, Any], index: int) -> Iterator[Change]:
    path = ("transactions", index)
    for name, plain in _PLAIN.items():
        if transaction[name] != plain:
            yield partial(_replace, path=path, fields={name: plain})
    for name in ("authorizations", "blobs"):
        for item in range(len(transaction[name]) if len(transaction[name]) > 1 else 0):
            yield partial(_remove, path=(*path, name), key=item)


def _changes_of_account(account: dict[str, Any], address: str) -> Iterator[Change]:
    changes: list[dict[str, Any]] = []
    if address not in _SYSTEM_ADDRESSES:  # without their code no block is valid
        changes += [{"code": code} for code in _smaller_codes(account["code"])]
    changes += [{"storage": {}}] if account["storage"] else []
    for fields in changes:
        if any((account | fields).values()):
            yield partial(_replace, path=("accounts", address), fields=fields)
        else:
            yield partial(_remove, path=("accounts",), key=address)


def _at(case: Case, path: tuple[str | int, ...]) -> Any:
    found: Any = case
    for key in path:
        found = found[key]
    return found


def _remove(case: Case, *, path: tuple[str | int, ...], key: str | int) -> None:
    del _at(case, path)[key]


def _replace(case: Case, *, path: tuple[str | int, ...], fields: dict[str, Any]) -> None:
    _at(case, path).update(deepcopy(fields))


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
        for number, change in enumerate(changes_of(case)):
            if number < position:
                continue
            if not attempts:
                return case
            attempts -= 1
            candidate = deepcopy(case)
            change(candidate)
            if fails(candidate):
                case, position, progress = candidate, number, True
                break
    return case
