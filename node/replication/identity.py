"""The common ground of leader and follower: the genesis, and the rules that the command line can change."""

import json
from dataclasses import dataclass

import orjson

from zevm.chain.blockchain import Chain
from zevm.chain.errors import GenesisError
from zevm.chain.rules.genesis import Genesis
from zevm.node.replication.messages import Welcome
from zevm.storage.keccak import keccak256

_FLAGS = {
    "transaction gas cap": {"on": "--enable-tx-gas-limit", "off": "--disable-tx-gas-limit"},
    "code size limit": {"none": "--disable-code-size-limit", "the fork's": "no --code-size-limit"},
}
"""Rule -> value -> the flag that sets it; other values of the code size follow --code-size-limit."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A chain as its replicas see it. genesis: JSON. rules: name -> value, as text."""

    genesis: bytes
    rules: dict[str, str]
    client: str

    @property
    def genesis_hash(self) -> bytes:
        """keccak256 of the genesis's JSON."""
        return keccak256(self.genesis)

    def difference(self, welcome: Welcome) -> str | None:
        """The reason why this node cannot follow the leader, with a remedy; None if it can."""
        if welcome.genesis_hash != self.genesis_hash:
            return (
                f"the leader's genesis is 0x{welcome.genesis_hash.hex()}, this node's 0x{self.genesis_hash.hex()}: "
                "give a new --datadir to follow it, or follow another node"
            )
        for name, value in self.rules.items():
            theirs = welcome.rules.get(name, "unknown")
            if theirs != value:
                flag = _FLAGS[name].get(theirs, f"--code-size-limit {theirs}")
                return f"the leader's {name} is {theirs}, this node's {value}: start this node with {flag}"
        return None


def identity_of(chain: Chain, client: str) -> Identity:
    """The identity of a chain, as it is now."""
    capped = chain.spec.of(chain.next_header()).unlimited_transaction_gas
    size = chain.options.code_size_limit
    rules = {
        "transaction gas cap": "off" if capped else "on",
        "code size limit": "the fork's" if size is None else str(size or "none"),
    }
    return Identity(chain.genesis.encode(), rules, client)


def decode_genesis(data: bytes) -> Genesis:
    """The inverse of Genesis.encode. Raises GenesisError."""
    try:
        # bounds the depth, which json leaves to the stack, since the recursion limit is raised for contracts
        orjson.loads(data)
        return Genesis.from_json(json.loads(data))
    except ValueError as error:
        raise GenesisError(f"the leader's genesis is not JSON: {error}") from None
