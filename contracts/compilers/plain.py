"""Artifacts of languages that know nothing of ABIs: a file next to the source has it."""

from pathlib import Path
from typing import Any

from zevm.contracts.artifact import Artifact, asks_for_creation, module_artifact
from zevm.contracts.compilers.common import (
    Source,
    abi_beside,
    debug_source_map,
    metadata_of,
    require_fitting,
)
from zevm.contracts.options import BuildOptions


def plain_artifact(
    source: Source,
    language: str,
    version: str,
    module: bytes,
    options: BuildOptions,
    *,
    settings: dict[str, Any],
    libraries: tuple[Path, ...] = (),
    debug: bytes | None = None,
) -> Artifact:
    """The artifact of a module. Raises BuildError where the chain would refuse it, or its ABI is none."""
    require_fitting(source, module)
    abi, name = abi_beside(source), source.contract_name
    described = any(entry["type"] == "constructor" for entry in abi)
    return module_artifact(
        name, source.name, language, module,
        abi=abi,
        takes_arguments=described or (not abi and asks_for_creation(module)),
        metadata=metadata_of(source, language, version, name, abi, settings=settings, libraries=libraries),
        debug_module=debug,
        source_map=None if debug is None else debug_source_map(source, debug, module, options, libraries),
        compress=options.compress,
    )  # fmt: skip
