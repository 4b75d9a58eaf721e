"""The labelled set: contracts with known weaknesses, and sound ones, each with the rules that hold for it.

`held_back`: not looked at while the rules were written and tuned; their figures are shown apart.
"""

from dataclasses import dataclass
from pathlib import Path

from zevm.analysis.audit.rules import (
    ACCESS,
    ARBITRARY_CALL,
    ARITHMETIC,
    DELEGATECALL,
    INITIALISER,
    LOOP,
    REENTRANCY,
    TX_ORIGIN,
    UNCHECKED_CALL,
)

HERE = Path(__file__).parent
CONTRACTS = HERE / "contracts"
ROOT = HERE.parent.parent


@dataclass(frozen=True, slots=True)
class Case:
    """One contract. weaknesses: rules that must find it; empty for a sound one."""

    file: Path
    contract: str
    weaknesses: frozenset[str]
    held_back: bool = False


_WEAK: dict[str, dict[str, str]] = {
    "Reentrancy.sol": dict.fromkeys(
        (
            "PayFirst", "PartialPayFirst", "SplitToAnother", "OneGiftEach", "LockedHalf", "HookedItems",
            "TimedDeposits", "Pot", "ShareHolder", "EagerAuction", "ForgottenLock", "BookedLoans",
        ),
        REENTRANCY,
    ),
    "Access.sol": dict.fromkeys(
        (
            "OpenWalletLibrary", "RenamedConstructor", "OpenDestruction", "OpenTreasury", "OpenPayment", "OpenMint",
            "OpenRoles", "OpenImplementation", "InvertedCheck", "OpenTokenSweep", "ComparesArgument", "OpenWards",
            "OneForgotten",
        ),
        ACCESS,
    ),
    "Delegate.sol": dict.fromkeys(
        (
            "ForwardsAnything", "DelegatesFallback", "PluginHost", "AssemblyForward", "ForMembers", "Batch",
            "ChecksCodeOnly",
        ),
        DELEGATECALL,
    ),
    "ArbitraryCall.sol": dict.fromkeys(
        ("OpenRouter", "DepositedTokens", "TrustingLender", "AssemblyCaller", "CallsBack"), ARBITRARY_CALL
    ),
    "Others.sol": {
        "OriginWallet": TX_ORIGIN,
        "OriginRoles": TX_ORIGIN,
        "ForgetsFailedPayment": UNCHECKED_CALL,
        "IgnoresCall": UNCHECKED_CALL,
        "UncheckedTotals": ARITHMETIC,
        "AssemblySum": ARITHMETIC,
        "PaysEveryone": LOOP,
        "SumsEveryone": LOOP,
        "LateInitialiser": INITIALISER,
        "EmptyOwnerInitialiser": INITIALISER,
    },
    "reentrant_bank.vy": {"ReentrantBank": REENTRANCY},
    "open_owner.vy": {"OpenOwner": ACCESS},
    "open_treasury.vy": {"OpenTreasury": ACCESS},
    "delegates_input.vy": {"DelegatesInput": DELEGATECALL},
    "calls_input.vy": {"CallsInput": ARBITRARY_CALL},
    "open_bank.zig": {"OpenBank": REENTRANCY},
    "open_purse.zig": {"OpenPurse": ACCESS},
    "open_sweep.zig": {"OpenSweep": ACCESS},
    "open_mint.zig": {"OpenMint": ACCESS},
    "delegating_host.zig": {"DelegatingHost": DELEGATECALL},
}  # fmt: skip
_SOUND: dict[str, tuple[str, ...]] = {
    "ReentrancySafe.sol": (
        "ForgetFirst", "Guarded", "TransientGuard", "Stipend", "OwnerPays", "PullPayments", "CountsBefore",
        "PackedGuard",
    ),
    "AccessSafe.sol": (
        "OwnedWallet", "RoleToken", "WrappedEther", "Crowdsale", "MerkleDrop", "SignedPayments", "TwoOfThree", "Shop",
    ),
    "DelegateSafe.sol": ("FixedProxy", "OwnedProxy", "SelfBatch", "ListedPlugins", "OwnersTool", "Facets"),
    "ArbitraryCallSafe.sol": (
        "OwnersCalls", "ListedExchanges", "FixedRouter", "Notifies", "SignedCalls", "Proposals",
    ),
    "safe_bank.vy": ("SafeBank",),
    "owned_treasury.vy": ("OwnedTreasury",),
    "delegates_owner.vy": ("DelegatesOwner",),
    "calls_owner.vy": ("CallsOwner",),
    "simple_vote.vy": ("SimpleVote",),
    "locked_bank.zig": ("LockedBank",),
    "owned_host.zig": ("OwnedHost",),
}  # fmt: skip
_HELD_BACK = frozenset(
    {
        "LockedHalf", "HookedItems", "ShareHolder", "EagerAuction", "BookedLoans", "TimedDeposits",
        "OpenMint", "OpenRoles", "InvertedCheck", "OpenTokenSweep", "OpenWards", "ComparesArgument",
        "PluginHost", "ForMembers", "Batch",
        "OriginRoles", "IgnoresCall", "AssemblySum", "SumsEveryone", "EmptyOwnerInitialiser",
        "TransientGuard", "PullPayments", "CountsBefore", "PackedGuard",
        "MerkleDrop", "SignedPayments", "TwoOfThree", "Shop",
        "SelfBatch", "ListedPlugins", "Facets",
        "OpenTreasury", "DelegatesInput", "SimpleVote", "OpenSweep", "OwnedHost",
        "OpenRouter", "DepositedTokens", "TrustingLender", "AssemblyCaller", "CallsBack", "CallsInput",
        "OwnersCalls", "ListedExchanges", "FixedRouter", "Notifies", "SignedCalls", "Proposals", "CallsOwner",
    }
)  # fmt: skip
"""Drawn before the rules were run on any of them."""


def own_cases() -> list[Case]:
    """The contracts of this folder."""
    weak = [
        Case(CONTRACTS / file, name, frozenset({rule}), name in _HELD_BACK)
        for file, contracts in _WEAK.items()
        for name, rule in contracts.items()
    ]
    sound = [
        Case(CONTRACTS / file, name, frozenset(), name in _HELD_BACK)
        for file, names in _SOUND.items()
        for name in names
    ]  # fmt: skip
    return weak + sound
