"""Encrypted keys on disk: Web3 Secret Storage, version 3, as geth and the wallets keep them."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from coincurve import PrivateKey

from zevm.node.errors import NodeError, reason_of
from zevm.node.wallet import address_of, checksum_address
from zevm.storage.primitives import Address
from zevm.storage.private_files import make_private

FOLDER_NAME = "keystore"
SCRYPT_COST = 1 << 18
"""Geth's standard: 256 MiB of memory and about a second for each password attempt."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """An account of the keystore."""

    address: Address
    path: Path


class Keystore:
    """The folder of key files. `scrypt_cost` is for new files."""

    def __init__(self, folder: Path, scrypt_cost: int = SCRYPT_COST) -> None:
        self.folder = folder
        self._scrypt_cost = scrypt_cost

    def accounts(self) -> list[KeyFile]:
        """The accounts in order of creation. Files other than key files are ignored."""
        found = []
        for path in sorted(self.folder.iterdir()) if self.folder.is_dir() else []:
            address = _address_in(path)
            if address is not None:
                found.append(KeyFile(address, path))
        return found

    def create(self, password: str) -> KeyFile:
        """Create a new account."""
        return self.add(PrivateKey(), password)

    def add(self, key: PrivateKey, password: str) -> KeyFile:
        """Store a key, encrypted. Raises NodeError if the account exists already."""
        from eth_keyfile.keyfile import create_keyfile_json

        address = address_of(key)
        if any(account.address == address for account in self.accounts()):
            raise NodeError(f"the account {checksum_address(address)} is in {self.folder} already")
        content = create_keyfile_json(key.secret, password.encode(), kdf="scrypt", iterations=self._scrypt_cost)
        made_at = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S.%f000Z")
        path = self.folder / f"UTC--{made_at}--{address.hex()}"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_private(path, json.dumps(content).encode())
        return KeyFile(address, path)

    def unlock(self, address: Address, password: str) -> PrivateKey:
        """The key of an account. Raises NodeError for an unknown account or a wrong password."""
        for account in self.accounts():
            if account.address == address:
                return decrypt(account.path, password)
        raise NodeError(f"no account {checksum_address(address)} in {self.folder}; `zevm account list` shows all")


def decrypt(path: Path, password: str) -> PrivateKey:
    """The key in a key file. Raises NodeError for a wrong password or a damaged file."""
    from eth_keyfile.keyfile import decode_keyfile_json

    content = _read_json(path)
    try:
        secret = decode_keyfile_json(content, password.encode())
    except ValueError as error:
        raise NodeError(f"{path.name}: {'wrong password' if 'MAC' in str(error) else error}") from None
    except (KeyError, TypeError, NotImplementedError) as error:
        raise NodeError(f"{path.name}: not a key file of version 3 ({error})") from None
    return PrivateKey(secret)


def _address_in(path: Path) -> Address | None:
    try:
        content = _read_json(path)
        address = bytes.fromhex(str(content.get("address", "")).removeprefix("0x"))
    except (NodeError, ValueError):
        return None
    return Address(address) if len(address) == 20 else None


def _read_json(path: Path) -> Any:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise NodeError(f"{path}: cannot be read as a key file: {reason_of(error)}") from None
    if not isinstance(content, dict):
        raise NodeError(f"{path}: not a key file")
    return content
