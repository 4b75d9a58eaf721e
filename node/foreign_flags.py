"""Flags of other development nodes (Anvil, Hardhat, Ganache, geth --dev) and their meaning here.

A flag is renamed to ours, accepted without effect, or refused with the reason. The table omits flags with our names.
"""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from zevm.node.errors import SettingsError


class Takes(Enum):
    """The value after a flag on the command line."""

    NOTHING = 0
    VALUE = 1
    PERHAPS = 2


@dataclass(frozen=True, slots=True)
class ForeignFlag:
    """A flag of another node.

    renamed: our equivalent flag, or None. accepted: whether the start continues without it.
    about: why it has no effect, what to do instead, or how ours differs; a clause. only: the one value for which ours,
    a switch, takes its place; None for any.
    """

    owner: str
    names: tuple[str, ...]
    takes: Takes
    renamed: str | None
    accepted: bool
    about: str
    only: str | None = None


def _accepted(owner: str, names: str, takes: Takes, about: str) -> ForeignFlag:
    return ForeignFlag(owner, tuple(names.split()), takes, None, True, about)


def _refused(owner: str, names: str, takes: Takes, about: str) -> ForeignFlag:
    return ForeignFlag(owner, tuple(names.split()), takes, None, False, about)


def _renamed(owner: str, names: str, ours: str, takes: Takes = Takes.VALUE) -> ForeignFlag:
    return ForeignFlag(owner, tuple(names.split()), takes, ours, True, "")


ANVIL, HARDHAT, GANACHE, GETH = "Anvil", "Hardhat", "Ganache", "geth"
_NOTHING, _VALUE, _PERHAPS = Takes.NOTHING, Takes.VALUE, Takes.PERHAPS
_PAST_STATES = "every past state is kept on disk and takes no memory"
_SEED = "a seed would give different accounts here; give the phrase itself with --mnemonic"
_ONE_PORT = "HTTP, WebSocket and GraphQL share one address, that of --host and --port"
_ALWAYS = "this is always the case here"
_NO_PEERS = "this node has no peers"
_TEXT_OR_JSON = "the log is text, or JSON with --json-logs"
_NAMESPACES = "all namespaces are served, on one port"

