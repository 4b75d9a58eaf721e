"""Forks in order, the rules a block follows, and the schedule that a genesis configures."""

from dataclasses import dataclass
from enum import IntEnum


class Fork(IntEnum):
    """Every fork of the execution layer, in the order of activation."""

    FRONTIER = 0
    HOMESTEAD = 1
    TANGERINE_WHISTLE = 2
    SPURIOUS_DRAGON = 3
    BYZANTIUM = 4
    CONSTANTINOPLE = 5
    PETERSBURG = 6
    ISTANBUL = 7
    MUIR_GLACIER = 8
    BERLIN = 9
    LONDON = 10
    ARROW_GLACIER = 11
    GRAY_GLACIER = 12
    PARIS = 13
    SHANGHAI = 14
    CANCUN = 15
    PRAGUE = 16
    OSAKA = 17
    BPO1 = 18
    BPO2 = 19


FORK_NAMES: dict[Fork, str] = {
    Fork.FRONTIER: "Frontier",
    Fork.HOMESTEAD: "Homestead",
    Fork.TANGERINE_WHISTLE: "Tangerine",
    Fork.SPURIOUS_DRAGON: "SpuriousDragon",
    Fork.BYZANTIUM: "Byzantium",
    Fork.CONSTANTINOPLE: "Constantinople",
    Fork.PETERSBURG: "Petersburg",
    Fork.ISTANBUL: "Istanbul",
    Fork.MUIR_GLACIER: "MuirGlacier",
    Fork.BERLIN: "Berlin",
    Fork.LONDON: "London",
    Fork.ARROW_GLACIER: "ArrowGlacier",
    Fork.GRAY_GLACIER: "GrayGlacier",
    Fork.PARIS: "Paris",
    Fork.SHANGHAI: "Shanghai",
    Fork.CANCUN: "Cancun",
    Fork.PRAGUE: "Prague",
    Fork.OSAKA: "Osaka",
    Fork.BPO1: "Bpo1",
    Fork.BPO2: "Bpo2",
}
"""Forks under the names that Anvil shows, and Foundry parses; the command line takes them in any case."""

LATEST_FORK = max(Fork)

_ALIASES = {
    "latest": LATEST_FORK,
    "tangerinewhistle": Fork.TANGERINE_WHISTLE,
    "merge": Fork.PARIS,
}


def fork_by_name(name: str) -> Fork:
    """The fork that Anvil's --hardfork calls `name`, "latest" too. Raises ValueError listing the names."""
    by_name = {title.lower(): fork for fork, title in FORK_NAMES.items()} | _ALIASES
    fork = by_name.get(name.strip().lower().replace("_", "").replace("-", "").replace(" ", ""))
    if fork is None:
        known = ", ".join([*(title.lower() for title in FORK_NAMES.values()), "latest"])
        raise ValueError(f'unknown hardfork "{name}", want one of {known}')
    return fork


@dataclass(frozen=True, slots=True)
class BlobParameters:
    """Blob counts per block and the price's update fraction (EIP-4844, EIP-7691, EIP-7892)."""

    target: int
    maximum: int
    base_fee_update_fraction: int


TRANSACTION_GAS_CAP = 16_777_216
"""The most gas one transaction may ask for from Osaka on (EIP-7825)."""


@dataclass(frozen=True, slots=True)
class ForkRules:
    """The rules of one block: its fork, the chain, and the blob parameters from Cancun on.

    zvm: name of the price schedule under which WebAssembly contracts run; None where code is the EVM's alone.
    """

    fork: Fork
    chain_id: int
    blob: BlobParameters | None = None
    zvm: str | None = None
    deposit_contract: bytes = bytes.fromhex("00000000219ab540356cbb839cbe05303d7705fa")
    unlimited_transaction_gas: bool = False

    @property
    def transaction_gas_cap(self) -> int | None:
        """EIP-7825's cap in gas, where it holds."""
        return TRANSACTION_GAS_CAP if self.fork >= Fork.OSAKA and not self.unlimited_transaction_gas else None
