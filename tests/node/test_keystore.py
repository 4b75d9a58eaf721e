"""Key files: readable by eth-account, refused where wrong, private on disk."""

import json
from pathlib import Path

import pytest
from coincurve import PrivateKey
from eth_account import Account

from zevm.node.errors import NodeError
from zevm.node.keystore import Keystore, decrypt
from zevm.node.wallet import address_of

CHEAP = 1 << 10


@pytest.fixture
def keystore(tmp_path: Path) -> Keystore:
    return Keystore(tmp_path / "keystore", CHEAP)


def test_a_new_account_is_there_and_unlocks(keystore: Keystore) -> None:
    made = keystore.create("secret")
    assert [account.address for account in keystore.accounts()] == [made.address]
    assert address_of(keystore.unlock(made.address, "secret")) == made.address


def test_the_file_is_of_the_standard_format_and_private(keystore: Keystore) -> None:
    key = PrivateKey()
    made = keystore.add(key, "pässword")
    content = json.loads(made.path.read_text())
    assert (content["version"], content["crypto"]["kdf"]) == (3, "scrypt")
    assert bytes(Account.decrypt(content, "pässword")) == key.secret
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert keystore.folder.stat().st_mode & 0o777 == 0o700
    assert made.path.name.startswith("UTC--")
    assert made.path.name.endswith(made.address.hex())


def test_a_key_file_of_eth_account_is_read(keystore: Keystore) -> None:
    key = PrivateKey()
    keystore.folder.mkdir()
    content = Account.encrypt(key.secret, "secret", kdf="pbkdf2", iterations=10)
    (keystore.folder / "from-elsewhere.json").write_text(json.dumps(content))
    assert keystore.unlock(address_of(key), "secret").secret == key.secret


def test_a_wrong_password(keystore: Keystore) -> None:
    made = keystore.create("right")
    with pytest.raises(NodeError, match="wrong password") as caught:
        keystore.unlock(made.address, "guess")
    assert "guess" not in str(caught.value)


def test_an_unknown_account(keystore: Keystore) -> None:
    with pytest.raises(NodeError, match="no account 0x0000000000000000000000000000000000000000"):
        keystore.unlock(bytes(20), "")


def test_the_same_key_twice(keystore: Keystore) -> None:
    key = PrivateKey()
    keystore.add(key, "one")
    with pytest.raises(NodeError, match="already"):
        keystore.add(key, "two")


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"version": 3, "crypto": {}}', '{"version": 1, "address": "00"}', "\xff"]
)
def test_damaged_files_are_refused_and_not_listed(keystore: Keystore, content: str) -> None:
    keystore.folder.mkdir()
    file = keystore.folder / "UTC--damaged"
    file.write_bytes(content.encode("latin-1"))
    assert keystore.accounts() == []
    with pytest.raises(NodeError, match="UTC--damaged"):
        decrypt(file, "secret")
