"""What clients leave out of a transaction, and the forms of the rest: the same wherever it is filled."""

from typing import Any

import pytest

from tests.rpc.methods.assembly import BOX, creation
from tests.rpc.methods.memory_node import ALICE, BOB, CAROL, ETHER, KEYS, STRANGER, Node, hexadecimal
from zevm.chain.rules.blobs import cell_sidecar, make_sidecar, versioned_hash
from zevm.chain.types import Transaction

GWEI = 10**9
ALICE_, BOB_, CAROL_, STRANGER_ = map(hexadecimal, (ALICE, BOB, CAROL, STRANGER))
BLOBS = (bytes(131_072), b"\x00" + b"\x01" * 31 + bytes(131_040))
FILLING = ("eth_sendTransaction", "eth_signTransaction", "eth_fillTransaction")
READING = ("eth_call", "eth_estimateGas", "eth_createAccessList", "debug_traceCall", "eth_simulateV1", "eth_callMany")
TRACING = ("trace_call", "trace_callMany", "debug_traceCallMany")


def as_params(method: str, call: dict[str, Any]) -> list[Any]:
    if method == "eth_simulateV1":
        return [{"blockStateCalls": [{"calls": [call]}]}, "latest"]
    if method == "eth_callMany":
        return [[{"transactions": [call]}], {"blockNumber": "latest"}]
    if method == "trace_callMany":
        return [[[call, ["trace"]]], "latest"]
    if method == "debug_traceCallMany":
        return [[{"transactions": [call]}], {"blockNumber": "latest"}]
    more: dict[str, list[Any]] = {"debug_traceCall": ["latest"], "trace_call": [["trace"], "latest"]}
    return [call, *more.get(method, [])]


async def sent(node: Node, **fields: Any) -> dict[str, Any]:
    """A transaction as it was filled and mined."""
    receipt = await node.send(**fields)
    transaction: dict[str, Any] = await node.call("eth_getTransactionByHash", receipt["transactionHash"])
    return transaction | {"status": receipt["status"], "gasUsed": receipt["gasUsed"]}


class TestR5:
    """anvil_reorg fills each replacement from the state that it will meet."""

    async def test_r5_a_replacement_takes_the_nonce_that_the_removed_one_had(self, node: Node) -> None:
        await node.send(to=BOB_, value="0x1")
        await node.call("anvil_reorg", 1, [[{"from": ALICE_, "to": CAROL_, "value": "0x5"}, 0]])
        block = await node.call("eth_getBlockByNumber", "0x1", True)
        assert [(item["nonce"], item["value"]) for item in block["transactions"]] == [("0x0", "0x5")]

    async def test_r5_one_after_another_in_and_over_blocks(self, node: Node) -> None:
        box = None
        for _ in range(2):
            box = (await node.send(data=hexadecimal(creation(BOX))))["contractAddress"]
        call = {"from": ALICE_, "to": BOB_, "value": "0x1"}
        made = {"from": ALICE_, "data": hexadecimal(creation(BOX))}
        first = hexadecimal(node.signed(KEYS[0], nonce=0).encoded)
        # the contract of the second block exists only in the new branch, where its gas is found
        use = {"from": BOB_, "to": box, "data": f"0x{9:064x}"}
        await node.call("anvil_reorg", 2, [[first, 0], [made, 0], [call, 1], [call, 1], [use, 1]])
        blocks = [await node.call("eth_getBlockByNumber", number, True) for number in ("0x1", "0x2")]
        nonces = [[(item["from"], item["nonce"]) for item in block["transactions"]] for block in blocks]
        assert nonces == [
            [(ALICE_, "0x0"), (ALICE_, "0x1")],
            [(ALICE_, "0x2"), (ALICE_, "0x3"), (BOB_, "0x0")],
        ]
        used = await node.call("eth_getTransactionReceipt", blocks[1]["transactions"][2]["hash"])
        assert (used["status"], int(used["gasUsed"], 16) > 21_000) == ("0x1", True)

    async def test_r5_fees_are_those_of_the_new_blocks(self, node: Node) -> None:
        await node.call("anvil_setNextBlockBaseFeePerGas", hex(500 * GWEI))
        await node.send(to=BOB_)
        await node.call("anvil_reorg", 1, [[{"from": ALICE_, "to": BOB_}, 0]])
        block = await node.call("eth_getBlockByNumber", "latest", True)
        base_fee = int(block["baseFeePerGas"], 16)
        assert base_fee < 2 * GWEI
        assert block["transactions"][0]["maxFeePerGas"] == hex(2 * base_fee + GWEI)

    async def test_r5_what_does_not_fit_changes_nothing(self, node: Node) -> None:
        await node.send(to=BOB_)
        before = await node.call("eth_getBlockByNumber", "latest")
        poor = {"from": ALICE_, "to": BOB_, "value": hex(10**6 * ETHER)}
        assert "insufficient funds" in (await node.fails("anvil_reorg", 1, [[poor, 0]])).message
        assert await node.call("eth_getBlockByNumber", "latest") == before


