"""The primitive values of the protocol as types of their own, so that a swapped pair does not type-check.

They cost nothing at run time but where one is made: a decoder, a constructor or a hash function names the type once,
and annotations carry it from there. Nothing checks a length here: decoders do.
"""

from typing import NewType

Address = NewType("Address", bytes)
"""The 20 bytes of an account's address."""

Hash32 = NewType("Hash32", bytes)
"""A 32-byte Keccak-256 hash: of a block, a transaction, code, or the root of a trie."""

TrieKey = NewType("TrieKey", bytes)
"""The key of an entry of a trie: in a state's tries the hash of an address, or of a 32-byte slot."""

Wei = NewType("Wei", int)
"""An amount of ether in wei, or a price in wei for one gas."""

Gas = NewType("Gas", int)
"""An amount of gas."""

ZERO_ADDRESS = Address(bytes(20))
ZERO_HASH = Hash32(bytes(32))

FIRST_KEY = TrieKey(b"")
"""The least key of all."""

STATE_TRIE = TrieKey(b"")
"""The owner of the state trie; that of a storage trie is the key of its account."""
