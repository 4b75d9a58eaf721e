"""A whole node in memory: chain, wallet, services and server; calls go through its dispatcher."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from coincurve import PrivateKey

import zevm.rpc.methods
from zevm.chain.blockchain import Chain
from zevm.chain.options import ChainOptions
from zevm.chain.rules.genesis import Genesis
from zevm.chain.types import Transaction, TransactionType
from zevm.contracts.revert_reasons import Decoder
from zevm.rpc.limits import Limits
from zevm.rpc.methods.support.instance import load_instance_id
from zevm.rpc.server import Server, ServerOptions
from zevm.rpc.services import Services
from zevm.rpc.transport.engine_port import EnginePortOptions
from zevm.rpc.wallet import UnknownAccountError
from zevm.storage.database import Database
from zevm.storage.keccak import keccak256

zevm.rpc.methods.load()

KEYS = [PrivateKey(keccak256(b"zevm test key %d" % index)) for index in range(3)]


def address_of(key: PrivateKey) -> bytes:
    return keccak256(key.public_key.format(compressed=False)[1:])[12:]


ALICE, BOB, CAROL = map(address_of, KEYS)
STRANGER = bytes.fromhex("d0" * 20)
ETHER = 10**18


def hexadecimal(value: bytes) -> str:
    return "0x" + value.hex()


class TestWallet:
    """Keys in memory (zevm.rpc.wallet.Wallet)."""

    __test__ = False

    def __init__(self) -> None:
        self.keys = {address_of(key): key for key in KEYS[:2]}

    def addresses(self) -> list[bytes]:
        return list(self.keys)

    def sign_transaction(self, address: bytes, transaction: Transaction) -> Transaction:
        signature = self._sign(address, transaction.signing_hash)
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
        return transaction.with_signature(signature[64], r, s)

    def sign_message(self, address: bytes, data: bytes) -> bytes:
        signature = self._sign(address, keccak256(b"\x19Ethereum Signed Message:\n%d" % len(data) + data))
        return signature[:64] + bytes((27 + signature[64],))

    def sign_typed_data(self, address: bytes, domain_separator: bytes, struct_hash: bytes) -> bytes:
        signature = self._sign(address, keccak256(b"\x19\x01" + domain_separator + struct_hash))
        return signature[:64] + bytes((27 + signature[64],))

    def _sign(self, address: bytes, digest: bytes) -> bytes:
        key = self.keys.get(address)
        if key is None:
            raise UnknownAccountError(address)
        return key.sign_recoverable(digest, hasher=None)


class CallError(Exception):
    """An error answer."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['code']}: {error['message']}")
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.data: Any = error.get("data")


@dataclass
class Node:
    """A running node and a client of it."""

    chain: Chain
    services: Services
    server: Server

    async def ask(self, name: str, *params: Any) -> dict[str, Any]:
        """The answer to a call."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": name, "params": params}).encode()
        reply = await self.server.dispatcher.answer(body)
        assert reply is not None
        answer: dict[str, Any] = orjson.loads(reply)
        return answer

    async def call(self, name: str, *params: Any) -> Any:
        """The result of a call; raises CallError for an error answer."""
        answer = await self.ask(name, *params)
        if "error" in answer:
            raise CallError(answer["error"])
        return answer["result"]

    async def fails(self, name: str, *params: Any) -> CallError:
        """The error of a call that must fail."""
        with pytest.raises(CallError) as caught:
            await self.call(name, *params)
        assert caught.value.code != -32603, caught.value.message
        return caught.value

    async def send(self, **fields: Any) -> dict[str, Any]:
        """Send a transaction of the first account; its receipt."""
        transaction_hash = await self.call("eth_sendTransaction", {"from": hexadecimal(ALICE)} | fields)
        receipt: dict[str, Any] = await self.call("eth_getTransactionReceipt", transaction_hash)
        return receipt

    async def place(self, code: bytes, address: bytes = b"\xc0" * 20) -> str:
        """Put code at an address without a transaction."""
        await self.call("anvil_setCode", hexadecimal(address), hexadecimal(code))
        return hexadecimal(address)

    def signed(self, key: PrivateKey, **fields: Any) -> Transaction:
        """A signed transfer of nothing to BOB, with `fields` changed."""
        chain_id = fields.pop("chain_id", self.chain.chain_id)
        return signed_transfer(chain_id, key, **fields)


def signed_transfer(chain_id: int, key: PrivateKey, /, **fields: Any) -> Transaction:
    """A signed transfer of nothing to BOB, with `fields` changed."""
    defaults = {
        "type": TransactionType.DYNAMIC_FEE,
        "chain_id": chain_id,
        "max_fee_per_gas": 10**10,
        "max_priority_fee_per_gas": 10**9,
        "gas_limit": 21_000,
        "to": BOB,
    }
    transaction = Transaction(**(defaults | fields))
    signature = key.sign_recoverable(transaction.signing_hash, hasher=None)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    return transaction.with_signature(signature[64], r, s)


async def start_node(
    genesis: Genesis | None = None,
    options: ChainOptions | None = None,
    limits: Limits | None = None,
    engine: EnginePortOptions | None = None,
    server: ServerOptions | None = None,
    folder: Path | None = None,
) -> Node:
    """folder: of a chain on disk; None for one in memory."""
    database = Database.open(folder)
    genesis = genesis or Genesis.default(accounts=[ALICE, BOB, CAROL], timestamp=1_700_000_000)
    chain = Chain(database, genesis, options)
    services = Services(
        chain=chain,
        wallet=TestWallet(),
        limits=limits or Limits(),
        client_version="zevm/test",
        instance_id=load_instance_id(database),
        decoder=Decoder(),
    )
    running = Server(services, server or ServerOptions(port=0, engine=engine))
    await running.start()
    chain.start()
    return Node(chain, services, running)


async def stop_node(node: Node) -> None:
    await node.server.stop()
    node.chain.close()
    node.chain.database.close()