class TestR6:
    """eth_createAccessList is charged nothing that was not asked for."""

    @pytest.mark.parametrize("fields", [{}, {"gas": "0x0"}, {"gasPrice": "0x0"}, {"maxFeePerGas": "0x0"}])
    @pytest.mark.parametrize("sender", [STRANGER_, "0x" + "00" * 20, None, "contract"])
    async def test_r6_nobody_has_to_pay(self, node: Node, fields: dict[str, str], sender: str | None) -> None:
        box = await node.place(BOX)
        call = {"to": box, "data": f"0x{7:064x}"} | fields
        if sender is not None:
            call["from"] = box if sender == "contract" else sender
        listed = await node.call("eth_createAccessList", call)
        assert "error" not in listed
        slots = [] if sender == "contract" else [{"address": box, "storageKeys": [f"0x{0:064x}"]}]
        assert [entry for entry in listed["accessList"] if entry["address"] == box] == slots or sender == "contract"
        assert int(listed["gasUsed"], 16) > 21_000

    async def test_r6_named_fees_are_held_against_the_sender_as_by_eth_call(self, node: Node) -> None:
        call = {"from": STRANGER_, "to": BOB_, "gasPrice": hex(2 * GWEI)}
        for method in ("eth_call", "eth_createAccessList"):
            assert "insufficient funds" in (await node.fails(method, call)).message


@pytest.mark.usefixtures("trusted_setup")
class TestR7:
    """Blob transactions in the forms that clients send."""

    @staticmethod
    def forms() -> dict[str, dict[str, Any]]:
        """Name of the client's form -> its fields."""
        sidecar = make_sidecar(BLOBS)
        cells = cell_sidecar(sidecar)
        hashes = [hexadecimal(versioned_hash(commitment)) for commitment in sidecar.commitments]
        blobs = {"blobs": [hexadecimal(blob) for blob in BLOBS]}
        commitments = {"commitments": [hexadecimal(item) for item in sidecar.commitments]}
        named = {"blobVersionedHashes": hashes}
        by_blob, by_cell = [[hexadecimal(proof) for proof in item.proofs] for item in (sidecar, cells)]
        return {
            "cast": blobs | commitments | {"cellProofs": by_cell} | named | {"type": "0x3"},
            "cast before Osaka": blobs | commitments | {"proofs": by_blob} | named | {"type": "0x3"},
            "geth": blobs | commitments | {"proofs": by_cell},
            "viem": blobs | named | {"type": "0x3", "maxFeePerBlobGas": hex(GWEI)},
            "blobs alone": blobs,
        }

    @pytest.mark.slow
    async def test_r7_every_form_is_sent_signed_filled_estimated_and_called(self, node: Node) -> None:
        contract = await node.place(BLOBHASH_OF_1)
        for name, fields in self.forms().items():
            request = {"from": ALICE_, "to": contract} | fields
            want = self.forms()["geth"]
            returned = await node.call("eth_call", request)
            assert returned == self.forms()["viem"]["blobVersionedHashes"][1], name
            assert int(await node.call("eth_estimateGas", request), 16) > 21_000, name
            filled = await node.call("eth_fillTransaction", request)
            signed = await node.call("eth_signTransaction", request)
            for raw in (filled["raw"], signed):
                sidecar = Transaction.decode(bytes.fromhex(raw[2:])).sidecar
                assert sidecar is not None, name
                assert [hexadecimal(blob) for blob in sidecar.blobs] == want["blobs"], name
            transaction = await sent(node, **(request | {"from": BOB_}))
            assert (transaction["type"], transaction["status"]) == ("0x3", "0x1"), name
            mined = await node.call("eth_sendRawTransaction", signed)
            assert (await node.call("eth_getTransactionReceipt", mined))["status"] == "0x1", name

    @pytest.mark.lengthy
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"cellProofs": None}, "blob commitments provided while proofs were not"),
            ({"commitments": None}, "blob proofs provided while commitments were not"),
            ({"cellProofs": []}, "number of blobs and proofs mismatch (have=0, want=256)"),
            ({"commitments": ["0x" + "00" * 48]}, "number of blobs and commitments mismatch (have=1, want=2)"),
            ({"blobVersionedHashes": ["0x01" + "00" * 31]}, "number of blobs and hashes mismatch (have=1, want=2)"),
            ({"blobVersionedHashes": ["0x01" + "00" * 31] * 2}, "blob hash verification failed (have=0x0100"),
            ({"blobs": ["0x" + "00" * 131_072] * 7}, "too many blobs in transaction (have=7, max=6)"),
            ({"blobs": []}, "need at least 1 blob for a blob transaction"),
        ],
    )
    async def test_r7_what_does_not_fit_together(self, node: Node, change: dict[str, Any], message: str) -> None:
        request = {"from": ALICE_, "to": BOB_} | self.forms()["cast"] | change
        for method in FILLING:
            assert (await node.fails(method, request)).message.startswith(message)

    @pytest.mark.lengthy
    async def test_r7_a_false_proof_is_refused_when_it_is_sent(self, node: Node) -> None:
        request = {"from": ALICE_, "to": BOB_} | self.forms()["cast"]
        request["cellProofs"] = request["cellProofs"][::-1]
        assert (await node.fails("eth_sendTransaction", request)).message == "KZG verification error: invalid proof"


