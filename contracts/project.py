"""A project of contracts: sources in `src/`, artifacts in `out/`."""

import re
from dataclasses import dataclass
from pathlib import Path

from zevm.contracts.artifact import Artifact, load_artifact
from zevm.contracts.builder import BY_SUFFIX
from zevm.contracts.errors import ArtifactError, BuildError
from zevm.contracts.source_files import read_text
from zevm.storage.keccak import keccak256

_CONTRACT = {
    ".zig": re.compile(r"\bdefine\s*\(|\buser_entrypoint\b"),
    ".c": re.compile(r"\buser_entrypoint\b"),
    ".ts": re.compile(r"\buser_entrypoint\b"),
}
"""Words of sources that are contracts, not parts of one. Sources of other languages are contracts all."""


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with contracts. out: of artifacts."""

    root: Path
    out: Path

    @classmethod
    def at(cls, root: Path, out: Path | None = None) -> "Project":
        """The project of a folder; its artifacts are in `out/` unless told."""
        return cls(root.absolute(), (root / "out" if out is None else out).absolute())

    def sources(self) -> list[Path]:
        """The contracts in `src/`. Raises BuildError where there is none."""
        folder = self.root / "src"
        files = [file for file in sorted(folder.rglob("*")) if file.suffix in BY_SUFFIX and _is_contract(file)]
        if not files:
            raise BuildError(
                f"no contract in {folder}: name a source, or begin a project with `zevm contract new NAME --lang zig`"
            )
        return files

    def artifacts(self) -> list[Path]:
        """The artifacts' files."""
        return sorted(file for file in self.out.glob("*/*.json") if not file.name.startswith("."))

    def find(self, name: str | None) -> Artifact:
        """An artifact by its contract's name, as `Token` or `token.zig:Token`, or by a path; None: the only one.

        Raises ArtifactError.
        """
        if name is not None and name.endswith((".json", ".wasm")):
            return load_artifact(Path(name))
        files = self.artifacts()
        if name is not None:
            file_name, _, contract = name.rpartition(":")
            files = [file for file in files if file.stem == contract and Path(file_name).name in ("", file.parent.name)]
        if len(files) == 1:
            return load_artifact(files[0])
        raise ArtifactError(self._not_one(name, files))

    def _not_one(self, name: str | None, found: list[Path]) -> str:
        names = ", ".join(f"{file.parent.name}:{file.stem}" for file in found or self.artifacts())
        if not names:
            return f"no artifact in {self.out}: run `zevm contract build` in the project's folder"
        if found:
            return f"{len(found)} contracts{'' if name is None else f' are called {name}'}: choose one of {names}"
        return f"no contract {name} in {self.out}: there are {names}"

    def changed_source(self, artifact: Artifact) -> str | None:
        """The name of a source that is not as it was when the artifact was built; None where all are."""
        for name, entry in artifact.metadata.get("sources", {}).items():
            file = self.root / name
            if file.is_file() and "0x" + keccak256(file.read_bytes()).hex() != entry.get("keccak256"):
                return str(name)
        return None


def _is_contract(file: Path) -> bool:
    pattern = _CONTRACT.get(file.suffix)
    return pattern is None or pattern.search(read_text(file)) is not None
