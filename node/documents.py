"""docs/settings.md, made from the table of settings."""

from itertools import groupby

from node.settings import LIMITS, Settings, setting_flags

_HEAD = """# Settings

Made from the table in `node/settings.py` by `make docs`. A setting is a flag of `zevm run` (`--chain-id 5`), a
variable (`ZEVM_CHAIN_ID=5`) or a key of a TOML file (`chain-id = 5`, or `chain_id`; `zevm.toml` in the current folder,
or the one of `--config` or `ZEVM_CONFIG`). Flags go before variables, variables before the file. A table in the
file prefixes its keys: `[pool]` with `global-slots = 9` is `--pool-global-slots 9`. A wrong setting ends the start with
one line that names it. The server's limits are in [limits.md](limits.md)."""


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
            default = "" if field.default in (None, (), False) else f"`{_shown(field.default)}`"
            lines.append(f"| {names} | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def _shown(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)
