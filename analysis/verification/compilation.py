"""The compile of a submission, by solc in a process of its own and an empty folder."""

import os
from pathlib import Path
from typing import Final

from zevm.analysis.verification.errors import NoMatchError
from zevm.analysis.verification.submission import Submission
from zevm.contracts.artifact import Artifact
from zevm.contracts.compilers.solidity import compile_standard_json, outputs_of
from zevm.contracts.options import BuildOptions, CompilerLimits, Guard
from zevm.contracts.scratch import scratch_folder

_KEPT_VARIABLES: Final = ("LANG", "LD_LIBRARY_PATH")
_OF_SCRIPTS: Final = ("PATH",)
"""Of a script, which finds node by it. A program has none: a source may ask solc for proofs (`pragma experimental
SMTChecker`), and solc looks for the provers, z3 and others, there.
"""
_MAPPED_BYTES: Final = 256 * 1_024
"""Size of the largest code whose places in the sources are kept, ten times that of a contract. A compiler's answer may
have larger code.
"""


def environment_of(solc: Path) -> dict[str, str]:
    """The environment of a compiler: no more than it takes to run, be it a program or a script. Raises OSError."""
    with solc.open("rb") as file:
        is_script = file.read(2) == b"#!"
    kept = (*_KEPT_VARIABLES, *_OF_SCRIPTS) if is_script else _KEPT_VARIABLES
    return {name: os.environ[name] for name in kept if name in os.environ}


def compile_submission(solc: str, submission: Submission, limits: CompilerLimits, guard: Guard) -> Artifact:
    """The contract that is meant. Raises BuildError, and NoMatchError where the sources have none of its name."""
    request = submission.standard_json()
    request["settings"] |= {"outputSelection": {submission.file or "*": outputs_of(submission.name)}}
    with scratch_folder("solc") as folder:
        options = BuildOptions(
            limits=limits,
            scratch=folder,
            environment=environment_of(Path(solc)) | {"HOME": str(folder)},
            guard=guard,
            mapped_bytes=_MAPPED_BYTES,
        )
        found = compile_standard_json(solc, request, submission.contract, options, folder=folder)
    meant = [artifact for (_, name), artifact in found.items() if name == submission.name]
    if not meant:
        raise NoMatchError(f"the sources have no contract {submission.contract}")
    if len(meant) > 1:
        files = ", ".join(sorted(artifact.source for artifact in meant))
        raise NoMatchError(f"the sources have {len(meant)} contracts {submission.name} ({files}); name one by its file")
    return meant[0]
