"""The compile of a submission, by solc in a process of its own and an empty folder."""

import os
import tempfile
from pathlib import Path

from zevm.analysis.verification.errors import NoMatchError
from zevm.analysis.verification.submission import Submission
from zevm.contracts.artifact import Artifact
from zevm.contracts.compilers.solidity import compile_standard_json, outputs_of
from zevm.contracts.options import BuildOptions, CompilerLimits
from zevm.contracts.sandbox.compiler import Guard

_KEPT_VARIABLES = ("PATH", "LANG", "LD_LIBRARY_PATH")
"""solc's environment is no more than it takes to run, be it a program or a script for node."""


def compile_submission(solc: str, submission: Submission, limits: CompilerLimits, guard: Guard) -> Artifact:
    """The contract that is meant. Raises BuildError, and NoMatchError where the sources have none of its name."""
    request = submission.standard_json()
    request["settings"] |= {"outputSelection": {submission.file or "*": outputs_of(submission.name)}}
    with tempfile.TemporaryDirectory(prefix="zevm-solc-") as folder:
        environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        options = BuildOptions(
            limits=limits, scratch=Path(folder), environment=environment | {"HOME": folder}, guard=guard
        )
        found = compile_standard_json(solc, request, submission.contract, options, folder=Path(folder))
    meant = [artifact for (_, name), artifact in found.items() if name == submission.name]
    if not meant:
        raise NoMatchError(f"the sources have no contract {submission.contract}")
    if len(meant) > 1:
        files = ", ".join(sorted(artifact.source for artifact in meant))
        raise NoMatchError(f"the sources have {len(meant)} contracts {submission.name} ({files}); name one by its file")
    return meant[0]
