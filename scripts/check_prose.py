"""Refuse phrases that a native reader stumbles over, in documents, docstrings and texts for users.

python scripts/check_prose.py    print each phrase with its plain form; exit with 1 if there is any

The rule is in CONTRIBUTING.md: subject named, verb first, one clause; the field's word.
"""

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.syntax import PRODUCT, run, statements

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("zevm", *PRODUCT, "scripts", "testing", "bench", "deploy", "verification")
DOCUMENTS = ("*.md", "docs/*.md", ".github/**/*.md", "verification/*.md", "rpc/graphql/schema.graphql", "Makefile")
EXEMPT = frozenset({"CHANGELOG.md", "scripts/check_prose.py"})
"""CHANGELOG.md keeps its published words, and this file has the table of refused ones."""

PHRASES = {
    r"upon": "on, after, at",
    r"anew": "again",
    r"beside": "with, next to, in addition to",
    r"so (many|much) (?!as\b|that\b|faster\b|smaller\b|larger\b)": "this many, a number",
    r"so long (?!as\b|that\b)": "this long",
    r"(in|by|with) (geth|Go|Hardhat|Anvil)'s words": "with its text",
    r"rooms?": "package, layer, space",
    r"nobody": "no client, no thread: name the subject",
    r"lest": "so that ... not",
    r"whoever": "the client that, anyone who",
    r"is told of": "receives, is called with",
    r"stands? for": "means, represents",
    r"what (is|was) (left|kept|sent|asked|wanted|said|told|read|written|held)": "a noun: the rest, the request",
}
IN_DOCUMENTS = {
    r"for ever": "forever, for good, indefinitely",
    r"in the place of": "instead of",
    r"whom": "a sentence with the subject named",
    r"but for": "except",
    r"everybody": "everyone, anyone: or name them",
    r"(?<=[:;.] )who (asks|sends|waits|comes|begins|gets|reads|holds|changes)": "a client that, a caller that",
    r"(is|are|was|were) told (apart|from|of|by|with)": "is distinguished, is reported",
}
"""Refused where newcomers read: in documents."""
OPENINGS = r"(What|Who|Whom|That which|Where|Why it|How many|How much)\b"
ALLOWED = {
    ("CONTRIBUTING.md", r"rooms?"),
    ("CONTRIBUTING.md", r"beside"),
}
"""(file, phrase) that may stay: CONTRIBUTING.md quotes refused words."""

_PHRASE = {
    phrase: re.compile(rf"\b{phrase}" + ("" if phrase.endswith(")") else r"\b(?!:)"), re.IGNORECASE)
    for phrase in PHRASES | IN_DOCUMENTS
}
_OPENING = re.compile(OPENINGS)
_ANY = re.compile("|".join(PHRASES).lower())
_OPENED = re.compile(rf'"""{OPENINGS}')
_JOINT = re.compile(r"""["']\s*\n\s*[fr]?["']""")
"""Between texts that Python joins."""
_CODE = re.compile(r"```.*?```|`[^`\n]*`|<!--.*?-->", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Text:
    """Prose of a file: a document, a docstring or a message. `line` is its first line."""

    file: str
    line: int
    text: str
    is_docstring: bool = False

    @property
    def phrases(self) -> dict[str, str]:
        """The refused phrases of such a text, and their plain forms."""
        return PHRASES if self.file.endswith(".py") else PHRASES | IN_DOCUMENTS


def findings(texts: Iterator[Text]) -> Iterator[str]:
    """A message for each refused phrase."""
    for text in texts:
        prose = _CODE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text.text)
        for phrase, plain in text.phrases.items():
            if (text.file, phrase) in ALLOWED:
                continue
            for match in _PHRASE[phrase].finditer(prose):
                line = text.line + prose.count("\n", 0, match.start())
                yield f"{text.file}:{line}: {match[0].strip()!r}: better: {plain}"
        opening = _OPENING.match(text.text) if text.is_docstring else None
        if opening is not None:
            yield f"{text.file}:{text.line}: begins with {opening[0]!r}: begin with the noun or the verb"


def may_have_findings(source: str) -> bool:
    """Whether a module has the letters of a refused phrase anywhere: most have none, and to parse them takes long."""
    return _ANY.search(_JOINT.sub("", source).lower()) is not None or _OPENED.search(source) is not None


def texts_of_python(file: str, source: str) -> Iterator[Text]:
    """Docstrings, strings below constants, and every other text of two words or more."""
    tree = ast.parse(source)
    documented = {id(value) for value in _docstrings(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield Text(file, node.lineno, node.value, id(node) in documented)


def _docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    for statement in statements(tree):
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            yield statement.value


def texts() -> Iterator[Text]:
    """All prose of the repository that the rule is for."""
    for file in _files(*FOLDERS):
        if file.endswith(".py") and file not in EXEMPT and may_have_findings(source := (ROOT / file).read_text()):
            yield from texts_of_python(file, source)
    for file in _files(*DOCUMENTS):
        if file not in EXEMPT:
            yield Text(file, 1, (ROOT / file).read_text())


def _files(*patterns: str) -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return sorted(file for file in set(listed) if (ROOT / file).is_file() and not (ROOT / file).is_symlink())


def main() -> int:
    """Print the findings; 1 if there are any."""
    found = list(findings(texts()))
    for message in found:
        print(message)
    return 1 if found else 0


if __name__ == "__main__":
    run(main)
