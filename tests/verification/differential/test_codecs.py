"""Encodings against other libraries: py-trie, pyrlp, eth-account, py-evm. The executable specification's are in
test_random_blocks.py. Hypothesis draws the same examples in every run."""

from dataclasses import replace
from random import Random

import pytest
import rlp as reference_rlp
from eth.rlp.headers import BlockHeader
from eth.vm.forks.cancun.blocks import CancunBlockHeader
from eth.vm.forks.london.blocks import LondonBlockHeader
from eth.vm.forks.prague.blocks import PragueBlockHeader
from eth.vm.forks.shanghai.blocks import ShanghaiBlockHeader
from eth_account import Account
from eth_account.typed_transactions import TypedTransaction
from hexbytes import HexBytes
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from verification.differential.codecs import misencode, mutate, random_header, random_item, random_transaction
from zevm.chain.types import Header, Transaction, TransactionType, Withdrawal
from zevm.storage import rlp, trie
from zevm.storage.account import EMPTY_ROOT
from zevm.storage.errors import StorageError
from zevm.storage.keccak import keccak256

SEEDS = st.integers(0, 2**64)
HEADERS = {
    15: BlockHeader,
    16: LondonBlockHeader,
    17: ShanghaiBlockHeader,
    20: CancunBlockHeader,
    21: PragueBlockHeader,
}
reproducible = settings(max_examples=150, deadline=None, derandomize=True, database=None)


def decoded(data: bytes) -> "rlp.Item | None":
    try:
        return rlp.decode(data)
    except rlp.RlpError:
        return None


def decoded_by_the_reference(data: bytes) -> "rlp.Item | None":
    try:
        return reference_rlp.decode(data)
    except reference_rlp.DecodingError:
        return None


@reproducible
@given(SEEDS)
def test_altered_rlp_is_refused_or_read_as_the_reference_does(seed: int) -> None:
    random = Random(seed)
    data = reference_rlp.encode(random_item(random))
    assert decoded(data) == decoded_by_the_reference(data) is not None
    wrong = misencode(random, data)
    assert decoded(wrong) == decoded_by_the_reference(wrong), wrong.hex()
    for _ in range(5):
        data = mutate(random, data or b"\x80")
        assert decoded(data) == decoded_by_the_reference(data), data.hex()


@reproducible
@given(SEEDS)
def test_a_transaction_has_the_hash_and_sender_of_eth_account(seed: int) -> None:
    transaction = random_transaction(Random(seed))
    # eth-account takes no other parities; the signature is another account's then, for both
    entries = tuple(replace(entry, y_parity=entry.y_parity % 2) for entry in transaction.authorization_list)
    transaction = replace(transaction, authorization_list=entries)
    encoded = transaction.encoded
    if transaction.type is TransactionType.LEGACY:
        assert transaction.hash == keccak256(reference_rlp.encode(reference_rlp.decode(encoded)))
    else:
        other = TypedTransaction.from_bytes(HexBytes(encoded))
        assert transaction.signing_hash == other.hash()
        assert transaction.hash == keccak256(other.encode())
    assert transaction.sender == bytes.fromhex(Account.recover_transaction(encoded)[2:])
    assert Transaction.decode(encoded) == transaction
    assert Transaction.from_body_rlp(transaction.to_body_rlp()) == transaction


@pytest.mark.parametrize("fields", HEADERS)
@reproducible
@given(seed=SEEDS)
def test_a_header_has_the_hash_of_py_evms(fields: int, seed: int) -> None:
    header = random_header(Random(seed), fields)
    encoded = header.encode()
    other = reference_rlp.decode(encoded, HEADERS[fields])
    assert (other.hash, other.gas_limit, other.timestamp) == (header.hash, header.gas_limit, header.timestamp)
    assert reference_rlp.encode(other) == encoded
    assert Header.decode(encoded) == header


@pytest.mark.parametrize("name", ["number", "gas_limit", "gas_used", "timestamp", "blob_gas_used", "excess_blob_gas"])
def test_integers_of_a_header_have_64_bits(name: str) -> None:
    header = random_header(Random(1), 21)
    assert Header.decode(header.with_changes(**{name: (1 << 64) - 1}).encode())
    with pytest.raises(rlp.RlpError, match=f"too long for uint64, header field {name}"):
        Header.decode(header.with_changes(**{name: 1 << 64}).encode())


def test_other_integers_have_256_bits_and_those_of_a_withdrawal_64() -> None:
    header = random_header(Random(1), 21)
    with pytest.raises(rlp.RlpError, match="too long for uint256, header field difficulty"):
        Header.decode(header.with_changes(difficulty=1 << 256).encode())
    for number in range(3):
        numbers = [1, 2, 3]
        numbers[number] = 1 << 64
        with pytest.raises(rlp.RlpError, match="too long for uint64 in a withdrawal"):
            Withdrawal.from_item(Withdrawal(numbers[0], numbers[1], bytes(20), numbers[2]).to_item())


@reproducible
@given(SEEDS)
def test_proofs_of_py_trie_hold_here_and_ours_there(seed: int) -> None:
    random = Random(seed)
    keys = [random.randbytes(random.choice((1, 2, 2, 32))) for _ in range(random.randrange(1, 40))]
    there, nodes, root = HexaryTrie({}), {}, EMPTY_ROOT
    for _ in range(3):
        changes = {key: random.randbytes(random.choice((0, 1, 31, 32, 90))) for key in random.choices(keys, k=12)}
        update = trie.update(trie.by_hash(nodes), root, changes)
        nodes.update(update.nodes)
        root = update.root
        for key, value in changes.items():
            there[key] = value
        assert root == there.root_hash
    for key in [*keys, b"\x00", b"absent"]:
        expected = there[key] or None
        proof = [reference_rlp.encode(node) for node in there.get_proof(key)]
        assert trie.verify_proof(root, key, proof) == expected
        ours = trie.get_with_proof(trie.by_hash(nodes), root, key)[1]
        read = HexaryTrie.get_from_proof(root, key, [reference_rlp.decode(node) for node in ours])
        assert (read or None) == expected
        if ours:
            place = random.randrange(len(ours))
            broken = [*ours[:place], mutate(random, ours[place]), *ours[place + 1 :]]
            if broken != ours:
                with pytest.raises(StorageError):
                    trie.verify_proof(root, key, broken)
