"""Deployment of contracts by name, as web3.py's contract objects."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zevm.contracts.artifact import Artifact
from zevm.contracts.calls import constructor_types
from zevm.contracts.errors import ArtifactError, BuildError
from zevm.node.testing.artifacts import Artifacts

OnFound = Callable[[Artifact], object]


class Deployer:
    """Deploys contracts; the value of the fixture `deploy`. on_found: is told each artifact before its deployment."""

    def __init__(self, w3: Any, artifacts: Artifacts, on_found: OnFound) -> None:
        self._w3 = w3
        self._artifacts = artifacts
        self._on_found = on_found

    def __call__(
        self,
        contract: str | Path | Artifact,
        *arguments: Any,
        sender: str | None = None,
        value: int = 0,
        gas: int | None = None,
    ) -> Any:
        """Deploy a contract, and return it as a web3.py contract.

        contract: `Token`, `Token.sol:Token`, the path of an artifact, of a WebAssembly module or of a source, or an
        Artifact. arguments: of the constructor. sender: an account of the node, the first by default. value: in wei.
        gas: the limit; estimated by default. Fails the test with one line if there is no such contract, it cannot be
        built, or its constructor takes other arguments; a revert of the constructor raises web3.py's
        ContractLogicError.
        """
        artifact = self._found(contract, len(arguments), value)
        self._on_found(artifact)
        eth = self._w3.eth
        transaction = {"from": sender or eth.default_account, "value": value, **({} if gas is None else {"gas": gas})}
        creation = eth.contract(abi=artifact.abi, bytecode=artifact.bytecode).constructor(*arguments)
        receipt = self._receipt(creation.transact(transaction))
        if receipt["status"] != 1:
            pytest.fail(f"deploy: the creation of {artifact.name} failed after {receipt['gasUsed']} gas", pytrace=False)
        return eth.contract(address=receipt["contractAddress"], abi=artifact.abi)

    def _found(self, contract: str | Path | Artifact, arguments: int, value_wei: int) -> Artifact:
        """The artifact, whose constructor takes this many arguments."""
        try:
            artifact = contract if isinstance(contract, Artifact) else self._artifacts.find(str(contract))
            constructor_types(artifact, arguments, value_wei=value_wei)
        except (ArtifactError, BuildError) as error:
            reason = str(error)
        else:
            return artifact
        # outside of the handler, so that the report has no second error
        pytest.fail(f"deploy: {reason}", pytrace=False)

    def _receipt(self, transaction_hash: bytes) -> Any:
        """The receipt, for which a block is mined where the node does not by itself."""
        from web3.exceptions import TransactionNotFound

        try:
            return self._w3.eth.get_transaction_receipt(transaction_hash)
        except TransactionNotFound:
            self._w3.provider.make_request("evm_mine", [])
            return self._w3.eth.get_transaction_receipt(transaction_hash)
