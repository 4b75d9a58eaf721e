"""Contracts from their sources: compilers, artifacts, and the libraries to write them with."""

from zevm.contracts.artifact import Artifact, load_artifact
from zevm.contracts.builder import build, build_all, compile_zig
from zevm.contracts.errors import ArtifactError, BuildError, BuildTimeoutError, CompilerMissingError
from zevm.contracts.options import BuildOptions, CompilerLimits

__all__ = [
    "Artifact",
    "ArtifactError",
    "BuildError",
    "BuildOptions",
    "BuildTimeoutError",
    "CompilerLimits",
    "CompilerMissingError",
    "build",
    "build_all",
    "compile_zig",
    "load_artifact",
]
