"""Forks in order, the rules a block follows, and the schedule that a genesis configures."""

from dataclasses import dataclass
from enum import IntEnum

from zevm.chain.types.transaction import BLOB_GAS_PER_BLOB


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

    @property
    def title(self) -> str:
        """The name for people: Osaka, SpuriousDragon, BPO1."""
        return self.name if self in _CAPITALS else "".join(word.capitalize() for word in self.name.split("_"))

    @property
    def flag(self) -> str:
        """The name as the command line writes it: osaka, spuriousdragon, bpo1."""
        return self.name.lower().replace("_", "")


_CAPITALS = frozenset({Fork.BPO1, Fork.BPO2})
LATEST_FORK = max(Fork)
FORKS_BY_FLAG: dict[str, Fork] = {
    **{fork.flag: fork for fork in Fork},
    "tangerine": Fork.TANGERINE_WHISTLE,
    "merge": Fork.PARIS,
    "latest": LATEST_FORK,
}
"""Every name that a fork is asked for by, Foundry's too."""


def fork_by_name(name: str) -> Fork:
    """A fork by its own or Foundry's name, in any case and with or without separators. Raises ValueError."""
    fork = FORKS_BY_FLAG.get(name.strip().lower().replace("_", "").replace("-", "").replace(" ", ""))
    if fork is None:
        raise ValueError(f"unknown hardfork; use one of {', '.join(FORKS_BY_FLAG)}")
    return fork


@dataclass(frozen=True, slots=True)
class BlobParameters:
    """Blob counts per block and the price's update fraction (EIP-4844, EIP-7691, EIP-7892)."""

    target: int
    maximum: int
    base_fee_update_fraction: int

    @property
    def target_gas(self) -> int:
        """The blob gas at which the price stays as it is."""
        return self.target * BLOB_GAS_PER_BLOB

    @property
    def maximum_gas(self) -> int:
        """The blob gas that a block may use."""
        return self.maximum * BLOB_GAS_PER_BLOB


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
