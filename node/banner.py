"""The banner at start, in Anvil's format: tools read the accounts and the last line from it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from coincurve import PrivateKey

from zevm import __version__
from zevm.chain.rules.units import ETHER
from zevm.chain.vm.engines.engine import Engine
from zevm.core import CORE
from zevm.node.loopback import is_loopback
from zevm.node.mnemonic import DEFAULT_MNEMONIC
from zevm.node.wallet import address_of, checksum_address
from zevm.storage.private_files import write_private

_ART = r"""
              _______     ____  __
        ____ | ____\ \   / /  \/  |
       |_  / |  _|  \ \ / /| |\/| |
        / /  | |___  \ V / | |  | |
       /___| |_____|  \_/  |_|  |_|
"""
_RULE = "=" * 18


@dataclass(frozen=True, slots=True)
class BannerFacts:
    """The content of the banner and the configuration file.

    balances_wei: current balances, in the order of `keys`. base_fee_wei: None before London. data: where the chain is
    kept. hosts: the listening addresses. engine: of the EVM. leader: the node that this one follows; None if it makes
    the blocks. fork: the block of another chain that this one begins on, and the nodes that have it.
    """

    keys: Sequence[PrivateKey]
    balances_wei: Sequence[int]
    mnemonic: str
    derivation_path: str
    chain_id: int
    hardfork: str
    base_fee_wei: int | None
    gas_price_wei: int
    gas_limit: int
    genesis_timestamp: int
    genesis_number: int
    head_number: int
    data: str
    hosts: Sequence[str]
    engine: Engine
    leader: str | None = None
    fork: str | None = None


def banner(facts: BannerFacts) -> str:
    """The text, without the lines about the listening addresses."""
    accounts = [checksum_address(address_of(key)) for key in facts.keys]
    listed = [
        f"({index}) {account} ({ether(balance)} ETH)"
        for index, (account, balance) in enumerate(zip(accounts, facts.balances_wei, strict=True))
    ]
    keys = [f"({index}) 0x{key.secret.hex()}" for index, key in enumerate(facts.keys)]
    wallet = [f"Mnemonic:          {facts.mnemonic}", f"Derivation path:   {facts.derivation_path}"]
    leader = [] if facts.leader is None else [f"Following:         {facts.leader}"]
    if facts.fork is not None:
        leader.append(f"Fork of:           {facts.fork}")
    london = facts.base_fee_wei is not None
    sections = [
        ("Available Accounts", ["", *listed]),
        ("Private Keys", ["", *keys]),
        ("Wallet", wallet),
        ("Chain ID", ["", str(facts.chain_id)]),
        ("Base Fee", ["", str(facts.base_fee_wei)]) if london else ("Gas Price", ["", str(facts.gas_price_wei)]),
        ("Gas Limit", ["", str(facts.gas_limit)]),
        ("Genesis Timestamp", ["", str(facts.genesis_timestamp)]),
        ("Genesis Number", ["", str(facts.genesis_number)]),
        ("Chain", [f"Hardfork:          {facts.hardfork}", f"Latest block:      {facts.head_number}",
                   f"Kept in:           {facts.data}", f"Core:              {CORE.description}",
                   f"EVM:               {facts.engine.value}", *leader]),
    ]  # fmt: skip
    shown = sections if facts.keys else sections[3:]
    text = "\n\n".join("\n".join([title, _RULE, *lines]) for title, lines in shown)
    warnings = "".join(f"\nWARNING: {line}\n" for line in exposure(facts))
    return f"{_ART}\n    {__version__}\n    An Ethereum node in Python\n\n{text}\n{warnings}"


def exposure(facts: BannerFacts) -> list[str]:
    """A warning about the accounts above, if other computers can reach the node."""
    reachable = [host for host in facts.hosts if not is_loopback(host)]
    if not reachable or not facts.keys:
        return []
    lines = [
        f"Anyone who reaches {', '.join(reachable)} can send from the accounts above without a key; "
        "--host 127.0.0.1 keeps others out, --accounts 0 leaves the accounts out."
    ]
    if facts.mnemonic == DEFAULT_MNEMONIC:
        lines.append("The keys above are known to everyone: value sent to these accounts on any public chain is lost.")
    return lines


def listening(host: str, port: int) -> str:
    """The line that tools wait for; IPv6 addresses in brackets."""
    return f"Listening on {_address(host, port)}"


def engine_listening(host: str, port: int) -> str:
    """The line for the consensus client's port."""
    return f"Engine API on {_address(host, port)}"


def quic_listening(host: str, port: int, key_hash: bytes | None) -> str:
    """The line for the QUIC port. key_hash: SHA-256 of its public key, which clients take as --server-key."""
    key = "" if key_hash is None else f", server key 0x{key_hash.hex()}"
    return f"QUIC on {_address(host, port)} (UDP){key}"


def names_listening(host: str, port: int) -> str:
    """The line for the name resolver's port."""
    return f"Names on http://{_address(host, port)}/resolve/NAME"


def farewell(folder: Path | None) -> str:
    """The message when a signal stops the node. folder: where the chain is kept; None for memory."""
    kept = "its chain was in memory and is gone" if folder is None else f"its chain is kept in {folder}"
    return f"\nStopping; {kept}"


def _address(host: str, port: int) -> str:
    return f"{f'[{host}]' if ':' in host else host}:{port}"


def ether(wei: int) -> str:
    """Wei in ether with all 18 decimals."""
    return f"{wei // ETHER}.{wei % ETHER:018d}"


def write_config(path: Path, facts: BannerFacts, special: BinaryIO | None = None) -> None:
    """Anvil's --config-out: accounts and figures as JSON, readable only by the owner. Raises OSError.

    special: the device or pipe at `path`, which is closed afterwards.
    """
    content = {
        "available_accounts": ["0x" + address_of(key).hex() for key in facts.keys],
        "private_keys": [f"0x{key.secret.hex()}" for key in facts.keys],
        "wallet": {"derivation_path": facts.derivation_path, "mnemonic": facts.mnemonic},
        "base_fee": None if facts.base_fee_wei is None else str(facts.base_fee_wei),
        "gas_price": str(facts.gas_price_wei),
        "gas_limit": str(facts.gas_limit),
        "genesis_timestamp": str(facts.genesis_timestamp),
    }
    text = (json.dumps(content, indent=2) + "\n").encode()
    if special is None:
        write_private(path, text)
        return
    with special:
        special.write(text)
