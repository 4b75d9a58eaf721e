"""The page of a contract's functions: calls, and transactions that it prepares for the panel and for wallets."""

import re
from collections.abc import AsyncIterator
from html import unescape

import pytest
from httpx import Response

from tests.rpc.explorer.explored import ECHO, HOSTILE, HTML, Explored, Reader, explored, fill
from zevm.analysis.printable import printable
from zevm.rpc.explorer.panel_actions import CALL_DATA_BYTES
from zevm.rpc.server import ServerOptions
from zevm.storage.keccak import keccak256

SHOWN = printable(HOSTILE)
PAY = keccak256(b"pay(uint256)")[:4] + bytes(31) + b"\x07"


@pytest.fixture
async def chain() -> AsyncIterator[Explored]:
    async with explored() as running:
        await fill(running)
        yield running


async def test_functions_are_called_by_their_abi(chain: Explored) -> None:
    path = f"/address/{chain.places['echo']}/read"
    page = await chain.page(path)
    assert "echo" in page.text
    assert "fixed" in page.text
    assert page.text.index("fixed") < page.text.index("Functions that write") < page.text.index("change")
    assert f"{SHOWN} uint256" in page.text
    called = await chain.page(path, query={"f": "echo(uint256)", "v0": "0x2a", "page": "0"})
    assert "42" in called.text
    wrong = await chain.page(path, query={"f": "echo(uint256)", "v0": HOSTILE})
    assert "not a uint256" in wrong.text
    empty = await chain.page(path, query={"f": "fixed()"})
    assert f"0x{0:064x}" in empty.text, "the ABI says that it returns nothing; it does"
    assert "not a uint256" in (await chain.page(path, query={"f": "echo(uint256)"})).text


async def test_any_function_is_called_by_its_signature(chain: Explored) -> None:
    path = f"/address/{chain.places['echo']}/read"
    for signature, values, shown in (
        ("echo(uint256)(uint256)", "7", "7"),
        ("echo(bytes4)(bytes4)", "0x12345678", "0x12345678"),
        ("echo(uint256)", "7", f"0x{7:064x}"),
        ("echo(bool)(string)", "true", f"0x{1:064x}"),
        ("echo(uint256)(uint256)", "7, 8", "2 arguments for 1 parameter"),
        ("nonsense", "", "not a signature"),
        (HOSTILE, HOSTILE, "not a signature"),
    ):
        page = await chain.page(path, query={"s": signature, "v": values})
        assert shown in page.text, signature
        assert not page.unlabelled
    reverting = await chain.page(f"/address/{chain.places['reverter']}/read", query={"s": "f()(uint256)", "v": ""})
    assert "execution reverted" in reverting.text
    each = await chain.page(path, query={"s": "echo(uint256)(uint256)", "v0": "7"})
    assert "7" in each.text
    account = await chain.page(f"/address/{chain.places['bob']}/read", query={"s": "f()(uint256)"})
    assert "No data" in account.text


async def test_a_function_that_writes_is_prepared_and_sent_by_the_node(chain: Explored) -> None:
    address = await chain.node.place(ECHO)
    query = {"s": "pay(uint256)", "v0": "7", "value": "1.5", "do": "write"}
    answer = await chain.client.get(f"/address/{address}/read", params=query, headers=HTML)
    assert not Reader(answer.text).unlabelled
    assert answer.headers["referrer-policy"] == "same-origin", "else browsers send the form's Origin as null"
    wallet = re.search(r'data-send="(0x\w+)" data-to="(0x\w+)" data-wei="(0x\w+)" data-chain="0x7a69"', answer.text)
    assert wallet is not None
    assert wallet[1] == f"0x{PAY.hex()}"
    assert (wallet[2].lower(), int(wallet[3], 16)) == (address, 15 * 10**17)
    sent = await _send(chain, answer)
    page = Reader(sent.text)
    (link,) = {link for link in page.links if link.startswith("/tx/")}
    transaction = await chain.node.call("eth_getTransactionByHash", link.removeprefix("/tx/"))
    assert transaction["input"] == f"0x{PAY.hex()}"
    assert (transaction["to"], int(transaction["value"], 16)) == (address, 15 * 10**17)
    assert int(await chain.node.call("eth_getBalance", address, "latest"), 16) == 15 * 10**17


