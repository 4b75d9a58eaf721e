"""Development accounts: derivation against eth-account, and what is refused."""

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from zevm.node.mnemonic import (
    DEFAULT_DERIVATION_PATH,
    DEFAULT_MNEMONIC,
    check_derivation_path,
    check_mnemonic,
    derive_keys,
    random_mnemonic,
)

Account.enable_unaudited_hdwallet_features()


def test_the_default_accounts_are_the_well_known_ones() -> None:
    keys = derive_keys(DEFAULT_MNEMONIC, DEFAULT_DERIVATION_PATH, 10)
    assert keys[0].secret.hex() == "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
    assert keys[9].secret.hex() == "2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6"


@settings(max_examples=5, deadline=None)
@given(st.sampled_from([12, 24]), st.sampled_from(["m/44'/60'/0'/0/", "m/44'/60'/7'", "m/0/1h/2147483647/"]))
def test_derivation_agrees_with_eth_account(words: int, path: str) -> None:
    phrase = random_mnemonic(words)
    keys = derive_keys(phrase, path, 3)
    for index, key in enumerate(keys):
        reference_path = f"{path.rstrip('/')}/{index}".replace("h", "'")
        assert key.secret == bytes(Account.from_mnemonic(phrase, account_path=reference_path).key)


def test_no_accounts() -> None:
    assert derive_keys(DEFAULT_MNEMONIC, DEFAULT_DERIVATION_PATH, 0) == []


def test_random_phrases_differ_and_are_valid() -> None:
    first, second = random_mnemonic(12), random_mnemonic(24)
    assert first != second
    assert [len(check_mnemonic(phrase).split()) for phrase in (first, second)] == [12, 24]


def test_spaces_in_a_phrase_do_not_matter() -> None:
    assert check_mnemonic("  " + DEFAULT_MNEMONIC.replace(" ", "   ")) == DEFAULT_MNEMONIC


@pytest.mark.parametrize("phrase", ["", "test test", DEFAULT_MNEMONIC.replace("junk", "test"), "zzz " * 12])
def test_bad_phrases_are_refused(phrase: str) -> None:
    with pytest.raises(ValueError, match="not an English BIP-39 phrase"):
        check_mnemonic(phrase)


@pytest.mark.parametrize("path", ["", "44'/60'", "m/x", "m/2147483648", "m/-1", "m//1", "m/1''"])
def test_bad_derivation_paths_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="derivation path"):
        check_derivation_path(path)
