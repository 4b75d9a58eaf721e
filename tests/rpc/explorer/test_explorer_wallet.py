"""Wallets and pasted ABIs in Chromium, beside the explorer's strict policy."""

import json
from pathlib import Path

import pytest

from tests.rpc.explorer.chromium import CHROMIUM, REASON, Browser, browser
from tests.rpc.explorer.explored import ECHO, HOSTILE, LOGGER, Explored, explored
from tests.rpc.methods.memory_node import ALICE
from zevm.rpc.codec.results import hexadecimal
from zevm.storage.keccak import keccak256

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason=REASON), pytest.mark.timeout(300)]

WALLET = """(() => {
  let chain = '0x1';
  const known = new Set([chain]);
  window.asked = [];
  const node = async (method, params) => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
    const answer = await fetch('/', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    const { result, error } = await answer.json();
    if (error) throw error;
    return result;
  };
  const answers = {
    eth_chainId: () => chain,
    eth_requestAccounts: async () => (await node('eth_accounts', [])).slice(0, 1),
    wallet_addEthereumChain: ({ chainId }) => { known.add(chainId); return null; },
    wallet_switchEthereumChain: ({ chainId }) => {
      if (!known.has(chainId)) throw { code: 4902, message: 'unknown chain' };
      chain = chainId;
      return null;
    },
    eth_sendTransaction: (fields) => node('eth_sendTransaction', [fields]),
  };
  const request = async ({ method, params = [] }) => {
    window.asked.push([method, ...params]);
    return answers[method](...params);
  };
  const info = (name) => ({ uuid: name, name, icon: 'data:,', rdns: 'example.wallet' });
  const announce = (name) => dispatchEvent(new CustomEvent('eip6963:announceProvider',
    { detail: Object.freeze({ info: info(name), provider: { request } }) }));
  const announceAll = () => (window.names ?? ['One']).forEach(announce);
  addEventListener('eip6963:requestProvider', announceAll);
})()"""
"""A wallet that begins on another chain, and knows no other."""
OF_1193 = WALLET.replace("addEventListener('eip6963:requestProvider', announceAll)", "window.ethereum = { request }")

UINT = {"name": "amount", "type": "uint256"}
PAIR = {"name": "pair", "type": "tuple[]", "components": [UINT, {"name": "who", "type": "address"}]}
ABI = [
    {
        "type": "function",
        "name": "echo",
        "inputs": [UINT],
        "outputs": [UINT | {"name": "same"}],
        "stateMutability": "view",
    },
    {"type": "function", "name": "old", "inputs": [], "outputs": [], "constant": True},
    {"type": "function", "name": "pay", "inputs": [UINT, PAIR], "outputs": [], "stateMutability": "payable"},
    {"type": "event", "name": "Paid", "inputs": []},
]
PAY = "pay(uint256,(uint256,address)[])"
SENT = "[...document.querySelectorAll('[role=status] a[href^=\"/tx/\"]')].map((link) => link.textContent)"


def _url(chain: Explored) -> str:
    return f"http://localhost:{chain.node.server.addresses[0][1]}"


async def test_a_wallet_gets_the_chain_and_sends(tmp_path: Path) -> None:
    async with explored() as chain, browser(tmp_path) as tab:
        await tab.begin_with(WALLET)
        await tab.goto(_url(chain) + "/")
        await tab.value("window.names = ['One', 'Other <b>'], document.querySelector('[data-network]').click()")
        await tab.until("document.querySelectorAll('.choice button').length === 2")
        assert await tab.value("document.activeElement.textContent") == "One"
        await tab.value("document.querySelector('.choice button:last-child').click()")
        await tab.until("document.body.textContent.includes('The wallet has the chain.')")
        ((method, network),) = await tab.value("window.asked")
        assert method == "wallet_addEthereumChain"
        assert (network["chainId"], network["rpcUrls"]) == ("0x7a69", [_url(chain)])
        await _pasted(chain, tab)
        assert tab.complaints == [], "its own policy stops nothing, and no script fails"


