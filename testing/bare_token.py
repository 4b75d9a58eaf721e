"""A token of no owner in a few bytes of the EVM, for what shows tokens.

`transfer(to, amount)` adds to the receiver's balance alone, which is in the slot of its address, and logs a transfer
from the caller. `balanceOf(account)` returns it. A function without parameters returns the word in the slot of its
selector.
"""

from zevm.storage.keccak import keccak256

TRANSFER_TOPIC = keccak256(b"Transfer(address,address,uint256)")
TRANSFER = keccak256(b"transfer(address,uint256)")[:4]
_CHOOSE = bytes.fromhex("3660441460255736602414601a57")
_SLOT_OF_SELECTOR = bytes.fromhex("5f3560e01c545f5260205ff3")
_BALANCE = bytes.fromhex("5b600435545f5260205ff3")
_ADD = bytes.fromhex("5b602435805f52600435540160043555600435337f") + TRANSFER_TOPIC + bytes.fromhex("60205fa300")
CODE = _CHOOSE + _SLOT_OF_SELECTOR + _BALANCE + _ADD


def transfer_data(receiver: bytes, amount: int) -> str:
    """Call data of a transfer to an address of 20 bytes."""
    return f"0x{TRANSFER.hex()}{receiver.hex():0>64}{amount:064x}"
