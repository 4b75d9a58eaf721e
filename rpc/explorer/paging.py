"""Pages of a list: which rows one shows, and links to its neighbours."""

from dataclasses import dataclass

from zevm.rpc.explorer.page import PageRequest


@dataclass(frozen=True, slots=True)
class Pager:
    """Links of a list's pages; None where there is none. shown: the rows of this page, in words."""

    shown: str
    newer: str | None = None
    older: str | None = None


def paged(request: PageRequest, count: int, path: str, name: str = "page", anchor: str = "") -> tuple[range, Pager]:
    """The indexes of one page of `count` rows, by the query's parameter `name`; past the end, those of the last page.

    anchor: "#..." of the list in the page of `path`.
    """
    last = max(0, count - 1) // request.rows
    page = min(request.number(name), last)
    chosen = range(page * request.rows, min((page + 1) * request.rows, count))

    def link(number: int) -> str:
        return f"{path}?{name}={number}{anchor}"

    return chosen, Pager(
        f"{chosen.start + 1:,} to {chosen.stop:,} of {count:,}" if count else "none",
        link(page - 1) if page else None,
        link(page + 1) if page < last else None,
    )