async def _pasted(chain: Explored, tab: Browser) -> None:
    address = await chain.node.place(ECHO)
    page = f"{_url(chain)}/address/{address}/read"
    await tab.goto(page)
    await tab.until("!document.getElementById('abi').hidden")
    for wrong, told in (("{", "Not an ABI"), ("{}", "no member abi"), (_abi(name="<b>"), "is no name"),
                        (_abi(inputs=[{"type": "x"}]), "is no type"), ("[]", "no functions")):  # fmt: skip
        await _paste(tab, wrong)
        await tab.until(f"document.querySelector('#abi [role=status]').textContent.includes('{told}')")
    await _paste(tab, json.dumps({"abi": ABI}))
    await tab.goto(page)
    await tab.until("document.querySelectorAll('#abi-forms form').length === 3")
    assert await tab.value("[...document.querySelectorAll('#abi-forms h3')].map((each) => each.textContent)") == [
        "Functions that only read", "Functions that write",
    ]  # fmt: skip
    await tab.value(_fill("abi-r0", "42"))
    await tab.until("document.querySelector('#abi-forms dd')?.textContent === '42'")
    assert await tab.value("document.querySelector('#abi-forms dt').textContent") == "same"
    await tab.value(_fill("abi-w0", "7", "[(1, 0x" + "11" * 20 + ")]", "0.25"))
    await tab.until("document.querySelector('#abi-forms [data-send]:not([hidden])')")
    await tab.value("document.querySelector('#abi-forms [data-send]').click()")
    await tab.until(f"{SENT}.length")
    asked = [method for method, *_ in await tab.value("window.asked")]
    assert asked == [
        "eth_requestAccounts", "eth_chainId", "wallet_switchEthereumChain", "wallet_addEthereumChain", "eth_chainId",
        "wallet_switchEthereumChain", "eth_chainId", "eth_sendTransaction",
    ]  # fmt: skip
    (sent,) = await tab.value(SENT)
    transaction = await chain.node.call("eth_getTransactionByHash", sent)
    assert transaction["input"].startswith(hexadecimal(keccak256(PAY.encode())[:4]))
    assert (transaction["to"], int(transaction["value"], 16)) == (address, 25 * 10**16)
    await tab.follow("document.querySelector('#abi-forms form[method=post]').requestSubmit()")
    assert await tab.value("document.querySelector('main a[href^=\"/tx/\"]').textContent.length") == 66, "by the node"
    head = await chain.node.call("eth_getBlockByNumber", "latest", True)
    assert (head["transactions"][0]["from"], head["transactions"][0]["to"]) == (hexadecimal(ALICE), address)


async def test_a_wallet_without_announcements_and_none(tmp_path: Path) -> None:
    async with explored() as chain, browser(tmp_path) as tab:
        address = await chain.node.place(LOGGER)
        page = f"{_url(chain)}/address/{address}/read?s=name(string)&v={HOSTILE.count('<')}&do=write"
        await tab.goto(page)
        await tab.until("document.querySelector('[data-send]:not([hidden])')")
        await tab.value("document.querySelector('[data-send]').click()")
        await tab.until("document.body.textContent.includes('No wallet is in this browser')")
        await tab.begin_with(OF_1193)
        await tab.goto(page)
        await tab.until("document.querySelector('[data-send]:not([hidden])')")
        await tab.value("document.querySelector('[data-send]').click()")
        await tab.until(f"{SENT}.length")
        (sent,) = await tab.value(SENT)
        assert len((await chain.node.call("eth_getTransactionReceipt", sent))["logs"]) == 1
        assert tab.complaints == []


def _abi(**members: object) -> str:
    return json.dumps([{"type": "function", "name": "f", "inputs": [], "outputs": []} | members])


async def _paste(tab: Browser, text: str) -> None:
    field = "document.getElementById('abi-text')"
    await tab.value(f"{field}.value = {json.dumps(text)}, {field}.form.requestSubmit()")


def _fill(form: str, *values: str) -> str:
    """Fill the fields of a form that the page has made, and submit it."""
    place = f"document.getElementById({json.dumps(form + '-0')}).form"
    given = (
        f"{json.dumps(values)}.forEach((value, index) => {{ {place}.querySelectorAll('input')[index].value = value; }})"
    )
    return f"{given}, {place}.requestSubmit()"
