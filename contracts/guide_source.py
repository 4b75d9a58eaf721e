"""Whole contract sources from the short ones of the SHROUD guide: a name alone, or a line that names a contract type.

A contract's source ends with `comptime { covenant.define(Type); }` and imports the library. A missing part is added
at the end, so that the compiler's line numbers stay those of the source.
"""

import re

_COMMENTS_AND_TEXT = re.compile(r'//[^\n]*|\\\\[^\n]*|"(?:\\.|[^"\\\n])*"')
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_DEFINES = re.compile(r"\bdefine\s*\(")
_LIBRARY = re.compile(r"\bconst\s+covenant\s*=")
_SHORT = re.compile(r"(?<![.\w])zigContract\s*\(")
_DECLARES_SHORT = re.compile(r"\b(?:const|fn)\s+zigContract\b")
_TOKEN = re.compile(r"\bconst\s+(\w+)\s*=\s*(?:covenant\s*\.\s*)?zigContract\s*\(")


class ContractNameError(ValueError):
    """A name that no contract can have."""


def complete(name: str, source: str) -> str:
    """The source with the library's import and the definition of its contract.

    name: of the contract: the declaration of this name is the contract where the source does not say it, and an empty
    source is the library's token of this name. Raises ContractNameError.
    """
    if not _NAME.fullmatch(name):
        raise ContractNameError(
            f"{name[:80]!r} is no contract name: letters, digits and _, no digit first, 64 characters at most"
        )
    if not source.strip():
        source = f'const Contract = covenant.zigContract("{name}");'
    code = _COMMENTS_AND_TEXT.sub(" ", source)
    token = _TOKEN.search(code)
    missing = []
    if not _LIBRARY.search(code):
        missing.append('const covenant = @import("covenant");')
    if _SHORT.search(code) and not _DECLARES_SHORT.search(code):
        missing.append("const zigContract = covenant.zigContract;")
    if not _DEFINES.search(code):
        missing.append(f"comptime {{ covenant.define({token[1] if token else name}); }}")
    return "\n".join([source, *missing]) + "\n" if missing else source
