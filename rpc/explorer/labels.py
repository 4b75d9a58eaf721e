"""Names of contracts and functions that the node knows, for one page: each is looked up once."""

from functools import partial

from zevm.analysis.known_contract import KnownContract
from zevm.chain.types import Transaction
from zevm.chain.types.selectors import SELECTOR_BYTES
from zevm.rpc.explorer.page import PageText
from zevm.rpc.methods.support.reading import code_of
from zevm.rpc.services import Services
from zevm.storage.primitives import Address


def contract_at(services: Services, address: Address) -> KnownContract | None:
    """The contract of an account that the node knows by name; of a proxy, the contract that it runs."""
    state = services.chain.head.state
    code = code_of(state, address)
    return services.catalogue.contract_at(address, code, partial(code_of, state)) if code else None


class Labels:
    """The names, cut as all text of strangers on the page."""

    def __init__(self, services: Services, text: PageText) -> None:
        self._services = services
        self._text = text
        self._contracts: dict[bytes, str | None] = {}
        self._functions: dict[bytes, str | None] = {}

    def contract(self, address: bytes) -> str | None:
        """The name of an account's contract, or of an account that is the same on every chain."""
        if address not in self._contracts:
            name = self._services.catalogue.well_known(address)
            if name is None:
                found = contract_at(self._services, Address(address))
                name = None if found is None else found.name
            self._contracts[address] = None if name is None else self._text.of(name)
        return self._contracts[address]

    def function(self, transaction: Transaction) -> str | None:
        """The name of the function that a transaction calls, or its selector; None for a creation and a transfer."""
        if transaction.to is None or not transaction.data:
            return None
        selector = transaction.data[:SELECTOR_BYTES]
        if selector not in self._functions:
            entry = self._services.catalogue.function(selector) if len(selector) == SELECTOR_BYTES else None
            self._functions[selector] = None if entry is None else self._text.of(str(entry["name"]))
        return self._functions[selector] or f"0x{selector.hex()}"
