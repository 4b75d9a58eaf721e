"""Tables on the terminal. Who prints one imports it there: rich takes as long as some commands."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[str] = ()) -> None:
    """Print rows of plain text under the names of their columns. numbers: the columns that end at the right."""
    table = Table()
    right = frozenset(numbers)
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left")
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)
