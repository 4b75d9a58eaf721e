"""Sources that are said to be a contract's, as Etherscan's and Sourcify's clients send them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from zevm.analysis.verification.comparison import YUL
from zevm.analysis.verification.errors import SubmissionError
from zevm.contracts.compilers.installed_solc import SolcVersion

SOURCES_LIMIT: Final = 4_096
"""Files of one submission."""
SETTINGS_LEVELS: Final = 16
"""Of objects and lists in each other; solc's own have six."""
LANGUAGES: Final = ("Solidity", YUL)
_NOT_OF_THE_CODE: Final = frozenset({"outputSelection", "modelChecker", "stopAfter"})
"""Settings that do not change the code: what is put out, proofs by other programs, an early end."""
_FLAT_FILE: Final = "contract.sol"
_NAME: Final = re.compile(r"[A-Za-z_$][\w$]{0,1023}", re.ASCII)
"""A name of Solidity and Yul, which may have dollars."""
_SHOWN_CHARACTERS: Final = 100


@dataclass(frozen=True, slots=True)
class Submission:
    """Sources by the names that they import each other by, and solc's settings, as far as they decide about the code.

    file, name: of the contract; file: "" where the name alone says which.
    """

    language: str
    sources: Mapping[str, str]
    settings: Mapping[str, Any]
    file: str
    name: str
    version: SolcVersion

    @property
    def contract(self) -> str:
        """The contract as its sender names it."""
        return f"{self.file}:{self.name}" if self.file else self.name

    def standard_json(self) -> dict[str, Any]:
        """The input without a selection of outputs."""
        sources = {name: {"content": text} for name, text in self.sources.items()}
        return {"language": self.language, "sources": sources, "settings": dict(self.settings)}


def standard_submission(document: Any, contract: str, version: str) -> Submission:
    """Of solc's standard JSON input; contract: `FILE:NAME` or `NAME`. Raises SubmissionError."""
    if not isinstance(document, Mapping):
        raise SubmissionError("the sources are no standard JSON input: an object with language, sources and settings")
    language = document.get("language")
    if language not in LANGUAGES:
        raise SubmissionError(f"the language is {_shown(language)}; the node compiles {' and '.join(LANGUAGES)}")
    settings = document.get("settings", {})
    if not isinstance(settings, Mapping):
        raise SubmissionError("the settings are no object")
    if _is_deeper(settings, SETTINGS_LEVELS):
        raise SubmissionError(f"the settings are nested deeper than {SETTINGS_LEVELS} levels")
    chosen = {name: value for name, value in settings.items() if name not in _NOT_OF_THE_CODE}
    sources = _sources(document.get("sources"))
    file, _, name = contract.rpartition(":")
    if _NAME.fullmatch(name) is None:
        raise SubmissionError(f"the contract is {_shown(contract)}; want FILE:NAME")
    if file and file not in sources:
        raise SubmissionError(f"the contract is of the file {_shown(file)}, which is not among the sources")
    return Submission(str(language), sources, chosen, file, name, _version(version))


def flat_submission(text: str, contract: str, version: str, settings: Mapping[str, Any]) -> Submission:
    """Of one text that imports nothing. Raises SubmissionError."""
    document = {"language": "Solidity", "sources": {_FLAT_FILE: {"content": text}}, "settings": settings}
    return standard_submission(document, contract.rpartition(":")[2], version)


def _sources(found: Any) -> dict[str, str]:
    if not isinstance(found, Mapping) or not found:
        raise SubmissionError("there are no sources")
    if len(found) > SOURCES_LIMIT:
        raise SubmissionError(f"{len(found):,} sources; at most {SOURCES_LIMIT:,} may be")
    texts: dict[str, str] = {}
    for name, item in found.items():
        content = item.get("content") if isinstance(item, Mapping) else None
        if not isinstance(content, str):
            raise SubmissionError(f"the source {_shown(name)} has no content: the node follows no URLs")
        texts[str(name)] = content
    return texts


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, list | Mapping):
        return False
    items = value.values() if isinstance(value, Mapping) else value
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in items)


def _version(text: str) -> SolcVersion:
    version = SolcVersion.parse(text)
    if version is None:
        raise SubmissionError(f"the compiler's version is {_shown(text)}; want a release of solc, as v0.8.28")
    return version


def _shown(value: object) -> str:
    """A value as an error shows it: text in quotes, of lists and objects the kind."""
    if isinstance(value, str):
        return repr(value[:_SHOWN_CHARACTERS])
    return f"a {type(value).__name__}" if isinstance(value, list | Mapping) else repr(value)
