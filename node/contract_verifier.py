"""The verifier of contracts: its compilers, its folder and its limits, by the settings."""

from zevm.analysis.catalogue import Catalogue
from zevm.analysis.verification.store import VerifiedStore
from zevm.analysis.verification.verifier import Verifier, VerifierLimits
from zevm.contracts.compilers.installed_solc import InstalledSolc
from zevm.contracts.options import CompilerLimits
from zevm.node.settings import NodeSettings
from zevm.rpc.limits import Limits
from zevm.storage.directory import VERIFIED_NAME


def contract_verifier(settings: NodeSettings, limits: Limits, catalogue: Catalogue) -> Verifier:
    """The verifier, to be closed. catalogue: learns the contracts."""
    store = VerifiedStore(
        None if settings.memory else settings.datadir / VERIFIED_NAME,
        most_contracts=limits.verified_contracts,
        most_bytes=limits.verified_bytes,
    )
    compiler = CompilerLimits(limits.verify_seconds, limits.verify_memory_bytes, file_bytes=limits.verify_output_bytes)
    bounds = VerifierLimits(compiler, limits.verify_compiles, limits.verify_waiting, limits.verify_outcomes)
    return Verifier(catalogue, store, InstalledSolc(settings.solc), bounds)
