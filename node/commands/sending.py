"""Transactions of the commands: completed by the node, signed by it or here, and waited for."""

import json
from typing import Annotated, Any

import typer

from zevm.node.client import CallFailedError, Client
from zevm.node.commands.names import address_of
from zevm.node.errors import NodeError
from zevm.storage.primitives import Address

WAIT_MS = 60_000
"""Time in which a receipt must come."""

_RECEIPT_TIMEOUT = 4

PrivateKeyOption = Annotated[
    str | None, typer.Option("--private-key", metavar="KEY", help="Private key to sign with here: 32 bytes in hex.")
]


def transaction_fields(
    data: bytes, *, to: str | None = None, value: int = 0, gas_limit: int | None = None
) -> dict[str, object]:
    """The request of a transaction. to: None for a creation."""
    fields: dict[str, object] = {"data": "0x" + data.hex(), "value": hex(value)}
    if to is not None:
        fields["to"] = to
    if gas_limit is not None:
        fields["gas"] = hex(gas_limit)
    return fields


def send(client: Client, fields: dict[str, object], sender: str | None, private_key: str | None) -> dict[str, Any]:
    """The receipt of a transaction, from an account of the node or signed here. Raises NodeError if it failed.

    sender: an address or a name.
    """
    if private_key is None:
        sender = address_of(client, sender)
        return _sent(client, "eth_sendTransactionSync", fields | ({} if sender is None else {"from": sender}))
    return _sent(client, "eth_sendRawTransactionSync", _signed(client, fields, private_key))


def _signed(client: Client, fields: dict[str, object], private_key: str) -> str:
    """A transaction, completed by the node and signed here, as hex."""
    from zevm.chain.types import Transaction
    from zevm.node.commands.account import parse_key
    from zevm.node.wallet import KeyWallet
    from zevm.node.wallet import address_of as address_of_key

    key = parse_key(private_key, "--private-key")
    sender = address_of_key(key)
    filled = client.call("eth_fillTransaction", fields | {"from": "0x" + sender.hex()})
    unsigned = Transaction.decode(bytes.fromhex(filled["raw"][2:]))
    return "0x" + KeyWallet([key]).sign_transaction(sender, unsigned).encoded.hex()


def _sent(client: Client, method: str, transaction: object) -> dict[str, Any]:
    try:
        receipt: dict[str, Any] = client.call(method, transaction, WAIT_MS)
    except CallFailedError as error:
        if error.code == _RECEIPT_TIMEOUT:
            raise NodeError(f"transaction {error.data} waits in the pool, and no block has taken it yet") from None
        raise
    if receipt["status"] != "0x1":
        raise NodeError(f"transaction {receipt['transactionHash']} failed, gas used {int(receipt['gasUsed'], 16):,}")
    return receipt


def tell_receipt(receipt: dict[str, Any], *, as_json: bool) -> None:
    """Print a receipt: the new contract's address, the transaction, the gas; or all of it as JSON."""
    from zevm.node.wallet import checksum_address

    if as_json:
        typer.echo(json.dumps(receipt))
        return
    if receipt["contractAddress"] is not None:
        typer.echo(f"address: {checksum_address(Address(bytes.fromhex(receipt['contractAddress'][2:])))}")
    typer.echo(f"transaction: {receipt['transactionHash']}")
    typer.echo(f"gas: {int(receipt['gasUsed'], 16)}")
