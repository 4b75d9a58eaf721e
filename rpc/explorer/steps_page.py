"""The page that steps through a mined transaction: its instructions and host calls, a few at a time."""

from dataclasses import dataclass

from zevm.analysis.step_window import Step
from zevm.rpc.explorer import formats, traces
from zevm.rpc.explorer.page import Page, PageRequest, PageText
from zevm.rpc.explorer.transaction_pages import about, find, title
from zevm.storage.primitives import Address


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step as the page shows it. stack: the top first. changes: (what, before or None, after)."""

    number: int
    depth: int
    counter: str
    name: str
    gas: str
    cost: str
    unit: str
    stack: list[str]
    left_out: int
    changes: list[tuple[str, str | None, str]]
    place: str
    error: str | None
    account: Address | None


def steps(request: PageRequest) -> Page:
    """Steps of a mined transaction from `?from=` on."""
    mined = find(request)
    first = request.number("from")
    found, count = traces.stepped(request, mined, range(first, first + request.rows))
    text, path = request.text(), f"/tx/0x{mined.transaction.hash.hex()}/steps"
    last = None if count is None else max(0, count - 1) // request.rows * request.rows
    following = first + request.rows
    values = about(mined, "steps") | {
        "steps": _rows(found, text),
        "first": first,
        "count": count,
        "problem": None if count is not None else "The time for this page has passed before the transaction's end.",
        "begin": f"{path}#step-0" if first else None,
        "previous": f"{path}?from={max(0, first - request.rows)}#step-{first - 1}" if first else None,
        "next": f"{path}?from={following}#step-{following}"
        if len(found) == request.rows and following != count
        else None,
        "end": f"{path}?from={last}#step-{last}" if last is not None and first + request.rows < (count or 0) else None,
    }
    return Page("steps.html", title(mined), values)


def _rows(found: list[Step], text: PageText) -> list[StepRow]:
    """account: where it is another one than the row above has."""
    accounts = [None, *(step.account for step in found)]
    return [_row(step, above, text) for step, above in zip(found, accounts, strict=False)]


def _row(step: Step, account_above: bytes | None, text: PageText) -> StepRow:
    is_host_call, place = step.counter is None, step.place
    return StepRow(
        number=step.number,
        depth=step.depth,
        counter="" if step.counter is None else formats.number(step.counter),
        name=step.name,
        gas=formats.number(step.gas),
        cost="" if step.cost is None else formats.number(step.cost),
        unit="ink" if is_host_call else "",
        stack=[hex(word) for word in step.stack],
        left_out=step.stack_size - len(step.stack),
        changes=[
            (change.what, None if change.before is None else text.of(change.before), text.of(change.after))
            for change in step.changes
        ],
        place="" if place is None else text.of(f"{place.function} ({place.file}:{place.line})"),
        error=None if step.error is None else text.of(step.error),
        account=None if step.account == account_above else Address(step.account),
    )
