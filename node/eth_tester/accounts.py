"""Accounts and genesis of eth-tester's chains: what its own backend begins with, so that suites find the same."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from coincurve import PrivateKey
from eth_account.hdaccount import HDPath, seed_from_mnemonic
from eth_tester.backends.common import merge_genesis_overrides

from zevm.chain.rules.forks import Fork
from zevm.chain.rules.genesis import Genesis, GenesisAccount
from zevm.chain.rules.units import ETHER
from zevm.node.wallet import address_of
from zevm.storage.primitives import Address

CHAIN_ID = 131277322940537
"""web3.py answers it for every backend."""

GAS_LIMIT = 30_029_122
BALANCE_WEI = 1_000_000 * ETHER
ACCOUNTS = 10
HD_PATH = "m/44'/60'/0'"

State = Mapping[bytes, Mapping[str, Any]]


def default_keys(count: int | None = None) -> list[PrivateKey]:
    """The keys 1, 2, 3 and so on."""
    return [PrivateKey(number.to_bytes(32, "big")) for number in range(1, (count or ACCOUNTS) + 1)]


def keys_of_mnemonic(mnemonic: str, count: int | None = None, hd_path: str | None = None) -> list[PrivateKey]:
    """The first keys of a BIP-39 phrase below a BIP-32 path."""
    seed = seed_from_mnemonic(mnemonic, "")
    return [PrivateKey(HDPath(f"{hd_path or HD_PATH}/{index}").derive(seed)) for index in range(count or ACCOUNTS)]


def genesis_state(keys: Sequence[PrivateKey], overrides: Mapping[str, Any] | None = None) -> dict[bytes, Any]:
    """An account for each key, with a million ether where the overrides say nothing else. Raises ValueError."""
    account = {"balance": BALANCE_WEI, "storage": {}, "code": b"", "nonce": 0}
    return {bytes(address_of(key)): merge_genesis_overrides(account, dict(overrides or {})) for key in keys}


def genesis_parameters(overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The fields of the first header that a suite may set. Raises ValueError for any other."""
    parameters = {
        "coinbase": bytes(20),
        "extra_data": b"",
        "gas_limit": GAS_LIMIT,
        "mix_hash": bytes(32),
        "timestamp": int(time.time()),
    }
    merged: dict[str, Any] = merge_genesis_overrides(parameters, dict(overrides or {}))
    return merged


def genesis_of(parameters: Mapping[str, Any], state: State, fork: Fork) -> Genesis:
    """A genesis with the forks up to one, and the contracts that a development chain has from its beginning."""
    accounts = {
        Address(bytes(address)): GenesisAccount(
            balance_wei=account.get("balance", 0),
            nonce=account.get("nonce", 0),
            code=bytes(account.get("code", b"")),
            storage=dict(account.get("storage", {})),
        )
        for address, account in (state.items() if isinstance(state, Mapping) else state)
    }
    base = Genesis.default(CHAIN_ID, fork)
    return base.with_changes(
        accounts={**base.accounts, **accounts},
        gas_limit=parameters["gas_limit"],
        timestamp=parameters["timestamp"],
        extra_data=bytes(parameters["extra_data"]),
        mix_hash=bytes(parameters["mix_hash"]),
        coinbase=Address(bytes(parameters["coinbase"])),
    )
