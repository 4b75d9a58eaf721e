"""Zig: a contract against the library `covenant`, and what the library describes of it."""

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from zevm.chain.zvm.module.creation import stripped
from zevm.contracts.artifact import Artifact, module_artifact
from zevm.contracts.compilers.common import Source, debug_source_map, metadata_of, require_fitting
from zevm.contracts.compilers.plain import plain_artifact
from zevm.contracts.description import Description, read_description
from zevm.contracts.options import BuildOptions
from zevm.contracts.process import run_compiler
from zevm.contracts.scratch import scratch_folder
from zevm.contracts.source_files import files_of
from zevm.contracts.toolchain import library_of, zig, zig_environment

STACK_BYTES = 32_768
"""The shadow stack; Zig's default of 1 MiB would make every call pay for 17 pages."""

WHY_SLOW = "the first compile on a machine also builds parts of the compiler, which takes about ten seconds"

_WITHOUT_CODE = ("-fno-compiler-rt", "-fno-ubsan-rt", "--import-symbols")
"""A description is data: the run-time library of the compiler, which an empty cache lacks, takes seconds to build."""

_TARGET = ("build-exe", "-target", "wasm32-freestanding", "-fno-entry", "-rdynamic")


def compile_zig_file(source: Source, options: BuildOptions) -> Artifact:
    """The artifact of a source that ends with `covenant.define`. Raises BuildError."""
    library = options.library or library_of(source.root)
    debug = _run(source, options, _contract_modules(library, source.path, options))
    module = stripped(debug)
    require_fitting(source, module)
    settings = {"checked": options.checked, "stackBytes": STACK_BYTES}
    description = _describe(source, library, options)
    if description is None:
        return plain_artifact(
            source, "Zig", zig_version(), module, options, settings=settings, libraries=(library,), debug=debug
        )
    artifact = module_artifact(
        description.name,
        source.name,
        "Zig",
        module,
        abi=description.abi,
        takes_arguments=description.has_constructor,
        metadata=metadata_of(
            source, "Zig", zig_version(), description.name, description.abi,
            settings=settings, libraries=(library,),
        ),
        storage_layout=_with_source(description, source),
        debug_module=debug,
        source_map=debug_source_map(source, debug, module, options, (library,)),
        compress=options.compress,
    )  # fmt: skip
    if description.transient_layout is None:
        return artifact
    return replace(artifact, extra={"transientStorageLayout": description.transient_layout})


def _with_source(description: Description, source: Source) -> dict[str, Any] | None:
    """The storage layout, whose rows name the contract as solc does: `src/token.zig:Token`."""
    layout = description.storage_layout
    if layout is None:
        return None
    contract = f"{source.name}:{description.name}"
    return layout | {"storage": [row | {"contract": contract} for row in layout["storage"]]}


def zig_version() -> str:
    """The version of the compiler."""
    return version("ziglang")


def _contract_modules(library: Path, path: Path, options: BuildOptions) -> list[str]:
    """The contract under the library's root, which brings the panics; the library checks explicitly what it must."""
    mode = "ReleaseSafe" if options.checked else "ReleaseSmall"
    return [
        "-O", mode, "--stack", str(STACK_BYTES), "-fno-strip",
        "--dep", "covenant", "--dep", "contract", f"-Mroot={library / 'entry.zig'}",
        "-O", mode, "-fno-strip", "--dep", "covenant", f"-Mcontract={path}",
        "-O", "ReleaseSmall", "-fno-strip", f"-Mcovenant={library / 'covenant.zig'}",
    ]  # fmt: skip


def _describe(source: Source, library: Path, options: BuildOptions) -> Description | None:
    with scratch_folder("zig", options.scratch) as folder:
        modules = [
            *_WITHOUT_CODE, "-O", "ReleaseSmall", "-fstrip",
            "--dep", "covenant", "--dep", "contract", "--dep", "files", f"-Mroot={library / 'describe.zig'}",
            "--dep", "covenant", f"-Mcontract={source.path}",
            *_other_files(source.path, library, folder.resolve() / "files.zig"),
            f"-Mcovenant={library / 'covenant.zig'}",
        ]  # fmt: skip
        return read_description(_run(source, options, modules))


def _other_files(path: Path, library: Path, list_file: Path) -> list[str]:
    """The module `files`: texts of the contract's further files, by the beginning of the names of types in them."""
    home = path.resolve().parent
    others = [file for file in files_of(path) if file.suffix == ".zig" and file != path.resolve()]
    # a file outside of the folder is none that Zig imports
    inside = [file for file in others if file.is_relative_to(home)]
    if not inside:
        return [f"-Mfiles={library / 'no_files.zig'}"]
    begins = [".".join(file.relative_to(home).with_suffix("").parts) for file in inside]
    entries = "".join(f'    .{{ "{name}.", @embedFile("file{n}") }},\n' for n, name in enumerate(begins))
    list_file.write_text(f"pub const files = .{{\n{entries}}};\n")
    needed = [part for n in range(len(inside)) for part in ("--dep", f"file{n}")]
    return [*needed, f"-Mfiles={list_file}", *(f"-Mfile{n}={file}" for n, file in enumerate(inside))]


def _run(source: Source, options: BuildOptions, modules: list[str]) -> bytes:
    """The module that Zig makes of these modules."""
    with scratch_folder("zig", options.scratch) as folder:
        target = folder.resolve() / "contract.wasm"
        command = [zig(), *_TARGET, *modules, f"-femit-bin={target}"]
        caches = zig_environment(options.cache)
        run_compiler(command, source.name, options, cwd=source.root, environment=caches, why_slow=WHY_SLOW)
        return target.read_bytes()
