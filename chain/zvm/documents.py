"""The tables of docs/zvm.md that are made from the code: host functions and what they cost."""

from zevm.chain.zvm.host_table import HOST_FUNCTIONS, HostFunction
from zevm.chain.zvm.price_table import STYLUS, ZVM

TABLE_START = "<!-- host functions: made by `make docs` from chain/zvm/host_table.py -->"
TABLE_END = "<!-- end of host functions -->"

_TYPES = {"i": "i32", "I": "i64"}


def host_functions_table() -> str:
    """One row for each host function: name, type, what it does, and its fixed price in ink by price table."""
    lines = ["| function | type | what it does | `zvm` | `stylus` |", "| --- | --- | --- | --: | --: |"]
    for (module, name), row in HOST_FUNCTIONS.items():
        summary = row.summary + ("; refused in a static call" if row.may_write else "")
        prices = f"{row.static_ink(ZVM):,} | {row.static_ink(STYLUS):,}"
        lines.append(f"| `{module}.{name}` | {_signature(row)} | {summary} | {prices} |")
    return "\n".join(lines)


def _signature(row: HostFunction) -> str:
    parameters = " ".join(_TYPES[kind] for kind in row.parameters) or "none"
    return parameters + (f" to {_TYPES[row.result]}" if row.result else "")


def with_tables(text: str) -> str:
    """The document with a new table. Raises ValueError if its marks are missing."""
    before, start, rest = text.partition(TABLE_START)
    _, end, after = rest.partition(TABLE_END)
    if not start or not end:
        raise ValueError(f"the document lacks its marks {TABLE_START} and {TABLE_END}")
    return f"{before}{TABLE_START}\n\n{host_functions_table()}\n\n{TABLE_END}{after}"
