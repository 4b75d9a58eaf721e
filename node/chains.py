"""Several chains in one process: a file that names them, and what they may not share."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from zevm.chain.rules.genesis import DEFAULT_CHAIN_ID
from zevm.node.config import chain_settings, read_toml, settings_in
from zevm.node.errors import SettingsError
from zevm.node.settings import NodeSettings

MOST_CHAINS = 32
"""More are refused: each has threads, caches and a port of its own."""

_PORTS = ("port", "authrpc_port", "quic_port", "zns_port")


class NamedChain(NamedTuple):
    """One chain of several."""

    name: str
    settings: NodeSettings


def chains_in(file: Path, flags: Mapping[str, object]) -> list[NamedChain]:
    """The chains of a TOML file: a table `[[chain]]` for each, with a name, above them settings that all share.

    A chain without a chain id, a port or a data directory of its own has the shared one, counted on by its place:
    31337, 31338; 8545, 8546; `.zevm-NAME`. flags: setting -> value, for all chains. Raises SettingsError.
    """
    content = read_toml(file)
    tables = content.pop("chain", None)
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise SettingsError(f"{file}: names no chain; begin the settings of each with a line [[chain]]")
    if len(tables) > MOST_CHAINS:
        raise SettingsError(f"{file}: {len(tables)} chains, want at most {MOST_CHAINS}; start another process")
    shared = settings_in(file, content)
    chains = [_chain(file, place, table, flags, shared) for place, table in enumerate(tables)]
    for shared_thing in _shared_things(chains):
        raise SettingsError(f"{file}: {shared_thing}; each chain needs its own")
    return chains


def _chain(
    file: Path, place: int, table: dict[str, object], flags: Mapping[str, object], shared: Mapping[str, object]
) -> NamedChain:
    name = table.pop("name", None)
    where = f"{file}: chain {place + 1 if name is None else name}"
    if not isinstance(name, str) or not name.isidentifier():
        raise SettingsError(f'{where}: wants a name of letters, digits and _, such as name = "l1"')
    own = settings_in(where, table)
    settings = chain_settings(where, own, flags, shared, file)
    counted: dict[str, object] = {}
    if "port" not in own and settings.port:
        counted["port"] = settings.port + place
    if "chain_id" not in own and not (settings.init or settings.fork_url or settings.fork_bundle or settings.follow):
        counted["chain_id"] = (settings.chain_id or DEFAULT_CHAIN_ID) + place
    if "datadir" not in own and not settings.memory:
        counted["datadir"] = f"{settings.datadir}-{name}"
    return NamedChain(name, chain_settings(where, own | counted, flags, shared, file))


def _shared_things(chains: list[NamedChain]) -> Iterator[str]:
    """Things that two chains would both take, in words."""
    taken: dict[tuple[str, object], str] = {}
    for name, settings in chains:
        for thing in (("name", name), *_held(settings)):
            if thing in taken:
                yield f"the {thing[0]} {thing[1]} is of {taken[thing]} and of {name}"
            taken[thing] = name


def _held(settings: NodeSettings) -> Iterator[tuple[str, object]]:
    """Things that a process can hold once, and the chain id, by which a wallet knows a chain."""
    for item in _PORTS:
        port = getattr(settings, item)
        if port and (item != "authrpc_port" or settings.external_consensus):
            yield "port", port
    if settings.chain_id is not None:
        yield "chain id", settings.chain_id
    if not settings.memory:
        yield "data directory", settings.datadir
    if settings.ipc is not None and str(settings.ipc) != "@":
        yield "socket", settings.ipc
