"""Every setting of a node: its name, kind, default, flag and meaning, in one class.

The command line's flags, the environment's ZEVM_* names and the keys of zevm.toml all derive from it.
"""

from dataclasses import fields
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, create_model, model_validator
from pydantic_settings import SettingsConfigDict

from zevm.chain.pool.limits import PoolLimits
from zevm.chain.rules.units import ETHER
from zevm.node.limit_settings import POOL_EFFECTS, limit_fields
from zevm.node.mnemonic import DEFAULT_DERIVATION_PATH, DEFAULT_MNEMONIC, check_derivation_path, check_mnemonic
from zevm.node.setting_kinds import (
    ABOUT_BUNDLE,
    ABOUT_CACHE,
    ABOUT_FORK_ID,
    ABOUT_NO_RATE,
    ABOUT_OTLP,
    ABOUT_PROOFS,
    ABOUT_PRUNE,
    ABOUT_RETRIES,
    ABOUT_SOLC,
    ABOUT_UNITS,
    ABOUT_VERIFIER,
    ACCOUNTS,
    CHAIN,
    DATA,
    ENGINE,
    FORK,
    MINING,
    NAMES,
    OUTPUT,
    QUIC,
    REPLICAS,
    SERVER,
    Addresses,
    Flag,
    Folders,
    ForkBlock,
    ForkUrls,
    GenesisSource,
    HeaderLines,
    Names,
    NewestFork,
    NodeAddress,
    Programs,
    Proofs,
    TransactionHash,
    Url,
    Urls,
    UserPath,
    WordCount,
    setting,
)
from zevm.node.setting_sources import SourcedSettings
from zevm.node.settings_together import check_together
from zevm.rpc.limits import Limits

UNLIMITED_BYTES = 2**31


