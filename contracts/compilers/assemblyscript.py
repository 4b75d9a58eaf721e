"""AssemblyScript: asc from npm, with the runtime that allocates and never frees, without the import `abort`."""

import json
import os
from pathlib import Path

from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.module.creation import stripped
from zevm.contracts.artifact import Artifact
from zevm.contracts.compilers.common import Source
from zevm.contracts.compilers.plain import plain_artifact
from zevm.contracts.errors import BuildError
from zevm.contracts.options import BuildOptions
from zevm.contracts.process import run_compiler
from zevm.contracts.scratch import scratch_folder
from zevm.contracts.start_function import with_start_moved
from zevm.contracts.toolchain import node_tool

_FLAGS = ("-Oz", "--runtime", "stub", "--use", "abort=")

_ONE_COMPILER = 'require("v8").setFlagsFromString("--liftoff-only")'
"""The compiler is WebAssembly itself. V8 would compile it twice, which takes longer than it runs."""


def find_asc(near: Path, tools: Path | None = None) -> str:
    """The compiler's program. Raises CompilerMissingError."""
    return node_tool("asc", "assemblyscript", "AssemblyScript", near, tools)


def compile_assemblyscript_file(source: Source, options: BuildOptions) -> Artifact:
    """The artifact of a source in AssemblyScript. Raises BuildError."""
    compiler = find_asc(source.path.parent, options.tools)
    checks = () if options.checked else ("--noAssert",)
    with scratch_folder("asc", options.scratch) as folder:
        target = folder.resolve() / "contract.wasm"
        command = [compiler, source.name, *_FLAGS, *checks, "--outFile", os.path.relpath(target, source.root)]
        run_compiler(command, source.name, options, cwd=source.root, environment=one_compiler(Path(folder), options))
        compiled = target.read_bytes()
    try:
        module = stripped(with_start_moved(compiled))
    except ModuleRefusedError as error:
        raise BuildError(f"{source.name}: the compiled module cannot be deployed: {error}") from error
    package = Path(compiler).resolve().parent.parent / "package.json"
    version = json.loads(package.read_text())["version"] if package.exists() else "unknown"
    return plain_artifact(source, "AssemblyScript", version, module, options, settings={"checked": options.checked})


def one_compiler(folder: Path, options: BuildOptions) -> dict[str, str]:
    """A variable by which Node.js runs _ONE_COMPILER before the program, after what the variable holds already."""
    file = folder.resolve() / "one_compiler.cjs"
    file.write_text(_ONE_COMPILER)
    given = (os.environ if options.environment is None else options.environment).get("NODE_OPTIONS", "")
    return {"NODE_OPTIONS": f'{given} --require "{file}"'.strip()}
