"""Several chains in one process: a file that names them, and what they may not share."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from zevm.chain.rules.genesis import DEFAULT_CHAIN_ID
from zevm.node.config import chain_settings, read_toml, settings_in
from zevm.node.errors import SettingsError
from zevm.node.settings import NodeSettings

MOST_CHAINS = 32
"""More are refused: each has threads, caches and a port of its own."""

_PORTS = (
    ("port", "port"),
    ("authrpc_port", "port"),
    ("zns_port", "port"),
    ("quic_port", "UDP port"),
)
"""Settings that are ports, and what they are: a port of TCP is none of UDP."""

_WRITTEN = ("state", "dump_state", "config_out")
"""Settings that are files which a node writes; the one that ends last would write over the others'."""

_LOCAL_PORT = re.compile(r"(?:^|//(?:[^/@]*@)?)(?:localhost|127(?:\.[0-9]+){3}|\[::1\]):([0-9]+)")


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
    for reads in _readers_of_siblings(chains):
        raise SettingsError(
            f"{file}: {reads}, which answers only once all chains have begun; run it in another process"
        )
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
        for kind, thing in (("name", name), *_held(settings)):
            # one folder may have several paths
            key = kind, thing.resolve() if isinstance(thing, Path) else thing
            if key in taken:
                yield f"the {kind} {thing} is of {taken[key]} and of {name}"
            taken[key] = name


def _held(settings: NodeSettings) -> Iterator[tuple[str, object]]:
    """Things that a process can hold once, and the chain id, by which a wallet knows a chain."""
    for item, kind in _PORTS:
        port = getattr(settings, item)
        if port and (item != "authrpc_port" or settings.external_consensus):
            yield kind, port
    if settings.chain_id is not None:
        yield "chain id", settings.chain_id
    if not settings.memory:
        yield "data directory", settings.datadir
    if settings.ipc is not None and str(settings.ipc) != "@":
        yield "socket", settings.ipc
    for item in _WRITTEN:
        file: Path | None = getattr(settings, item)
        # all may write to one pipe or device
        if file is not None and (file.is_file() or file.is_dir() or not file.exists()):
            yield "file", file


def _readers_of_siblings(chains: list[NamedChain]) -> Iterator[str]:
    """Chains that read from another one of the file before they begin, in words."""
    ports: dict[int | None, str] = {settings.port: name for name, settings in chains}
    quic_ports: dict[int | None, str] = {settings.quic_port: name for name, settings in chains}
    for name, settings in chains:
        read = [("forks", url, ports) for url in settings.fork_url]
        read += [("follows", address, quic_ports) for address in (settings.follow,) if address is not None]
        for verb, address, of_ports in read:
            found = _LOCAL_PORT.search(address)
            other = None if found is None else of_ports.get(int(found[1]))
            if other is not None:
                yield f"{name} {verb} {other}"
