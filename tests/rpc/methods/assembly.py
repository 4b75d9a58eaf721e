"""A few EVM contracts as tests need them, assembled from mnemonics."""

from eth_abi.abi import encode

from zevm.storage.keccak import keccak256

OPCODES = {
    "STOP": 0x00,
    "ADD": 0x01,
    "LT": 0x10,
    "EQ": 0x14,
    "ISZERO": 0x15,
    "SHR": 0x1C,
    "KECCAK256": 0x20,
    "CALLER": 0x33,
    "CALLVALUE": 0x34,
    "CALLDATALOAD": 0x35,
    "CALLDATASIZE": 0x36,
    "CODECOPY": 0x39,
    "BLOCKHASH": 0x40,
    "COINBASE": 0x41,
    "TIMESTAMP": 0x42,
    "NUMBER": 0x43,
    "PREVRANDAO": 0x44,
    "GASLIMIT": 0x45,
    "CHAINID": 0x46,
    "BASEFEE": 0x48,
    "MLOAD": 0x51,
    "MSTORE": 0x52,
    "SLOAD": 0x54,
    "SSTORE": 0x55,
    "JUMP": 0x56,
    "JUMPI": 0x57,
    "GAS": 0x5A,
    "JUMPDEST": 0x5B,
    "DUP1": 0x80,
    "LOG1": 0xA1,
    "RETURN": 0xF3,
    "STATICCALL": 0xFA,
    "REVERT": 0xFD,
    "INVALID": 0xFE,
}


def assemble(source: str) -> bytes:
    """Machine code from mnemonics; 0x-prefixed words are pushed, `name:` marks and `@name` pushes a jump target."""
    code, labels, uses = bytearray(), {}, []
    for token in source.split():
        if token.startswith("0x"):
            data = bytes.fromhex(token[2:])
            code += bytes((0x5F + len(data),)) + data
        elif token.startswith("@"):
            uses.append((len(code) + 1, token[1:]))
            code += b"\x60\x00"
        elif token.endswith(":"):
            labels[token[:-1]] = len(code)
            code.append(OPCODES["JUMPDEST"])
        else:
            code.append(OPCODES[token])
    for position, name in uses:
        code[position] = labels[name]
    return bytes(code)


def creation(runtime: bytes) -> bytes:
    """Creation code that returns `runtime`."""
    size = len(runtime).to_bytes(2, "big").hex()
    return assemble(f"0x{size} 0x000f 0x00 CODECOPY 0x{size} 0x00 RETURN") + runtime


TOPIC = keccak256(b"Set(uint256)")
RETURN_TOP = "0x00 MSTORE 0x20 0x00 RETURN"

BOX = assemble(
    f"""CALLDATASIZE @set JUMPI 0x00 SLOAD {RETURN_TOP}
    set: 0x00 CALLDATALOAD DUP1 0x00 SSTORE 0x00 MSTORE 0x{TOPIC.hex()} 0x20 0x00 LOG1 STOP"""
)
"""Without call data returns slot 0; otherwise stores the first word there and logs it."""

ENVIRONMENT = {
    name: assemble(f"{name} {RETURN_TOP}") for name in ("TIMESTAMP", "NUMBER", "PREVRANDAO", "COINBASE", "CHAINID")
}
"""Contracts that return one value of the block."""

ENDLESS = assemble("again: @again JUMP")
INVALID = assemble("INVALID")

REVERT_DATA = bytes.fromhex("08c379a0") + encode(["string"], ["nope"])


def reverting(data: bytes) -> bytes:
    """Code that reverts with `data`."""
    size = len(data).to_bytes(2, "big").hex()
    return assemble(f"0x{size} 0x000f 0x00 CODECOPY 0x{size} 0x00 REVERT") + data


NOPE = reverting(REVERT_DATA)

TOKEN = assemble(
    f"""0x00 CALLDATALOAD 0xe0 SHR DUP1 0x70a08231 EQ @balance JUMPI 0xdd62ed3e EQ @allowance JUMPI 0x00 0x00 REVERT
    balance: 0x04 CALLDATALOAD 0x00 MSTORE 0x03 0x20 MSTORE 0x40 0x00 KECCAK256 SLOAD {RETURN_TOP}
    allowance: 0x04 CALLDATALOAD 0x00 MSTORE 0x04 0x20 MSTORE 0x40 0x00 KECCAK256 0x20 MSTORE
    0x24 CALLDATALOAD 0x00 MSTORE 0x40 0x00 KECCAK256 SLOAD {RETURN_TOP}"""
)
"""balanceOf and allowance of a token with Solidity's layout: balances in slot 3, allowances in slot 4."""

RESOLVER = assemble(f"0x04 CALLDATALOAD SLOAD {RETURN_TOP}")
"""addr(bytes32 node): the slot with the node's number."""
