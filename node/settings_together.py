"""Settings that contradict each other, or need another."""

from collections.abc import Mapping, Set
from typing import Any

from zevm.chain.vm.engines.engine import engine_named
from zevm.node.setting_kinds import dashed

NEEDS = (
    ("state_interval", ("state", "dump_state")),
    ("mixed_mining", ("block_time",)),
    ("follow_ca", ("follow",)),
    ("follow_development", ("follow",)),
    ("fork_block_number", ("fork_url",)),
    ("fork_chain_id", ("fork_url",)),
    ("fork_transaction_hash", ("fork_url", "fork_bundle")),
    ("compute_units_per_second", ("fork_url",)),
)
"""Settings that would have no effect without one of others."""

EXCLUSIVE = (
    ("explorer", "no_explorer"),
    ("verifier", "no_verifier"),
    ("solc", "no_verifier"),
    ("state", "load_state"),
    ("state", "dump_state"),
    ("no_mining", "block_time"),
    ("no_mining", "mixed_mining"),
    ("gas_limit", "disable_block_gas_limit"),
    ("enable_tx_gas_limit", "disable_tx_gas_limit"),
    ("code_size_limit", "disable_code_size_limit"),
    ("memory", "fresh"),
    ("prune", "preserve_historical_states"),
    ("fork_transaction_hash", "fork_block_number"),
    ("fork_bundle", "fork_url"),
    ("fork_bundle", "fork_cache"),
    ("debug", "quiet"),
)

_NOT_GIVEN = (None, False, ())
_IN_MEMORY = "a fork is kept in memory"
_NOT_OF_A_FORK = {
    "number": "it is the forked block's",
    "datadir": _IN_MEMORY,
    "fresh": _IN_MEMORY,
    "follow": "a follower's chain is its leader's",
    "prune": "a fork keeps all of its blocks",
}
"""Settings that contradict a fork, and why."""


def check_together(values: Mapping[str, Any], given: Set[str], *, external_consensus: bool) -> None:
    """Raise ValueError where settings contradict each other. given: the names of those that are no defaults."""
    _check_exclusive(values)
    for name, needed in NEEDS:
        if values[name] not in (None, False) and all(values[item] in (None, ()) for item in needed):
            raise ValueError(f"--{dashed(name)} needs {' or '.join(f'--{dashed(item)}' for item in needed)}")
    if external_consensus and (values["load_state"] or values["state"]):
        raise ValueError("--load-state and --state cannot be used with --authrpc: the blocks are the client's")
    if values["follow"] is not None:
        _check_follower(values, external_consensus=external_consensus)
    if values["fork_url"] or values["fork_bundle"] is not None:
        _check_fork(values, given, external_consensus=external_consensus)
    if (values["quic_cert"] is None) != (values["quic_key"] is None):
        raise ValueError("--quic-cert and --quic-key belong together: give both, or neither")
    engine_named(values["evm"])
    if external_consensus and values["block_time"] is not None:
        raise ValueError("--block-time cannot be used with --authrpc: the consensus client makes the blocks")


def _check_exclusive(values: Mapping[str, Any]) -> None:
    for first, second in EXCLUSIVE:
        if values[first] not in _NOT_GIVEN and values[second] not in _NOT_GIVEN:
            raise ValueError(f"--{dashed(first)} cannot be used with --{dashed(second)}")
    if values["prune"] is not None and values["proofs"] == "all":
        raise ValueError("--prune cannot be used with --proofs all, which keeps the tries of all states")


def _check_fork(values: Mapping[str, Any], given: Set[str], *, external_consensus: bool) -> None:
    for name in _NOT_OF_A_FORK:
        if name in given and values[name] not in (None, False):
            raise ValueError(f"--{dashed(name)} cannot be used with --fork-url: {_NOT_OF_A_FORK[name]}")
    if external_consensus:
        raise ValueError("--authrpc cannot be used with --fork-url: a fork makes its own blocks")


def _check_follower(values: Mapping[str, Any], *, external_consensus: bool) -> None:
    for name in ("load_state", "state", "block_time", "mixed_mining", "forward_transactions"):
        if values[name]:
            raise ValueError(f"--{dashed(name)} cannot be used with --follow: the leader makes the blocks")
    if external_consensus:
        raise ValueError("--authrpc cannot be used with --follow: either the client or the leader makes the blocks")