FOREIGN_FLAGS: tuple[ForeignFlag, ...] = (
    _accepted(ANVIL, "--threads -j --jobs", _VALUE, "--rpc-evm-workers says how many calls are executed at once"),
    _accepted(ANVIL, "--no-cors", _NOTHING, "only pages of this computer may call; --allow-origin admits others"),
    _accepted(ANVIL, "--prune-history", _PERHAPS, _PAST_STATES),
    _accepted(ANVIL, "--max-persisted-states", _VALUE, _PAST_STATES),
    _accepted(ANVIL, "--transaction-block-keeper", _VALUE, "every block is kept on disk and takes no memory"),
    _accepted(ANVIL, "--cache-path", _VALUE, "the chain is kept in the folder of --datadir"),
    _accepted(ANVIL, "--md", _NOTHING, _TEXT_OR_JSON),
    _accepted(ANVIL, "--verbosity -v", _PERHAPS, "the log has one level; --quiet silences it"),
    _accepted(ANVIL, "--memory-limit", _VALUE, "gas bounds the memory of an execution"),
    _accepted(ANVIL, "--print-traces --enable-trace-printing", _NOTHING,
              "traces are not printed; debug_traceTransaction and `cast run` show them"),
    _refused(ANVIL, "--mnemonic-seed-unsafe", _VALUE, _SEED),
    _refused(ANVIL, "--celo", _NOTHING, "this node knows only Ethereum's rules"),
    _refused(ANVIL, "--network -n", _VALUE, "this node knows only Ethereum's rules; omit the flag"),

    _renamed(ANVIL, "--tx-gas-limit", "--enable-tx-gas-limit", _NOTHING),

    _renamed(HARDHAT, "--hostname", "--host"),
    _renamed(HARDHAT, "--fork", "--fork-url"),
    _accepted(HARDHAT, "--verbose", _NOTHING, "the log has one level; --quiet silences it"),
    _accepted(HARDHAT, "--show-stack-traces", _NOTHING, _ALWAYS),
    _accepted(HARDHAT, "--emoji", _NOTHING, "it only concerns Hardhat's output"),
    _accepted(HARDHAT, "--max-memory", _VALUE, "it concerns Node.js, which this node does not use"),
    _refused(HARDHAT, "--chain-type", _VALUE, "this node knows only Ethereum's rules; omit the flag"),

    _renamed(GANACHE, "--server.host", "--host"),
    _renamed(GANACHE, "--server.port", "--port"),
    _renamed(GANACHE, "--chain.chainId --chainId", "--chain-id"),
    _refused(GANACHE, "--chain.networkId --networkId -i", _VALUE, "the network's id is the chain's; give --chain-id"),
    _renamed(GANACHE, "--chain.hardfork -k", "--hardfork"),
    _renamed(GANACHE, "--chain.allowUnlimitedContractSize --allowUnlimitedContractSize",
             "--disable-code-size-limit", _NOTHING),
    _refused(GANACHE, "--chain.time --time", _VALUE, "give --timestamp SECONDS"),
    _renamed(GANACHE, "--miner.blockTime", "--block-time"),
    _renamed(GANACHE, "--miner.blockGasLimit --gasLimit -l", "--gas-limit"),
    _renamed(GANACHE, "--miner.defaultGasPrice --gasPrice -g", "--gas-price"),
    _accepted(GANACHE, "--miner.instamine --instamine", _VALUE, "a block is made before its hash returns"),
    _renamed(GANACHE, "--wallet.mnemonic", "--mnemonic"),
    _renamed(GANACHE, "--wallet.totalAccounts", "--accounts"),
    _renamed(GANACHE, "--wallet.defaultBalance --defaultBalanceEther -e", "--balance"),
    _renamed(GANACHE, "--wallet.hdPath --hdPath", "--derivation-path"),
    _refused(GANACHE, "--wallet.deterministic --deterministic -d", _NOTHING,
             "the accounts are always the same here, but not Ganache's; for those, give --mnemonic "
             "'myth like bonus scare over problem client lizard pioneer submit female collect'"),
    _refused(GANACHE, "--wallet.seed --seed", _VALUE, _SEED),
    _refused(GANACHE, "--wallet.accounts --account", _VALUE,
             "accounts come from --mnemonic, and from key files: `zevm account import FILE`, then --unlock ADDRESS"),
    _renamed(GANACHE, "--database.dbPath --db", "--datadir"),
    _renamed(GANACHE, "--fork.url", "--fork-url"),
    _refused(GANACHE, "--fork.network", _VALUE, "a fork needs the URL of a node: give --fork-url"),
    _accepted(GANACHE, "--logging.verbose", _PERHAPS, "the log has one level; --quiet silences it"),
    _renamed(GANACHE, "--logging.quiet", "--quiet", _NOTHING),

    _accepted(GETH, "--dev", _NOTHING, "a node is always a development chain unless --authrpc is given"),
    _renamed(GETH, "--dev.period", "--block-time"),
    _renamed(GETH, "--dev.gaslimit --miner.gaslimit", "--gas-limit"),
    _renamed(GETH, "--miner.gasprice", "--gas-price"),
    _accepted(GETH, "--mine", _NOTHING, "a block is made for each transaction; --no-mining is the opposite"),
    _accepted(GETH, "--http", _NOTHING, _ALWAYS),
    _renamed(GETH, "--http.addr", "--host"),
    _renamed(GETH, "--http.port", "--port"),
    _renamed(GETH, "--http.corsdomain --ws.origins --graphql.corsdomain", "--allow-origin"),
    _renamed(GETH, "--http.vhosts --graphql.vhosts", "--allow-host"),
    _accepted(GETH, "--http.api --ws.api", _VALUE, _NAMESPACES),
    _accepted(GETH, "--ws --graphql", _NOTHING, _ONE_PORT),
    _refused(GETH, "--ws.addr", _VALUE, _ONE_PORT),
    _refused(GETH, "--ws.port", _VALUE, _ONE_PORT),
    _refused(GETH, "--networkid", _VALUE, "the network's id is the chain's; give --chain-id"),
    _accepted(GETH, "--ipcdisable", _NOTHING, "there is no socket unless --ipc asks for one"),
    _accepted(GETH, "--allow-insecure-unlock", _NOTHING, _ALWAYS),
    _accepted(GETH, "--rpc.allow-unprotected-txs", _NOTHING, _ALWAYS),
    _renamed(GETH, "--rpc.gascap", "--rpc-call-gas"),
    _accepted(GETH, "--nodiscover", _NOTHING, _NO_PEERS),
    _accepted(GETH, "--maxpeers", _VALUE, _NO_PEERS),
    _refused(GETH, "--bootnodes", _VALUE, f"{_NO_PEERS}; a consensus client brings blocks with --authrpc"),
    _accepted(GETH, "--gcmode", _VALUE, "every past state is kept, as with archive"),
    _accepted(GETH, "--syncmode", _VALUE, _NO_PEERS),
    _accepted(GETH, "--cache", _VALUE, "memory is used as it is needed"),
    _accepted(GETH, "--metrics", _NOTHING, "metrics are always at /metrics of the node's port"),
    _refused(GETH, "--keystore", _VALUE, "key files are in keystore of --datadir; `zevm account import FILE`"),
    _renamed(GETH, "--log.json", "--json-logs", _NOTHING),
    ForeignFlag(GETH, ("--log.format", "--log-format"), _VALUE, "--json-logs", True, _TEXT_OR_JSON, only="json"),
    _refused(GETH, "--miner.etherbase --etherbase", _VALUE, "anvil_setCoinbase chooses who is paid for a block"),
)  # fmt: skip