BLOBHASH_OF_1 = bytes.fromhex("60014960005260206000f3")
"""BLOBHASH(1), returned."""


class TestR11:
    """A list that is there and empty is no absent one."""

    @pytest.mark.parametrize("method", [*READING, *TRACING])
    async def test_r11_messages(self, node: Node, method: str) -> None:
        for field, message in (
            ("blobVersionedHashes", "blob transaction missing blob hashes"),
            ("authorizationList", "EIP-7702 transaction with empty auth list (sender 0x"),
        ):
            answer = await node.ask(method, *as_params(method, {"from": ALICE_, "to": BOB_, field: []}))
            told = answer["error"]["message"] if "error" in answer else str(answer["result"])
            assert message in told, (method, field)

    @pytest.mark.parametrize("method", FILLING)
    async def test_r11_transactions(self, node: Node, method: str) -> None:
        for field, message in (
            ("blobVersionedHashes", "need at least 1 blob for a blob transaction"),
            ("blobs", "need at least 1 blob for a blob transaction"),
            ("authorizationList", "EIP-7702 transaction with empty auth list"),
        ):
            for more in ({}, {"type": "0x3"}, {"gas": hex(100_000)}):
                error = await node.fails(method, {"from": ALICE_, "to": BOB_, field: []} | more)
                assert (error.code, error.message) == (-32000, message)
            missing = await node.fails(method, {"from": ALICE_, "data": "0x00", field: []})
            assert missing.code == -32000

    async def test_r11_an_empty_access_list_is_one(self, node: Node) -> None:
        assert (await sent(node, to=BOB_, accessList=[], gasPrice=hex(5 * GWEI)))["type"] == "0x1"


class TestR12:
    """The type may be a number; what it says is the fields' to say."""

    @pytest.mark.parametrize("kind", [0, 1, 2, "0x2", "2", 99, "0x63", 1.5, [], {}, True, "dynamic"])
    async def test_r12_a_numeric_type_is_taken_and_no_type_is_refused(self, node: Node, kind: object) -> None:
        want = {0: "0x0", 1: "0x1"}.get(kind, "0x2") if type(kind) is int else "0x2"
        assert (await sent(node, to=BOB_, type=kind))["type"] == want
        for method in (*FILLING[1:], *READING):
            assert "error" not in await node.ask(method, *as_params(method, {"from": ALICE_, "to": BOB_, "type": kind}))


