"""Bytecode of the accounts that take part in a trial, from mnemonics."""

from zevm.chain.vm.operations import OPCODE_NAMES

_OPCODES = {name: opcode for opcode, name in OPCODE_NAMES.items()}
_PUSH2 = 0x61


def assemble(source: str) -> bytes:
    """Code from words: mnemonics, numbers (the shortest PUSH), `name:` for a JUMPDEST and `@name` for its offset."""
    parts: list[bytes | str] = []
    labels: dict[str, int] = {}
    size = 0
    for token in source.split():
        if token.endswith(":"):
            labels[token[:-1]] = size
            parts.append(bytes((_OPCODES["JUMPDEST"],)))
        elif token.startswith("@"):
            parts.append(token[1:])
        elif token in _OPCODES:
            parts.append(bytes((_OPCODES[token],)))
        else:
            number = int(token, 0)
            data = number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")
            parts.append(bytes((_PUSH2 - 2 + len(data),)) + data)
        size += 3 if isinstance(parts[-1], str) else len(parts[-1])
    return b"".join(
        bytes((_PUSH2,)) + labels[part].to_bytes(2, "big") if isinstance(part, str) else part for part in parts
    )


def actor(target: bytes, payload: bytes, value_wei: int, driver: bytes) -> bytes:
    """An account that forwards its driver's calls, and calls back once when it is called by another.

    driver: sends 32 bytes of the address, 32 of wei, then the call data. payload: call data of the call back to the
    target. Slot 0 is 1 while it is armed; slot 1 is 2 after a call back that succeeded, 1 after one that failed. With
    less gas than a call back takes it accepts without doing anything. It answers with the selector that it was called
    with, as the receivers of tokens do.
    """
    head = f"""
        CALLER {int.from_bytes(driver, "big")} EQ @forward JUMPI
        60000 GAS LT @accept JUMPI
        0 SLOAD 1 EQ ISZERO @accept JUMPI
        2 0 SSTORE
        {len(payload)} @payload 1 ADD 0 CODECOPY
        0 0 {len(payload)} 0 {value_wei} {int.from_bytes(target, "big")} GAS CALL
        1 ADD 1 SSTORE
        accept: CALLDATASIZE ISZERO @end JUMPI
        0 CALLDATALOAD 224 SHR 224 SHL 0 MSTORE 32 0 RETURN
        end: STOP
        forward:
        64 CALLDATASIZE SUB 64 0 CALLDATACOPY
        0 0 64 CALLDATASIZE SUB 0 32 CALLDATALOAD 0 CALLDATALOAD GAS CALL
        RETURNDATASIZE 0 0 RETURNDATACOPY
        @done JUMPI RETURNDATASIZE 0 REVERT
        done: RETURNDATASIZE 0 RETURN
        payload:
    """
    return assemble(head) + payload


def forwarded(target: bytes, value_wei: int, data: bytes) -> bytes:
    """The call data that a driver sends to an actor."""
    return target.rjust(32, b"\0") + value_wei.to_bytes(32, "big") + data


PROBE_SLOT = 0x70726F6265_7A65766D
"""The slot in which the probe leaves a mark."""
PROBE = assemble(f"1 {PROBE_SLOT} SSTORE 1 0 MSTORE 32 0 RETURN")
"""Code that marks the storage that it runs on, and answers 1."""
FRIEND = assemble("1 0 MSTORE 32 0 RETURN")
"""Code that answers every call with 1."""
