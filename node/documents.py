"""Make docs/settings.md from the table of settings."""

from itertools import groupby

from zevm.node.foreign_flags import FOREIGN_FLAGS, ForeignFlag
from zevm.node.setting_kinds import LIMITS, as_text
from zevm.node.settings import Settings, setting_flags

_HEAD = """# Settings

Made from the table in `node/settings.py` by `make docs`. A setting is a flag of `zevm run` (`--chain-id 5`), a
variable (`ZEVM_CHAIN_ID=5`) or a key of a TOML file (`chain-id = 5`, or `chain_id`; `zevm.toml` in the current folder,
or the file of `--config` or `ZEVM_CONFIG`). Flags take precedence over variables, variables over the file. A table in
the file prefixes its keys: `[pool]` with `global-slots = 9` is `--pool-global-slots 9`. A wrong setting ends the start
with one line that names it. The server's limits are in [limits.md](limits.md).

`zevm console`, `zevm wasm` and the examples read the node's URL from `ETH_RPC_URL`, as Foundry's tools do. A URL or
port on the command line takes precedence."""

_FOREIGN_HEAD = """
## Flags of other nodes

`zevm run` recognises the flags of Anvil, Hardhat's node, Ganache and `geth --dev` that it lacks. It translates a flag
that has another name here and ignores a flag without effect, both with a note. Any other of these flags ends the start.

| flag | of | here |
| --- | --- | --- |"""


def settings_document() -> str:
    """The whole document."""
    lines = [_HEAD]
    for panel, rows in groupby(setting_flags().items(), key=lambda row: row[1].panel):
        if panel == LIMITS:
            continue
        lines += ["", f"## {panel}", "", "| flag | default | meaning |", "| --- | --- | --- |"]
        for name, flag in rows:
            field = Settings.model_fields[name]
            names = ", ".join(f"`{each}`" for each in flag.names)
            default = "" if field.default in (None, (), False) else f"`{as_text(field.default)}`"
            lines.append(f"| {names} | {default} | {field.description} |")
    lines += [_FOREIGN_HEAD, *map(_foreign_row, FOREIGN_FLAGS)]
    return "\n".join(lines) + "\n"


def _foreign_row(flag: ForeignFlag) -> str:
    value = "" if flag.only is None else f" {flag.only}"
    names = ", ".join(f"`{name}{value}`" for name in flag.names)
    if flag.renamed is not None:
        return f"| {names} | {flag.owner} | `{flag.renamed}` |"
    return f"| {names} | {flag.owner} | {'no effect' if flag.accepted else 'not here'}: {flag.about} |"