async def test_a_function_of_the_abi_is_prepared_too(chain: Explored) -> None:
    path = f"/address/{chain.places['echo']}/read"
    page = await chain.page(path, query={"f": "change()", "writes": "0"})
    assert f"0x{keccak256(b'change()')[:4].hex()}" in page.text
    assert await chain.node.call("eth_blockNumber") == hex(chain.node.chain.head.number)
    assert "not sent yet" not in (await chain.page(path)).text


async def test_what_cannot_be_prepared_is_told(chain: Explored) -> None:
    path = f"/address/{chain.places['echo']}/read"
    many = f"[{','.join(['1'] * (CALL_DATA_BYTES // 32))}]"
    for query, told in (
        ({"s": "pay(uint256)", "v0": HOSTILE}, "not a uint256"),
        ({"s": "pay(uint256)", "v0": "7", "value": "1e3"}, "no amount of ether"),
        ({"s": "pay(uint256)", "v0": "7", "value": "-1"}, "no amount of ether"),
        ({"s": "pay(uint256[])", "v0": many}, f"a page takes {CALL_DATA_BYTES:,} at most"),
        ({"s": HOSTILE}, "not a signature"),
    ):
        page = await chain.page(path, query=query | {"do": "write"})
        assert told in page.text, query
        assert "not sent yet" not in page.text


async def test_others_see_no_form_of_the_node() -> None:
    """Of the two ways to send, the wallet's is theirs alone."""
    async with explored(ServerOptions(port=0, explorer=True)) as chain:
        query = {"s": "pay(uint256)", "v0": "7", "do": "write"}
        path = f"/address/0x{'11' * 20}/read"
        for host, count in (("localhost", 1), ("192.0.2.1", 0)):
            answer = await chain.client.get(path, params=query, headers=HTML | {"Host": host})
            assert answer.text.count('action="/panel"') == count
            assert answer.text.count("<datalist") == count
            assert "data-send" in answer.text
        assert answer.headers["referrer-policy"] == "no-referrer"


async def test_functions_of_unknown_code_are_recovered(chain: Explored) -> None:
    """triple(uint256) multiplies, keep(uint256) stores: a dispatcher as compilers write it."""
    triple, keep = (keccak256(name)[:4] for name in (b"triple(uint256)", b"keep(uint256)"))
    code = (
        bytes.fromhex("5f3560e01c8063")
        + triple
        + bytes.fromhex("14601c578063")
        + keep
        + bytes.fromhex("146034575f5ffd")
    )
    code += bytes.fromhex("5b348015602657" + "5f5ffd5b50" + "600435600302" + "5f5260205ff3")
    code += bytes.fromhex("5b348015603e57" + "5f5ffd5b50" + "60043560005500")
    address = await chain.node.place(code)
    path = f"/address/{address}/read"
    page = await chain.page(path)
    assert "ABI is not known" in page.text
    assert f"0x{triple.hex()}" not in page.text
    found = await chain.page(path, query={"recover": "1"})
    assert f"0x{triple.hex()}" in found.text
    assert "Recovered from the code" in found.text
    called = await chain.page(path, query={"recover": "1", "f": f"0x{triple.hex()}(uint256)", "v0": "14"})
    assert f"0x{42:064x}" in called.text
    assert not called.unlabelled
    written = await chain.page(path, query={"recover": "1", "f": f"0x{keep.hex()}(uint256)", "v0": "14"})
    assert f"0x{keep.hex()}{14:064x}" in written.text
    assert "not sent yet" in written.text


async def test_what_cannot_be_recovered(chain: Explored) -> None:
    for place in ("bob", "echo", "module"):
        page = await chain.page(f"/address/{chain.places[place]}/read", query={"recover": "1"})
        assert "ecovered" not in page.text
    async with explored(explorer_trace_seconds=0.0) as late:
        address = await late.node.place(ECHO)
        assert "No functions were recovered" in (await late.page(f"/address/{address}/read?recover=1")).text


async def _send(chain: Explored, answer: Response) -> Response:
    """Send the one form of a page that changes the chain, as a browser does."""
    (form,) = re.findall(r'<form [^>]*method="post" action="/panel">(.*?)</form>', answer.text, flags=re.DOTALL)
    fields = dict(re.findall(r'name="(\w+)"(?: list="\w+")? value="([^"]*)"', form))
    assert set(fields) == {"token", "action", "to", "value", "data", "from"}
    origin = str(chain.client.base_url).rstrip("/")
    values = {name: unescape(value) for name, value in fields.items()}
    sent = await chain.client.post("/panel", data=values, headers=HTML | {"Origin": origin})
    assert sent.status_code == 200
    return sent
