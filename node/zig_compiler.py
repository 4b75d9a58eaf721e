"""The compiler of zvm_deployZigContract: checked before a start, and made where the settings ask for it."""

from zevm.contracts.errors import CompilerMissingError, SandboxError
from zevm.contracts.sandbox.compiler import SandboxedZig, SandboxLimits
from zevm.contracts.sandbox.service import CompileService
from zevm.node.errors import NodeError
from zevm.node.settings import NodeSettings
from zevm.rpc.limits import Limits


def check_compiler(settings: NodeSettings) -> None:
    """Raise NodeError if the settings ask for the compiler, and it is not installed or cannot be confined here."""
    if not settings.zig_compiler:
        return
    compiler = _compiler(settings.limits)
    try:
        compiler.check()
    except CompilerMissingError as error:
        raise NodeError(f"--zig-compiler: {error}") from error
    except SandboxError as error:
        raise NodeError(
            f"--zig-compiler: sources of clients are compiled only in a sandbox, and there is none here: {error}; "
            "it takes Linux 5.13 with Landlock and seccomp, x86-64 or AArch64, and a compiler that other users may read"
        ) from error
    finally:
        compiler.close()


def compile_service(limits: Limits) -> CompileService:
    """The service, to be closed."""
    return CompileService(
        _compiler(limits),
        running=limits.zig_compiles,
        waiting=limits.zig_waiting,
        of_one_client=limits.zig_client_compiles,
    )


def _compiler(limits: Limits) -> SandboxedZig:
    return SandboxedZig(SandboxLimits(limits.zig_seconds, limits.zig_memory_bytes, limits.zig_file_bytes))
