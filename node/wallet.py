"""The keys that the node holds: development accounts and unlocked keystore accounts. Signs; never shows a key."""

from collections.abc import Iterable

from coincurve import PrivateKey

from zevm.chain.types import Transaction
from zevm.rpc.wallet import UnknownAccountError
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address

_MESSAGE_PREFIX = b"\x19Ethereum Signed Message:\n"


def address_of(key: PrivateKey) -> Address:
    """The 20-byte address of a key."""
    return Address(keccak256(key.public_key.format(compressed=False)[1:])[12:])


def checksum_address(address: Address) -> str:
    """0x and 40 hex digits in EIP-55's mixed case."""
    digits = address.hex()
    digest = keccak256(digits.encode()).hex()
    return "0x" + "".join(
        letter.upper() if int(nibble, 16) >= 8 else letter for letter, nibble in zip(digits, digest, strict=False)
    )


class KeyWallet:
    """Implements rpc.wallet.Wallet over keys in memory. All methods may be called from any thread."""

    def __init__(self, keys: Iterable[PrivateKey] = ()) -> None:
        self._keys = {address_of(key): key for key in keys}

    def __repr__(self) -> str:
        return f"KeyWallet({len(self._keys)} accounts)"

    def add(self, key: PrivateKey) -> Address:
        """Add a key; return its address."""
        address = address_of(key)
        self._keys = {**self._keys, address: key}
        return address

    def addresses(self) -> list[Address]:
        """The 20-byte addresses, in the order of the banner."""
        return list(self._keys)

    def sign_transaction(self, address: Address, transaction: Transaction) -> Transaction:
        """A copy of `transaction` signed with the key of `address`. Raises UnknownAccountError."""
        r, s, y_parity = self._sign(address, transaction.signing_hash)
        return transaction.with_signature(y_parity, r, s, sender=address)

    def sign_message(self, address: Address, data: bytes) -> bytes:
        """The 65-byte signature r || s || v (27 or 28) of an EIP-191 message. Raises UnknownAccountError."""
        return self._sign_digest(address, keccak256(_MESSAGE_PREFIX + str(len(data)).encode() + data))

    def sign_typed_data(self, address: Address, domain_separator: bytes, struct_hash: bytes) -> bytes:
        """The 65-byte signature of EIP-712 data by its two hashes of 32 bytes. Raises UnknownAccountError."""
        return self._sign_digest(address, keccak256(b"\x19\x01" + domain_separator + struct_hash))

    def _sign_digest(self, address: Address, digest: bytes) -> bytes:
        r, s, y_parity = self._sign(address, digest)
        return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes((27 + y_parity,))

    def _sign(self, address: Address, digest: bytes) -> tuple[int, int, int]:
        """r, s (low, EIP-2) and the parity of the point; the nonce is RFC 6979's."""
        key = self._keys.get(address)
        if key is None:
            raise UnknownAccountError(address)
        signature = key.sign_recoverable(digest, hasher=None)
        return int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"), signature[64]
