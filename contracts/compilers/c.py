"""C: Clang as Zig brings it, without a C library."""

from zevm.chain.zvm.module.creation import stripped
from zevm.contracts.artifact import Artifact
from zevm.contracts.compilers.common import Source
from zevm.contracts.compilers.plain import plain_artifact
from zevm.contracts.compilers.zig import STACK_BYTES, WHY_SLOW, zig_version
from zevm.contracts.options import BuildOptions
from zevm.contracts.process import run_compiler
from zevm.contracts.scratch import scratch_folder
from zevm.contracts.toolchain import C_HEADERS, zig, zig_environment

_FLAGS = ("--target=wasm32-freestanding", "-std=c23", "-Wall", "-Wextra", "-Werror", "-Os", "-nostdlib", "-g")


def compile_c_file(source: Source, options: BuildOptions) -> Artifact:
    """The artifact of a source in C. Raises BuildError.

    Checked code traps where the language leaves the behaviour undefined; unsigned numbers wrap by its own rules.
    """
    checks = ("-fsanitize=undefined", "-fsanitize-trap=undefined") if options.checked else ("-fno-sanitize=all",)
    headers = source.root / "lib" / "zvm"
    include = headers if headers.is_dir() else C_HEADERS
    with scratch_folder("c", options.scratch) as folder:
        target = folder.resolve() / "contract.wasm"
        command = [
            zig(), "cc", *_FLAGS, *checks, f"-I{include}", f"-ffile-prefix-map={source.root}=.",
            "-Wl,--no-entry", f"-Wl,-z,stack-size={STACK_BYTES}", "-o", str(target), source.name,
        ]  # fmt: skip
        caches = zig_environment(options.cache)
        run_compiler(command, source.name, options, cwd=source.root, environment=caches, why_slow=WHY_SLOW)
        debug = target.read_bytes()
    settings = {"checked": options.checked, "stackBytes": STACK_BYTES}
    return plain_artifact(
        source, "C", zig_version(), stripped(debug), options, settings=settings, libraries=(include,), debug=debug
    )