_BY_NAME = {name: flag for flag in FOREIGN_FLAGS for name in flag.names}
_VERBOSITY = re.compile(r"-v{2,5}\Z")


def translated(arguments: Sequence[str], ours: Mapping[str, bool]) -> tuple[list[str], list[str]]:
    """The arguments of `zevm run` with our flags, and a note for each change.

    ours: our flags, and whether a value follows each. Raises SettingsError for a flag that is refused.
    """
    kept: list[str] = []
    notes: list[str] = []
    rest = deque(arguments)
    while rest:
        argument = rest.popleft()
        name, _, joined = argument.partition("=")
        flag = _BY_NAME.get("-v" if _VERBOSITY.match(name) else name)
        if name in ours or flag is None:
            kept.append(argument)
            if ours.get(name) and not joined and rest and not rest[0].startswith("-"):
                kept.append(rest.popleft())
            continue
        value = joined or _following(flag, rest)
        kept += _in_our_words(flag, value)
        notes.append(_note(flag, name, value))
    return kept, notes


def _following(flag: ForeignFlag, rest: deque[str]) -> str | None:
    """A flag's value, removed from the arguments after it; None if it has none."""
    if flag.takes is Takes.NOTHING or not rest or (flag.takes is Takes.PERHAPS and rest[0].startswith("-")):
        return None
    return rest.popleft()


def _in_our_words(flag: ForeignFlag, value: str | None) -> list[str]:
    if flag.renamed is None or flag.only not in (None, value):
        return []
    if value is None or flag.takes is Takes.NOTHING or flag.only is not None:
        return [flag.renamed]
    return [flag.renamed, value]


def _note(flag: ForeignFlag, name: str, value: str | None) -> str:
    """The note about a flag. Raises SettingsError if the start cannot continue with it."""
    if not flag.accepted:
        raise SettingsError(f"{name}, a flag of {flag.owner}'s: {flag.about}")
    if flag.renamed is not None and flag.only in (None, value):
        return f"{name}, a flag of {flag.owner}'s, is {flag.renamed} here"
    return f"{name}, a flag of {flag.owner}'s, has no effect here: {flag.about}"