class TestR13:
    """eth_signTransaction answers the bytes, or geth's object where the node was told so."""

    async def test_r13_the_bytes_or_the_object(self, node: Node) -> None:
        request = {"from": ALICE_, "to": BOB_, "value": "0x5"}
        raw = await node.call("eth_signTransaction", request)
        assert Transaction.decode(bytes.fromhex(raw[2:])).sender == ALICE
        node.services.signs_as_geth = True
        answer = await node.call("eth_signTransaction", request)
        assert set(answer) == {"raw", "tx"}
        assert answer["raw"] == raw
        assert (answer["tx"]["from"], answer["tx"]["value"], answer["tx"]["blockHash"]) == (ALICE_, "0x5", None)
        assert {"r", "s", "v"} <= set(answer["tx"])


class TestR18:
    """Fees are filled first, and the gas is estimated with them."""

    @pytest.mark.parametrize(
        "fees",
        [
            {"maxPriorityFeePerGas": hex(3 * GWEI)},
            {"maxFeePerGas": hex(30 * GWEI)},
            {},
            {"gasPrice": hex(7 * GWEI)},
            {"type": "0x0"},
        ],
    )
    async def test_r18_any_fee_alone_is_enough(self, node: Node, fees: dict[str, str]) -> None:
        box = await node.place(BOX)
        for fields in ({"to": box, "data": f"0x{5:064x}"}, {"data": hexadecimal(creation(BOX))}):
            for method in FILLING[1:]:
                await node.call(method, {"from": ALICE_} | fields | fees)
            transaction = await sent(node, **fields, **fees)
            assert transaction["status"] == "0x1"
            for name, value in fees.items():
                assert transaction[name] == value

    async def test_r18_the_estimate_sees_the_price_that_will_be_paid(self, node: Node) -> None:
        """A contract that stores its gas price costs more than one that stores nothing."""
        stores = await node.place(bytes.fromhex("3a600055"))  # SSTORE(0, GASPRICE)
        assert (await sent(node, to=stores))["status"] == "0x1"

    async def test_r18_a_replacement_in_a_reorganisation(self, node: Node) -> None:
        box = await node.place(BOX)
        await node.send(to=BOB_)
        request = {"from": ALICE_, "to": box, "data": f"0x{5:064x}", "maxPriorityFeePerGas": hex(3 * GWEI)}
        await node.call("anvil_reorg", 1, [[request, 0]])
        assert (await node.call("eth_getBlockByNumber", "latest"))["transactions"] != []


class TestR21:
    """Without automine a fee cap under the next base fee waits, whatever else waits and whether the gas was given."""

    @pytest.mark.parametrize("filled_pool", [False, True])
    @pytest.mark.parametrize("fields", [{}, {"gas": hex(50_000)}, {"data": "0x00"}, {"accessList": []}])
    @pytest.mark.parametrize(
        "fees",
        [{"maxFeePerGas": "0x2", "maxPriorityFeePerGas": "0x1"}, {"maxFeePerGas": "0x2"}, {"gasPrice": "0x2"}],
    )
    async def test_r21_it_waits(
        self, node: Node, filled_pool: bool, fields: dict[str, Any], fees: dict[str, str]
    ) -> None:
        await node.call("evm_setAutomine", False)
        if filled_pool:
            await node.call("eth_sendTransaction", {"from": BOB_, "to": CAROL_})
        waiting = await node.call("eth_sendTransaction", {"from": ALICE_, "to": BOB_} | fields | fees)
        await node.call("evm_mine")
        assert await node.call("eth_getTransactionReceipt", waiting) is None
        await node.call("anvil_setNextBlockBaseFeePerGas", "0x1")
        await node.call("evm_mine")
        assert (await node.call("eth_getTransactionReceipt", waiting))["status"] == "0x1"

    @pytest.mark.parametrize("fields", [{}, {"gas": hex(50_000)}, {"data": "0x00"}])
    async def test_r21_under_automine_it_is_refused_and_gone(self, node: Node, fields: dict[str, Any]) -> None:
        request = {"from": ALICE_, "to": BOB_, "maxFeePerGas": "0x2"} | fields
        error = await node.fails("eth_sendTransaction", request)
        assert error.message.startswith("max fee per gas less than block base fee")
        assert (await node.call("txpool_status"))["pending"] == "0x0"