class NodeSettings(SourcedSettings):
    """The settings other than limits; `Settings` adds one for every limit."""

    model_config = SettingsConfigDict(env_prefix="ZEVM_", extra="forbid", frozen=True, env_ignore_empty=True)

    port: int = setting(
        8545, "--port", "-p", panel=SERVER, metavar="NUMBER", ge=0, le=65_535,
        about="Port to listen on; 0 lets the system choose.",
    )  # fmt: skip
    host: Names = setting(
        ("127.0.0.1",), "--host", panel=SERVER, metavar="IP,...", min_length=1,
        about="Addresses to listen on, separated by commas.",
    )  # fmt: skip
    ipc: UserPath | None = setting(
        None, "--ipc", "--ipcpath", panel=SERVER, metavar="PATH", bare_value="@",
        about="Also serve a Unix socket; the default path is zevm.ipc in the data directory.",
    )  # fmt: skip
    allow_origin: Names = setting(
        (), "--allow-origin", panel=SERVER, metavar="ORIGIN,...",
        about="Web origins that may call (CORS), * for all. Default: pages of this computer and browser extensions.",
    )  # fmt: skip
    allow_host: Names = setting(
        (), "--allow-host", panel=SERVER, metavar="NAME,...",
        about="Additional names in the Host header; localhost and IP addresses always pass; * for all.",
    )  # fmt: skip
    no_request_size_limit: bool = setting(
        False, "--no-request-size-limit", panel=SERVER, about="Accept HTTP bodies of any size."
    )
    no_direct_http: bool = setting(
        False, "--no-direct-http", panel=SERVER, about="Answer POST / through the FastAPI application, slower."
    )
    explorer: bool = setting(False, "--explorer", panel=SERVER, about="Show the explorer at / to other computers too.")
    no_explorer: bool = setting(False, "--no-explorer", panel=SERVER, about="Serve no explorer.")
    solc: Programs = setting((), "--solc", panel=SERVER, metavar="PATH,...", about=ABOUT_SOLC)
    verifier: bool = setting(False, "--verifier", panel=SERVER, about=ABOUT_VERIFIER)
    no_verifier: bool = setting(False, "--no-verifier", panel=SERVER, about="Verify no contracts.")
    evm: Literal["native", "py-evm", "check"] | None = setting(
        None, "--evm", panel=SERVER, metavar="ENGINE",
        about="What runs the EVM's code: native, py-evm, or check, which runs all on both and stops where they differ. "
        "(default: native where the core is built, else py-evm)",
    )  # fmt: skip
    client_version: str | None = setting(
        None, "--client-version", panel=SERVER, metavar="TEXT", min_length=1,
        about="The node's name, which web3_clientVersion answers. "
        "(default: zEVM/VERSION/..., with anvil/ before it unless a consensus client drives the node)",
    )  # fmt: skip

    zig_compiler: bool = setting(
        False, "--zig-compiler", panel=SERVER,
        about="Let zvm_deployZigContract compile Zig sources of clients, in a sandbox that Linux must provide.",
    )  # fmt: skip
    sign_transaction_object: bool = setting(
        False, "--sign-transaction-object", panel=SERVER,
        about="Let eth_signTransaction answer {raw, tx}, as geth does and web3.py expects, instead of the bytes.",
    )  # fmt: skip

    accounts: int = setting(
        10, "--accounts", "-a", panel=ACCOUNTS, metavar="NUMBER", ge=0, le=10_000,
        about="Number of funded development accounts.",
    )  # fmt: skip
    balance: Decimal = setting(
        Decimal(10_000), "--balance", panel=ACCOUNTS, metavar="ETHER", ge=0, le=10**12, decimal_places=18,
        about="Balance of each development account, in ether.",
    )  # fmt: skip
    mnemonic: Annotated[str, AfterValidator(check_mnemonic)] = setting(
        DEFAULT_MNEMONIC, "--mnemonic", "-m", panel=ACCOUNTS, metavar="PHRASE",
        about="BIP-39 phrase of the development accounts.",
    )  # fmt: skip
    mnemonic_random: Annotated[Literal[12, 15, 18, 21, 24] | None, WordCount] = setting(
        None, "--mnemonic-random", panel=ACCOUNTS, metavar="WORDS", bare_value="12",
        about="Generate a new phrase with this number of words (12 if no number follows).",
    )  # fmt: skip
    derivation_path: Annotated[str, AfterValidator(check_derivation_path)] = setting(
        DEFAULT_DERIVATION_PATH, "--derivation-path", panel=ACCOUNTS, metavar="PATH",
        about="BIP-32 path of the accounts, without their index.",
    )  # fmt: skip
    unlock: Addresses = setting(
        (), "--unlock", panel=ACCOUNTS, metavar="ADDRESS,...",
        about="Keystore accounts to unlock; asks for the passwords.",
    )  # fmt: skip
    password_file: UserPath | None = setting(
        None, "--password-file", "--password", panel=ACCOUNTS, metavar="FILE",
        about="File with the passwords for --unlock, one a line.",
    )  # fmt: skip
    auto_impersonate: bool = setting(
        False, "--auto-impersonate", "--auto-unlock", panel=ACCOUNTS,
        about="Let eth_sendTransaction send for any account.",
    )  # fmt: skip

    init: GenesisSource = setting(
        None, "--init", "--genesis", panel=CHAIN, metavar="FILE", about="Genesis file in geth's format to begin with."
    )
    chain_id: int | None = setting(
        None, "--chain-id", "--chain", panel=CHAIN, metavar="NUMBER", ge=1, lt=2**63, about="Chain id. (default: 31337)"
    )
    hardfork: NewestFork = setting(
        None, "--hardfork", panel=CHAIN, metavar="NAME", about="Newest active fork. (default: BPO2)"
    )
    timestamp: int | None = setting(
        None, "--timestamp", panel=CHAIN, metavar="SECONDS", ge=0, lt=2**63,
        about="Time of the first block, or of the next one on a fork, in seconds since 1970. (default: now)",
    )  # fmt: skip
    number: int | None = setting(
        None, "--number", panel=CHAIN, metavar="NUMBER", ge=0, lt=2**63, about="Number of the first block. (default: 0)"
    )
    gas_limit: int | None = setting(
        None, "--gas-limit", "--block-gas-limit", panel=CHAIN, metavar="GAS", ge=5_000, lt=2**63,
        about="Gas limit of blocks. (default: 60000000)",
    )  # fmt: skip
    disable_block_gas_limit: bool = setting(
        False, "--disable-block-gas-limit", "--disable-gas-limit", panel=CHAIN,
        about="Let blocks hold any amount of gas.",
    )  # fmt: skip
    enable_tx_gas_limit: bool = setting(
        False, "--enable-tx-gas-limit", panel=CHAIN,
        about="Apply Osaka's gas limit for a transaction (EIP-7825), the default for a chain of your own genesis.",
    )  # fmt: skip
    disable_tx_gas_limit: bool = setting(
        False, "--disable-tx-gas-limit", panel=CHAIN,
        about="Lift Osaka's gas limit for a transaction (EIP-7825), the default for the development chain.",
    )  # fmt: skip
    block_base_fee_per_gas: int | None = setting(
        None, "--block-base-fee-per-gas", "--base-fee", panel=CHAIN, metavar="WEI", ge=0, lt=2**256,
        about="Base fee of the first block, or of the next one on a fork. (default: 1000000000)",
    )  # fmt: skip
    gas_price: int | None = setting(
        None, "--gas-price", panel=CHAIN, metavar="WEI", ge=0, lt=2**256,
        about="Minimum gas price, or fee cap, of transactions in this node's blocks. (default: 0)",
    )  # fmt: skip
    code_size_limit: int | None = setting(
        None, "--code-size-limit", panel=CHAIN, metavar="BYTES", gt=0, lt=2**31,
        about="Maximum size of a contract's code. (default: 24576, or none before Spurious Dragon)",
    )  # fmt: skip
    disable_code_size_limit: bool = setting(
        False, "--disable-code-size-limit", panel=CHAIN, about="Accept contract code of any size."
    )
    disable_default_create2_deployer: bool = setting(
        False, "--disable-default-create2-deployer", "--no-create2", panel=CHAIN,
        about="Omit the usual CREATE2 deployer from the genesis.",
    )  # fmt: skip
    disable_min_priority_fee: bool = setting(
        False, "--disable-min-priority-fee", "--no-priority-fee", panel=CHAIN,
        about="Suggest any tip that was enough before, even below 1 gwei.",
    )  # fmt: skip
    slots_in_an_epoch: int = setting(
        32, "--slots-in-an-epoch", panel=CHAIN, metavar="NUMBER", ge=1, lt=2**32,
        about="Blocks between `safe` and the head; `finalized` is twice as far back.",
    )  # fmt: skip
    safe_distance: int | None = setting(
        None, "--safe-distance", panel=CHAIN, metavar="BLOCKS", ge=0, lt=2**63,
        about="Blocks between `safe` and the head, if no consensus client names it.",
    )  # fmt: skip
    finalized_distance: int | None = setting(
        None, "--finalized-distance", panel=CHAIN, metavar="BLOCKS", ge=0, lt=2**63,
        about="Blocks between `finalized` and the head, if no consensus client names it.",
    )  # fmt: skip

    fork_url: ForkUrls = setting(
        (), "--fork-url", "-f", "--rpc-url", panel=FORK, metavar="URL[@BLOCK],...",
        about="Begin on top of a block of another chain, which nodes at these URLs (http, ws) or sockets (/PATH) have. "
        "The chain is kept in memory.",
    )  # fmt: skip
    fork_block_number: ForkBlock | None = setting(
        None, "--fork-block-number", panel=FORK, metavar="NUMBER|TAG",
        about="Block to fork at; a negative number counts back from the latest. (default: latest)",
    )  # fmt: skip
    fork_transaction_hash: TransactionHash | None = setting(
        None, "--fork-transaction-hash", panel=FORK, metavar="HASH",
        about="Fork before this transaction's block, and make a block of it and of those before it there.",
    )  # fmt: skip
    fork_verify: Literal["proofs", "headers", "none"] = setting(
        "proofs", "--fork-verify", panel=FORK, metavar="proofs|headers|none",
        about="Check of the other chain's answers: `headers` believes accounts and slots, `none` also transactions and "
        "receipts, of a node without eth_getProof.",
    )  # fmt: skip
    fork_header: HeaderLines = setting(
        (), "--fork-header", "--fork-headers", panel=FORK, metavar="NAME:VALUE,...",
        about="Headers of requests to the nodes of --fork-url, separated by commas.",
    )  # fmt: skip
    fork_chain_id: int | None = setting(
        None, "--fork-chain-id", panel=FORK, metavar="NUMBER", ge=1, lt=2**63, about=ABOUT_FORK_ID
    )
    retries: int = setting(5, "--retries", panel=FORK, metavar="NUMBER", ge=0, le=1_000, about=ABOUT_RETRIES)
    timeout: int = setting(
        45_000, "--timeout", panel=FORK, metavar="MILLISECONDS", ge=1, le=10**7,
        about="Time of each request to a node of --fork-url, in milliseconds.",
    )  # fmt: skip
    fork_retry_backoff: int = setting(
        1_000, "--fork-retry-backoff", panel=FORK, metavar="MILLISECONDS", ge=0, le=10**7,
        about="Wait before the first further attempt, in milliseconds; each later one waits twice as long.",
    )  # fmt: skip
    compute_units_per_second: int | None = setting(
        None, "--compute-units-per-second", "--cups", panel=FORK, metavar="UNITS", ge=1, lt=2**63, about=ABOUT_UNITS
    )
    no_rate_limit: bool = setting(False, "--no-rate-limit", "--no-rpc-rate-limit", panel=FORK, about=ABOUT_NO_RATE)
    fork_bundle: UserPath | None = setting(None, "--fork-bundle", panel=FORK, metavar="FILE", about=ABOUT_BUNDLE)
    fork_cache: UserPath | None = setting(None, "--fork-cache", panel=FORK, metavar="FOLDER", about=ABOUT_CACHE)
    no_storage_caching: bool = setting(
        False, "--no-storage-caching", panel=FORK, about="Keep answers of the other chain in memory alone."
    )

    forward_transactions: Urls = setting(
        (), "--forward-transactions", panel=SERVER, metavar="URL,...",
        about="Other nodes that receive every transaction of the pool.",
    )  # fmt: skip

    authrpc: bool = setting(
        False, "--authrpc", "--engine-api", panel=ENGINE,
        about="Serve the Engine API and let a consensus client make the blocks; any other flag of this group does too.",
    )  # fmt: skip
    authrpc_addr: Names = setting(
        ("127.0.0.1",), "--authrpc-addr", "--authrpc.addr", panel=ENGINE, metavar="IP,...", min_length=1,
        about="Addresses that the Engine API listens on, separated by commas.",
    )  # fmt: skip
    authrpc_port: int = setting(
        8551, "--authrpc-port", "--authrpc.port", panel=ENGINE, metavar="NUMBER", ge=0, le=65_535,
        about="Port of the Engine API; 0 lets the system choose.",
    )  # fmt: skip
    authrpc_jwtsecret: UserPath | None = setting(
        None, "--authrpc-jwtsecret", "--authrpc.jwtsecret", "--jwt-secret", panel=ENGINE, metavar="FILE",
        about="File with the secret that both clients share, 64 hex digits; created if absent. "
        "(default: jwtsecret in the data directory)",
    )  # fmt: skip
    authrpc_vhosts: Names = setting(
        (), "--authrpc-vhosts", "--authrpc.vhosts", panel=ENGINE, metavar="NAME,...",
        about="Additional names in the Engine API's Host header; localhost and IP addresses always pass; * for all.",
    )  # fmt: skip

    follow: NodeAddress | None = setting(
        None, "--follow", panel=REPLICAS, metavar="HOST:PORT",
        about="Replicate the chain of the node with this QUIC port: execute its blocks, forward transactions to it.",
    )  # fmt: skip
    follow_ca: UserPath | None = setting(
        None, "--follow-ca", panel=REPLICAS, metavar="FILE",
        about="Authority of the leader's certificate, its quic-ca.pem. (default: trust the first connection's key)",
    )  # fmt: skip
    follow_development: bool = setting(
        False, "--follow-development", panel=REPLICAS,
        about="Also take what only a development node does: changes of accounts, unsigned transactions, odd headers. "
        "Always on for the development chain.",
    )  # fmt: skip
    quic_port: int | None = setting(
        None, "--quic-port", panel=QUIC, metavar="NUMBER", ge=0, le=65_535,
        about="Serve post-quantum QUIC on this UDP port; 0 lets the system choose. (default: not served)",
    )  # fmt: skip
    quic_host: Names = setting(
        ("127.0.0.1",), "--quic-host", panel=QUIC, metavar="IP,...", min_length=1,
        about="Addresses that QUIC is served on, separated by commas.",
    )  # fmt: skip
    quic_allow_classical: bool = setting(
        False, "--quic-allow-classical", panel=QUIC,
        about="Also admit QUIC clients without a post-quantum key exchange.",
    )  # fmt: skip
    quic_require_auth: bool = setting(
        False, "--quic-require-auth", panel=QUIC, about="Refuse requests over QUIC that are not signed by their caller."
    )
    quic_cert: UserPath | None = setting(
        None, "--quic-cert", panel=QUIC, metavar="FILE",
        about="Certificate of the QUIC port with its chain, PEM. (default: the node's own in the data directory)",
    )  # fmt: skip
    quic_key: UserPath | None = setting(
        None, "--quic-key", panel=QUIC, metavar="FILE", about="Private key of --quic-cert, PEM without a password."
    )

    block_time: float | None = setting(
        None, "--block-time", "-b", "--blockTime", panel=MINING, metavar="SECONDS", ge=0.001, le=10**6,
        allow_inf_nan=False, about="Make a block at this interval instead of for each transaction.",
    )  # fmt: skip
    mixed_mining: bool = setting(
        False, "--mixed-mining", panel=MINING, about="With --block-time: also make a block for each transaction."
    )
    no_mining: bool = setting(
        False, "--no-mining", "--no-mine", panel=MINING, about="Make blocks only on request (evm_mine)."
    )
    allow_blocks_with_same_timestamp: bool = setting(
        False, "--allow-blocks-with-same-timestamp", panel=MINING,
        about="Allow equal timestamps of blocks made within one second, so that the chain's time follows the clock.",
    )  # fmt: skip
    order: Literal["fees", "fifo"] = setting(
        "fees", "--order", panel=MINING, metavar="fees|fifo", about="Order of the transactions in a block."
    )
    max_transactions: int | None = setting(
        None, "--max-transactions", panel=MINING, metavar="NUMBER", ge=1, lt=2**31,
        about="Maximum number of transactions in a block. (default: as many as its gas limit allows)",
    )  # fmt: skip

    throw_on_transaction_failure: bool = setting(
        False, "--throw-on-transaction-failure", "--throw-on-transaction-failures", panel=MINING,
        about="Answer with an error when a sent transaction fails, as Hardhat's node does.",
    )  # fmt: skip
    disable_pool_balance_checks: bool = setting(
        False, "--disable-pool-balance-checks", panel=MINING,
        about="Let the pool accept transactions that their senders cannot pay for.",
    )  # fmt: skip

    datadir: UserPath = setting(Path(".zevm"), "--datadir", panel=DATA, metavar="FOLDER", about="Folder of the chain.")
    memory: bool = setting(False, "--memory", panel=DATA, about="Keep nothing on disk.")
    fresh: bool = setting(False, "--fresh", panel=DATA, about="Delete the chain in the data directory and start over.")
    no_sync: bool = setting(
        False, "--no-sync", panel=DATA, about="Do not wait for the disk: a power failure may lose the newest blocks."
    )
    proofs: Proofs = setting("1024", "--proofs", panel=DATA, metavar="NUMBER|all", about=ABOUT_PROOFS)
    proofs_seconds: float = setting(
        5.0, "--proofs-seconds", panel=DATA, metavar="SECONDS", gt=0, le=10**6, allow_inf_nan=False,
        about="Time for the trie nodes of an older state to be made again from what changed since.",
    )  # fmt: skip
    prune: int | None = setting(None, "--prune", panel=DATA, metavar="BLOCKS", ge=256, lt=2**63, about=ABOUT_PRUNE)
    preserve_historical_states: bool = setting(
        False, "--preserve-historical-states", panel=DATA,
        about="Accepted for compatibility with Anvil: every past state is always kept.",
    )  # fmt: skip
    artifacts: Folders = setting(
        (), "--artifacts", panel=DATA, metavar="FOLDER,...",
        about="Build output of Foundry, Hardhat or `zevm contract build`: contracts, functions and errors have names.",
    )  # fmt: skip

    load_state: UserPath | None = setting(
        None, "--load-state", panel=DATA, metavar="FILE",
        about="Start with the chain of a state file (Anvil's or zEVM's), in memory unless --datadir is given.",
    )  # fmt: skip
    dump_state: UserPath | None = setting(
        None, "--dump-state", panel=DATA, metavar="FILE",
        about="Write the chain into a state file when the node stops; into state.json if a folder is named.",
    )  # fmt: skip
    state: UserPath | None = setting(
        None, "--state", panel=DATA, metavar="FILE",
        about="Combine --load-state, if the file exists, and --dump-state.",
    )  # fmt: skip
    state_interval: float | None = setting(
        None, "--state-interval", "-s", panel=DATA, metavar="SECONDS", gt=0, le=10**6, allow_inf_nan=False,
        about="Also write the state file at this interval.",
    )  # fmt: skip

    quiet: bool = setting(False, "--quiet", "-q", "--silent", panel=OUTPUT, about="Do not print the banner or the log.")
    debug: bool = setting(
        False, "--debug", panel=OUTPUT, about="Log each execution: contract, gas limit, calls, host calls, gas used."
    )
    json_logs: bool = setting(False, "--json-logs", "--json", panel=OUTPUT, about="Write the log as lines of JSON.")
    color: Literal["auto", "always", "never"] = setting(
        "auto", "--color", panel=OUTPUT, metavar="auto|always|never",
        about="Colours of banner and log; auto: on a terminal, unless NO_COLOR is set.",
    )  # fmt: skip
    config_out: UserPath | None = setting(
        None, "--config-out", panel=OUTPUT, metavar="FILE",
        about="Write accounts and figures of the chain to a JSON file, as Anvil does.",
    )  # fmt: skip
    steps_tracing: bool = setting(
        False, "--steps-tracing", "--tracing", panel=OUTPUT,
        about="Accepted for compatibility with Anvil: tracing needs no preparation.",
    )  # fmt: skip
    disable_console_log: bool = setting(
        False, "--disable-console-log", "--no-console-log", panel=OUTPUT,
        about="Do not print the console.log lines of contracts.",
    )  # fmt: skip
    otlp_endpoint: Url | None = setting(None, "--otlp-endpoint", panel=OUTPUT, metavar="URL", about=ABOUT_OTLP)

    zns_port: int | None = setting(
        None, "--zns-port", panel=NAMES, metavar="NUMBER", ge=0, le=65_535,
        about="Resolve names over HTTP on this port (GET /resolve/NAME); 0 lets the system choose. "
        "(default: not served)",
    )  # fmt: skip
    zns_host: Names = setting(
        ("127.0.0.1",), "--zns-host", panel=NAMES, metavar="IP,...", min_length=1,
        about="Addresses that names are resolved on, separated by commas.",
    )  # fmt: skip
    zns_upstream: Url | None = setting(
        None, "--zns-upstream", panel=NAMES, metavar="URL",
        about="Resolver that --zns-port asks for names with other ends than this chain's. (default: none)",
    )  # fmt: skip

    @model_validator(mode="before")
    @classmethod
    def _in_memory(cls, values: Any) -> Any:
        """A chain that begins with a state file is kept in memory, as Anvil's, unless --datadir is given. A fork is."""
        if isinstance(values, dict) and (values.get("fork_url") or values.get("fork_bundle")):
            return {"memory": True, **values}
        if isinstance(values, dict) and (values.get("load_state") or values.get("state")):
            return {"memory": True, **values} if not {"datadir", "fresh"} & values.keys() else values
        return values

    @model_validator(mode="after")
    def _fit_together(self) -> "NodeSettings":
        check_together(dict(self), self.model_fields_set, external_consensus=self.external_consensus)
        return self

    @property
    def external_consensus(self) -> bool:
        """Whether a consensus client makes the blocks: true if any setting of the Engine API was given."""
        return self.authrpc or any(name.startswith("authrpc_") for name in self.model_fields_set)

    @property
    def limits(self) -> Limits:
        """The server's limits."""
        values = {item.name: getattr(self, f"rpc_{item.name}") for item in fields(Limits)}
        if self.no_request_size_limit:
            for name in ("http_body_bytes", "input_bytes", "json_structure", "json_names"):
                values[name] = UNLIMITED_BYTES
        return Limits(**values)

    @property
    def pool_limits(self) -> PoolLimits:
        """The pool's limits."""
        values = {name: getattr(self, f"pool_{name}") for name in POOL_EFFECTS}
        return PoolLimits(check_balances=not self.disable_pool_balance_checks, **values)

    @property
    def balance_wei(self) -> int:
        """Wei of each development account."""
        return int(self.balance * ETHER)

    @property
    def interval_ms(self) -> int:
        """Milliseconds between timed blocks; 0 for none."""
        return 0 if self.block_time is None else max(1, round(self.block_time * 1000))

    @property
    def automine(self) -> bool:
        """Whether a block is made for each transaction at once."""
        return not self.no_mining and (self.block_time is None or self.mixed_mining)


Settings: type[NodeSettings] = create_model("Settings", __base__=NodeSettings, **limit_fields())
"""The class of all settings: NodeSettings with a field for every limit."""


@cache
def setting_flags() -> dict[str, Flag]:
    """Setting -> its flag, in the order of the help."""
    found: dict[str, Flag] = {}
    for name, field in Settings.model_fields.items():
        assert isinstance(field.json_schema_extra, dict)
        found[name] = cast(Flag, field.json_schema_extra["flag"])
    return found
