"""The contracts of a project, found by name: built ones in its folders of artifacts, or their sources."""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from zevm.contracts.artifact import Artifact, load_artifact
from zevm.contracts.builder import BY_SUFFIX, build_all
from zevm.contracts.errors import ArtifactError, BuildError
from zevm.contracts.options import BuildOptions
from zevm.contracts.project import Project
from zevm.contracts.source_files import read_text

_BUILT = (".json", ".wasm")
_NO_ARTIFACTS = ("build-info", "cache", "node_modules")
_DECLARED = {
    ".sol": re.compile(r"^\s*(?:abstract\s+)?(?:contract|library)\s+(\w+)", re.MULTILINE),
}
"""Names of contracts in sources that may hold several; elsewhere the file's name counts."""


class Artifacts:
    """Artifacts by name or path; each is read or built once. root: the project's folder, which paths start from."""

    def __init__(self, root: Path, folders: Sequence[Path], sources: Sequence[Path]) -> None:
        self._root = root
        self._folders = [root / folder for folder in folders]
        self._sources = [root / folder for folder in sources]
        self._found: dict[str, Artifact] = {}

    def find(self, name: str) -> Artifact:
        """The artifact of `Token`, `Token.sol:Token`, `out/Token.sol/Token.json` or `src/Token.sol`.

        Raises ArtifactError, also for one that is older than its source, and BuildError.
        """
        if name not in self._found:
            self._found[name] = self._look_up(name)
        return self._found[name]

    def _look_up(self, name: str) -> Artifact:
        file_name, _, contract = name.rpartition(":")
        path = self._root / (file_name if file_name.endswith(tuple(BY_SUFFIX)) else name)
        if name.endswith(_BUILT):
            return self._loaded(path)
        if path.suffix in BY_SUFFIX and path.is_file():
            return self._built(path, contract if file_name else None)
        artifacts = [file for file in self._by_name.get(contract, ()) if _is_of(file, file_name)]
        if len(artifacts) == 1:
            return self._loaded(artifacts[0])
        if artifacts:
            choices = ", ".join(f"{file.parent.name}:{contract}" for file in artifacts)
            raise ArtifactError(
                f"{len(artifacts)} contracts are called {name}: choose one of {choices}, or give a path"
            )
        sources = [file for file in self._source_files() if _may_declare(file, contract) and _is_in(file, file_name)]
        if sources:
            return self._built(sources[0], contract)
        raise ArtifactError(self._nothing(name))

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for file in self._artifact_files():
            found.setdefault(file.name.removesuffix(".json"), []).append(file)
        return found

    def _artifact_files(self) -> Iterator[Path]:
        for folder in self._folders:
            for file in sorted(folder.rglob("*.json")):
                parts = file.relative_to(folder).parts
                if not file.name.endswith(".dbg.json") and not any(_is_left_out(part) for part in parts):
                    yield file

    def _source_files(self) -> Iterator[Path]:
        for folder in self._sources:
            yield from (file for file in sorted(folder.rglob("*")) if file.suffix in BY_SUFFIX)

    def _loaded(self, path: Path) -> Artifact:
        artifact = load_artifact(path)
        changed = Project.at(self._root).changed_source(artifact)
        if changed is not None:
            raise ArtifactError(f"{path.relative_to(self._root)} is older than {changed}: build the project again")
        return artifact

    def _built(self, path: Path, contract: str | None) -> Artifact:
        artifacts = build_all(path, BuildOptions(root=self._root))
        named = [artifact for artifact in artifacts if contract in (None, artifact.name)]
        chosen = named or (artifacts if len(artifacts) == 1 else [])
        if len(chosen) == 1:
            return chosen[0]
        names = ", ".join(artifact.name for artifact in artifacts)
        raise BuildError(f"{path.relative_to(self._root)}: want one of its contracts: {names}")

    def _nothing(self, name: str) -> str:
        looked = ", ".join(str(folder.relative_to(self._root)) for folder in [*self._folders, *self._sources])
        names = sorted(self._by_name)
        there = f"there are {', '.join(names[:20])}" if names else "they hold no artifact"
        return f"no contract {name} in {looked}: {there}; build the project, or set zevm_artifacts or zevm_sources"


def _is_left_out(part: str) -> bool:
    return part.startswith(".") or part.endswith((".t.sol", ".s.sol")) or part in _NO_ARTIFACTS


def _is_of(artifact: Path, source: str) -> bool:
    """Whether an artifact's folder is the source of a qualified name."""
    return not source or Path(source).name == artifact.parent.name


def _is_in(file: Path, source: str) -> bool:
    return not source or Path(source).name == file.name


def _may_declare(file: Path, contract: str) -> bool:
    """Whether a source is likely to hold a contract."""
    pattern = _DECLARED.get(file.suffix)
    if pattern is None:
        return file.stem.lower() == contract.lower()
    return contract in pattern.findall(read_text(file))
