"""Names for a profile: of a frame by its code and call data, and of what runs in it by its source map."""

from collections.abc import Collection
from typing import Final

from eth_utils.address import to_checksum_address

from zevm.analysis.catalogue import Catalogue
from zevm.analysis.known_contract import KnownContract
from zevm.analysis.profile.tree import Label, LineKey
from zevm.chain.vm.execution_state import ExecutionState
from zevm.chain.vm.message import CREATIONS, FrameStart
from zevm.contracts.calls import signature_of
from zevm.contracts.source_maps import Place, SourceMap
from zevm.storage.primitives import Address

SITES_LIMIT: Final = 10_000
"""Pairs of an account and a function that have names of their own."""


class Places:
    """Places of one code, each looked up once."""

    def __init__(self, source_map: SourceMap, contract: str) -> None:
        self._map, self._contract = source_map, contract
        self.has_jumps = source_map.has_jumps
        self._frames: dict[int, tuple[Place, ...]] = {}
        self._jumps: dict[int, str] = {}
        self._labels: dict[str, Label] = {}

    def frames(self, offset: int) -> tuple[Place, ...]:
        """The place at an offset, and those of the calls that were inlined around it, innermost first."""
        found = self._frames.get(offset)
        if found is None:
            found = self._frames[offset] = self._map.frames(offset)
        return found

    def jump(self, offset: int) -> str:
        """See SourceMap.jump."""
        found = self._jumps.get(offset)
        if found is None:
            found = self._jumps[offset] = self._map.jump(offset)
        return found

    def line(self, offset: int) -> LineKey | None:
        """The line of an offset."""
        frames = self.frames(offset)
        return (self._contract, frames[0].file, frames[0].line) if frames else None

    def label(self, place: Place) -> Label:
        """The label of a function."""
        found = self._labels.get(place.function)
        if found is None:
            found = self._labels[place.function] = Label("function", place.function, self._contract, place.file)
        return found


class Site:
    """A frame's label, and the places of its code; None without a source map."""

    __slots__ = ("label", "places")

    def __init__(self, label: Label, places: Places | None = None) -> None:
        self.label, self.places = label, places


class SiteFinder:
    """Names the frames of one execution."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._state: ExecutionState | None = None
        self._precompiles: Collection[bytes] = ()
        self._contracts: dict[bytes, KnownContract | None] = {}
        self._places: dict[int, Places | None] = {}
        self._sites: dict[tuple[bytes, bytes], Site] = {}

    def begin(self, state: ExecutionState, precompiles: Collection[bytes]) -> None:
        """Take the state that codes are read from while the execution runs."""
        self._state, self._precompiles = state, precompiles

    def of_frame(self, start: FrameStart) -> Site:
        """The site of a frame that begins."""
        if start.kind == "SELFDESTRUCT":
            return Site(Label("call", "selfdestruct"))
        if start.kind in CREATIONS:
            return self._creation(start.data)
        key = (start.code_address, start.data[:4])
        site = self._sites.get(key)
        if site is None:
            site = self._call(start.code_address, start.data)
            if len(self._sites) < SITES_LIMIT:
                self._sites[key] = site
        return site

    def name_of(self, address: Address) -> str | None:
        """The name of an account's contract."""
        contract = self._contract(address)
        return self._catalogue.well_known(address) if contract is None else contract.name

    def _creation(self, data: bytes) -> Site:
        found = self._catalogue.of_creation(data)
        return Site(Label("call", "constructor", None if found is None else found[0].name))

    def _call(self, address: Address, data: bytes) -> Site:
        known = self._catalogue.well_known(address)
        if address in self._precompiles:
            name = known or str(to_checksum_address(address))
            return Site(Label("call", name.lower(), name))
        contract = self._contract(address)
        name = contract.name if contract is not None else known or str(to_checksum_address(address))
        return Site(Label("call", self._function(contract, data), name), self._places_of(contract))

    def _function(self, contract: KnownContract | None, data: bytes) -> str:
        selector = data[:4]
        entry = None if contract is None else contract.functions.get(selector)
        entry = entry or (self._catalogue.function(selector) if len(selector) == 4 else None)
        if entry is not None:
            return signature_of(entry)
        return "0x" + selector.hex() if len(selector) == 4 else "receive" if not data else "fallback"

    def _contract(self, address: Address) -> KnownContract | None:
        if address not in self._contracts:
            assert self._state is not None
            code_of = self._state.get_code
            self._contracts[address] = self._catalogue.contract_at(address, code_of(address), code_of)
        return self._contracts[address]

    def _places_of(self, contract: KnownContract | None) -> Places | None:
        if contract is None:
            return None
        if id(contract) not in self._places:
            source_map = contract.places
            self._places[id(contract)] = None if source_map is None else Places(source_map, contract.name)
        return self._places[id(contract)]
