"""The table of rules in docs/audit.md."""

from zevm.analysis.audit.rules import RULES

_BEGIN, _END = "<!-- rules -->", "<!-- end of rules -->"


def with_rules(document: str) -> str:
    """The document with the table between its two marks."""
    head, _, rest = document.partition(_BEGIN)
    _, _, tail = rest.partition(_END)
    rows = ["| rule | severity | finds | remedy | misses |", "|---|---|---|---|---|"]
    for rule in RULES.values():
        name = f"`{rule.identifier}`" + (f" ({rule.swc})" if rule.swc else "")
        rows.append(f"| {name} | {rule.severity.label} | {rule.meaning} | {rule.remedy} | {rule.misses} |")
    return head + _BEGIN + "\n" + "\n".join(rows) + "\n" + _END + tail
