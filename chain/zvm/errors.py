"""Refusals of the ZVM. Any bytes other than an acceptable module raise ModuleRefusedError."""

from zevm.chain.errors import ChainError


class ModuleRefusedError(ChainError):
    """A module breaks a rule. `rule` is its name; the message has the value found and the limit."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(f"invalid module ({rule}): {message}")
        self.rule = rule
