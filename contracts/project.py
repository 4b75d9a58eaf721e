"""A project of contracts: sources in `src/`, artifacts in `out/`."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from zevm.contracts.artifact import Artifact, load_artifact, replace_file
from zevm.contracts.builder import BY_SUFFIX
from zevm.contracts.errors import ArtifactError, NoArtifactError, NoContractError
from zevm.contracts.source_files import read_text
from zevm.storage.keccak import keccak256

_DEPLOYMENTS = "deployments.json"
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
        """The contracts in `src/`. Raises NoContractError if there is none."""
        folder = self.root / "src"
        files = [file for file in sorted(folder.rglob("*")) if file.suffix in BY_SUFFIX and _is_contract(file)]
        if not files:
            raise NoContractError(f"no contract in {folder}: name a source")
        return files

    def artifacts(self) -> list[Path]:
        """The artifacts' files: not those of forge's tests and scripts, nor its records."""
        found = (file for file in self.out.glob("*/*.json") if not file.name.startswith("."))
        return sorted(file for file in found if not file.parent.name.endswith((".t.sol", ".s.sol", "build-info")))

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
        raise self._not_one(name, files)

    def _not_one(self, name: str | None, found: list[Path]) -> ArtifactError:
        names = ", ".join(f"{file.parent.name}:{file.stem}" for file in found or self.artifacts())
        if not names:
            return NoArtifactError(f"no artifact in {self.out}")
        if found:
            called = "" if name is None else f" are called {name}"
            return ArtifactError(f"{len(found)} contracts{called}: choose one of {names}")
        hint = "" if str(name).rpartition(":")[2].isidentifier() else "; the contract's name comes before its arguments"
        return ArtifactError(f"no contract {name} in {self.out}: there are {names}{hint}")

    def record_deployment(self, chain: str, name: str, address: str) -> None:
        """Keep the address of a contract's last deployment on a chain, in `deployments.json` of the artifacts."""
        found = self._deployments()
        found.setdefault(chain, {})[name] = address
        self.out.mkdir(parents=True, exist_ok=True)
        replace_file(self.out / _DEPLOYMENTS, (json.dumps(found, indent=2, sort_keys=True) + "\n").encode())

    def deployed(self, chain: str, name: str) -> str | None:
        """The address of a contract's last deployment on a chain."""
        return self._deployments().get(chain, {}).get(name)

    def deployed_at(self, chain: str, address: str) -> str | None:
        """The name of the contract that was deployed to an address."""
        rows = self._deployments().get(chain, {})
        return next((name for name, other in rows.items() if other.lower() == address.lower()), None)

    def _deployments(self) -> dict[str, dict[str, str]]:
        try:
            found: dict[str, dict[str, str]] = json.loads((self.out / _DEPLOYMENTS).read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise ArtifactError(f"{self.out / _DEPLOYMENTS}: not JSON: {error}; it may be deleted") from None
        return found

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
