"""Code that the compilers share: a source, its names in messages, and the metadata of artifacts."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zevm.chain.zvm.inspection import inspect_module
from zevm.chain.zvm.price_table import ZVM
from zevm.contracts.artifact import Abi
from zevm.contracts.errors import BuildError, CompilerMissingError
from zevm.contracts.options import BuildOptions
from zevm.contracts.source_files import files_of, hashes, read_text
from zevm.contracts.toolchain import zig


@dataclass(frozen=True, slots=True)
class Source:
    """A source file. path: absolute. root: the project's folder, against which its name is relative."""

    path: Path
    root: Path

    @property
    def name(self) -> str:
        """The path from the root, as artifacts and messages have it."""
        return self.name_of(self.path)

    @property
    def contract_name(self) -> str:
        """The name of a contract whose language gives it none: the file's, as a type is written."""
        return "".join(part[:1].upper() + part[1:] for part in self.path.stem.replace("-", "_").split("_"))

    def name_of(self, file: Path, libraries: Iterable[Path] = ()) -> str:
        """The name of a file: the path from the root, of a library's file the path from where libraries are."""
        for library in libraries:
            if file.is_relative_to(library):
                return f"lib/{library.name}/{file.relative_to(library).as_posix()}"
        if file.is_relative_to(self.root):
            return file.relative_to(self.root).as_posix()
        return f"lib/{file.parent.name}/{file.name}"


def source_of(path: Path, root: Path | None) -> Source:
    """A source by its path. Raises BuildError where there is none."""
    resolved = Path(os.path.abspath(path))
    if not resolved.is_file():
        raise BuildError(f"{path}: there is no such file")
    chosen = Path(os.path.abspath(root)) if root is not None else resolved.parent
    return Source(resolved, chosen if resolved.is_relative_to(chosen) else resolved.parent)


def metadata_of(
    source: Source,
    language: str,
    version: str,
    name: str,
    abi: Abi,
    *,
    settings: dict[str, Any],
    libraries: tuple[Path, ...] = (),
) -> dict[str, Any]:
    """The metadata of an artifact, in solc's form. libraries: folders whose files belong to the build, all of them."""
    files = [*files_of(source.path, libraries)]
    files += [file for folder in libraries for file in sorted(folder.rglob("*.zig"))]
    names = {file: source.name_of(file, libraries) for file in files}
    return {
        "compiler": {"version": version},
        "language": language,
        "output": {"abi": abi},
        "settings": {"compilationTarget": {source.name: name}, **settings},
        "sources": hashes(names, names),
        "version": 1,
    }


def debug_source_map(
    source: Source, debug: bytes, module: bytes, options: BuildOptions, libraries: tuple[Path, ...]
) -> dict[str, Any] | None:
    """The source map of a module by the DWARF of its debug module; no name in it depends on this machine."""
    if not options.source_map:
        return None
    try:
        from zevm.contracts.source_maps.dwarf import source_map_of_module
    except ModuleNotFoundError as error:
        raise CompilerMissingError(
            f"the source map of Zig and C needs the package {error.name}: pip install 'zevm-node[zig]'"
        ) from None
    compiler = Path(zig()).parent / "lib"

    def name_of(path: str) -> str:
        file = Path(os.path.normpath(path))
        if not file.is_absolute():
            return file.as_posix()
        if file.is_relative_to(compiler):
            return f"zig/{file.relative_to(compiler).as_posix()}"
        if any(file.is_relative_to(folder) for folder in (source.root, *libraries)):
            return source.name_of(file, libraries)
        return f"zig/{file.name}"  # made by the compiler, as builtin.zig

    return source_map_of_module(debug, module, name_of)


def require_fitting(source: Source, module: bytes) -> None:
    """Raise BuildError for a module that the chain would refuse, with the rule that it breaks."""
    refusal = inspect_module(module, ZVM.with_console()).refusal
    if refusal is not None:
        raise BuildError(f"{source.name}: the compiled module cannot be deployed: {refusal.message}")


def abi_beside(source: Source) -> Abi:
    """The ABI of a source whose language does not give it: `<source's stem>.abi.json` next to it, or none."""
    file = source.path.with_suffix(".abi.json")
    if not file.exists():
        return []
    try:
        abi = json.loads(read_text(file))
    except ValueError as error:
        raise BuildError(f"{source.name_of(file)}: not JSON: {error}") from None
    if not isinstance(abi, list) or not all(isinstance(entry, dict) and "type" in entry for entry in abi):
        raise BuildError(f'{source.name_of(file)}: not an ABI; want a list of objects with "type"')
    return abi
