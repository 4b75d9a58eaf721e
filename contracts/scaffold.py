"""New projects of contracts: a small contract with a test, and all that it needs to build from a clone."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zevm.contracts.errors import ArtifactError
from zevm.contracts.toolchain import PACKAGE

TEMPLATES = PACKAGE / "templates"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}\Z")


@dataclass(frozen=True, slots=True)
class Template:
    """The files of a new project. tree: a folder of TEMPLATES. copies: files or folders of the package, by their place.

    capital: whether source files are named as contracts are. deploy_arguments: what `deploy` needs. install: the
    command that brings the compiler.
    """

    tree: str
    install: str
    copies: tuple[tuple[str, str], ...] = ()
    capital: bool = False
    deploy_arguments: str = ""


_README = ("templates/common/readme.md", "README.md")
_GITIGNORE = ("templates/common/gitignore", ".gitignore")
_TOKEN_TEST = ("templates/tests/token.txt", "tests/test_{{file}}.py")
_COUNTER_TEST = ("templates/tests/counter.txt", "tests/test_{{file}}.py")
_COUNTER_ABI = ("c/counter.abi.json", "src/{{file}}.abi.json")

_ZIG = "pip install 'zevm-node[cli,zig]'"

PROJECTS = {
    "zig": Template("zig", _ZIG, (_README, _GITIGNORE, ("zig/covenant", "lib/covenant"))),
    "c": Template(
        "c",
        _ZIG,
        (
            _README,
            _GITIGNORE,
            ("c/counter.c", "src/{{file}}.c"),
            _COUNTER_ABI,
            ("c/zvm.h", "lib/zvm/zvm.h"),
            _COUNTER_TEST,
        ),
        deploy_arguments=" {{Contract}} 7",
    ),
    "assemblyscript": Template(
        "assemblyscript",
        "npm install --save-dev assemblyscript",
        (
            _README,
            _GITIGNORE,
            ("assemblyscript/counter.ts", "src/{{file}}.ts"),
            _COUNTER_ABI,
            ("assemblyscript/hooks.ts", "src/hooks.ts"),
            _COUNTER_TEST,
        ),
        deploy_arguments=" {{Contract}} 7",
    ),
    "solidity": Template("solidity", "npm install --save-dev solc", (_README, _GITIGNORE), capital=True),
    "vyper": Template("vyper", "pip install 'zevm-node[cli,vyper]'", (_README, _GITIGNORE, _TOKEN_TEST)),
}
"""Projects by the name of their language on the command line."""


def create_project(folder: Path, language: str) -> str:
    """Make a project in a new or empty folder; the words that name its contract's deployment. Raises ArtifactError."""
    template = PROJECTS.get(language)
    if template is None:
        raise ArtifactError(f"{language}: no language of a project; there are {', '.join(PROJECTS)}")
    if not _NAME.match(folder.name):
        raise ArtifactError(f"{folder.name!r} is no name for a project; want letters, digits, _ and -, as in token")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ArtifactError(f"{folder} is there already; choose another name")
    words = _words(folder.name)
    for target, content in _files(template):
        file = folder / _filled(target, words, template)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_filled(content, words, template))
    return _filled(template.deploy_arguments, words, template).strip()


def _words(name: str) -> tuple[str, str]:
    """The file's and the contract's name: my_token and MyToken."""
    parts = [part for part in re.split(r"[-_]", name) if part]
    return "_".join(part.lower() for part in parts), "".join(part[:1].upper() + part[1:] for part in parts)


def _files(template: Template) -> Iterator[tuple[str, str]]:
    """(place, text) of each file."""
    tree = TEMPLATES / template.tree
    for file in sorted(tree.rglob("*")):
        if file.is_file():
            yield file.relative_to(tree).as_posix().replace("contract.", "{{source}}."), file.read_text()
    for origin, place in template.copies:
        source = PACKAGE / origin
        for file in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if file.is_file() and file.suffix != ".pyc":
                inside = file.relative_to(source).as_posix()
                yield place if file == source else f"{place}/{inside}", file.read_text()


def _filled(text: str, words: tuple[str, str], template: Template) -> str:
    file, contract = words
    source = contract if template.capital else file
    text = text.replace("{{deploy_arguments}}", template.deploy_arguments).replace("{{install}}", template.install)
    return text.replace("{{source}}", source).replace("{{file}}", file).replace("{{Contract}}", contract)
