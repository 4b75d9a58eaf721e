"""One frame's input."""

from typing import NamedTuple

from zevm.storage.primitives import Address

NOBODY = Address(b"")
"""The `to` of a creation's message."""
CREATIONS = ("CREATE", "CREATE2")
"""Kinds of messages that make a contract."""


class Message:
    """A call or creation, with the attribute names that py-evm's opcodes and precompiles read.

    to: b"" for a creation. storage_address: whose storage and balance the code acts on. code_address: whose code it is;
    b"" for a creation. is_delegation: found through an EIP-7702 designation. kind: the opcode that made it; CALL or
    CREATE for a transaction's. target: the address that was called, before a delegation is followed; code_address
    unless given. data: if long, a view of the caller's memory, which does not change while the message runs. Copy a
    part as bytes: a slice of the view that lived on would keep that memory from growing. should_transfer_value: False
    for DELEGATECALL, whose value is only shown.
    """

    __slots__ = (
        "code",
        "code_address",
        "data",
        "depth",
        "gas",
        "is_create",
        "is_delegation",
        "is_static",
        "kind",
        "sender",
        "should_transfer_value",
        "storage_address",
        "target",
        "to",
        "value",
    )

    def __init__(
        self,
        gas: int,
        to: Address,
        sender: Address,
        value: int,
        data: bytes | memoryview,
        code: bytes,
        depth: int = 0,
        create_address: Address | None = None,
        code_address: Address | None = None,
        should_transfer_value: bool = True,
        is_static: bool = False,
        is_delegation: bool = False,
        kind: str = "CALL",
        target: Address | None = None,
    ) -> None:
        self.gas = gas
        self.to = to
        self.sender = sender
        self.value = value
        self.data = data
        self.code = code
        self.depth = depth
        self.is_create = create_address is not None
        self.storage_address = to if create_address is None else create_address
        self.code_address = to if code_address is None else code_address
        self.should_transfer_value = should_transfer_value
        self.is_static = is_static
        self.is_delegation = is_delegation
        self.kind = kind
        self.target = self.code_address if target is None else target

    @property
    def data_as_bytes(self) -> bytes:
        """The input."""
        return bytes(self.data)


class FrameStart(NamedTuple):
    """A frame about to run, or one refused before it could run.

    kind: CALL, CALLCODE, DELEGATECALL, STATICCALL, CREATE, CREATE2, or SELFDESTRUCT: a frame without code, as geth
    shows it, that sends the balance `value` to `target`.
    address: whose storage the code acts on. code_address: whose code it is. target: the address that was called,
    before a delegation designation is followed; the new address of a creation.
    """

    kind: str
    depth: int
    sender: Address
    address: Address
    code_address: Address
    target: Address
    value: int
    gas_limit: int
    data: bytes


def describe_start(message: Message) -> FrameStart:
    """A message's fields for a tracer."""
    return FrameStart(
        kind=message.kind,
        depth=message.depth,
        sender=message.sender,
        address=message.storage_address,
        code_address=message.code_address,
        target=message.storage_address if message.is_create else message.target,
        value=message.value,
        gas_limit=message.gas,
        data=message.code if message.is_create else bytes(message.data),
    )
