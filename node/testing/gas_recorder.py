"""The functions of the transactions in new blocks, with their gas."""

from collections.abc import Mapping
from functools import partial

from zevm.analysis.catalogue import Catalogue
from zevm.analysis.known_contract import KnownContract
from zevm.chain.blockchain import Chain
from zevm.chain.events import Event, HeadChanged
from zevm.chain.types import Receipt, Transaction
from zevm.contracts.artifact import Entry
from zevm.contracts.calls import signature_of
from zevm.node.testing.gas_report import GasReport
from zevm.rpc.methods.support.reading import code_of
from zevm.storage.account import StateReader
from zevm.storage.primitives import Address


class GasRecorder:
    """A listener of the chain that fills a report. On the chain's thread."""

    def __init__(self, chain: Chain, catalogue: Catalogue, report: GasReport) -> None:
        self._chain = chain
        self._catalogue = catalogue
        self._report = report

    def on_event(self, event: Event) -> None:
        """Count the transactions of new blocks that succeeded."""
        if isinstance(event, HeadChanged):
            for record in event.added:
                for transaction, receipt in zip(record.block.transactions, record.receipts, strict=True):
                    if receipt.status != 0:
                        self._count(transaction, receipt)

    def _count(self, transaction: Transaction, receipt: Receipt) -> None:
        if transaction.to is None:
            found = self._catalogue.of_creation(transaction.data)
            if found is not None:
                self._report.add(found[0].name, "constructor", receipt.gas_used)
            return
        contract = self._contract(self._chain.head.state, transaction.to)
        if contract is not None:
            self._report.add(contract.name, _function(contract, self._catalogue, transaction.data), receipt.gas_used)

    def _contract(self, state: StateReader, address: Address) -> KnownContract | None:
        """The contract of an account, or of the code that it delegates to; None for an unknown or no contract."""
        code = code_of(state, address)
        return self._catalogue.contract_at(address, code, partial(code_of, state)) if code else None


def _function(contract: KnownContract, catalogue: Catalogue, data: bytes) -> str:
    """`transfer`, or its signature if the contract has several of the name."""
    entry = contract.functions.get(data[:4]) or (catalogue.function(data[:4]) if len(data) >= 4 else None)
    if entry is None:
        return "fallback" if data else "receive"
    return signature_of(entry) if _is_overloaded(entry, contract.functions) else str(entry["name"])


def _is_overloaded(entry: Entry, functions: Mapping[bytes, Entry]) -> bool:
    return [other["name"] for other in functions.values()].count(entry["name"]) > 1
