// ethers 6 against a running node. Environment: ETH_RPC_URL, ZEVM_WS_URL, EXAMPLES (the built example project).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test, before, after } from "node:test";
import { ethers } from "ethers";

const KEY = "0x92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e";
const { ETH_RPC_URL, ZEVM_WS_URL, EXAMPLES } = process.env;
const CHAIN_ID = 31337n;

const artifact = (file, name) => JSON.parse(readFileSync(`${EXAMPLES}/out/${file}/${name}.json`, "utf8"));

let provider, wallet, signer, counter;

async function deploy(runner, file, name, ...parameters) {
  const { abi, bytecode } = artifact(file, name);
  const contract = await new ethers.ContractFactory(abi, bytecode.object, runner).deploy(...parameters);
  return contract.waitForDeployment();
}

before(async () => {
  // Without its cache of 250 ms, which would give a fast node's next transaction a nonce already used.
  provider = new ethers.JsonRpcProvider(ETH_RPC_URL, undefined, { cacheTimeout: -1 });
  provider.pollingInterval = 50;
  wallet = new ethers.Wallet(KEY, provider);
  signer = await provider.getSigner(7);
  counter = await deploy(wallet, "Counter.sol", "Counter", 7n);
});

after(() => provider.destroy());

test("network and accounts", async () => {
  assert.equal((await provider.getNetwork()).chainId, CHAIN_ID);
  assert.equal((await provider.listAccounts()).length >= 10, true);
  assert.equal(await provider.getBalance(await wallet.getAddress(), 0), ethers.parseEther("10000"));
});

test("requests made together travel in one batch", async () => {
  const [number, balance, code, block] = await Promise.all([
    provider.getBlockNumber(),
    provider.getBalance(counter),
    provider.getCode(counter),
    provider.getBlock("latest"),
  ]);
  assert.equal(block.number, number);
  assert.equal(balance, 0n);
  assert.ok(code.length > 1_000);
});

test("a wallet sends and reads back", async () => {
  const receipt = await (await counter.setNumber(8n)).wait();
  assert.equal(receipt.status, 1);
  const event = counter.interface.parseLog(receipt.logs[0]);
  assert.deepEqual([...event.args], [await wallet.getAddress(), 7n, 8n]);
  assert.equal(await counter.number(), 8n);
  assert.equal(await counter.number({ blockTag: receipt.blockNumber - 1 }), 7n);
});

test("the node signs for its own accounts", async () => {
  const receipt = await (await counter.connect(signer).increment()).wait();
  assert.equal(receipt.from, await signer.getAddress());
  const message = "read me";
  assert.equal(ethers.verifyMessage(message, await signer.signMessage(message)), await signer.getAddress());
});

test("an EIP-2612 permit signed by the node is accepted by the token", async () => {
  const token = await deploy(wallet, "Token.sol", "Token", 1_000n);
  await (await token.transfer(signer, 100n)).wait();
  const spender = await wallet.getAddress();
  const permit = { owner: await signer.getAddress(), spender, value: 40n, nonce: 0n, deadline: 2n ** 40n };
  const domain = { name: "Example Token", version: "1", chainId: CHAIN_ID, verifyingContract: await token.getAddress() };
  const types = {
    Permit: [
      { name: "owner", type: "address" },
      { name: "spender", type: "address" },
      { name: "value", type: "uint256" },
      { name: "nonce", type: "uint256" },
      { name: "deadline", type: "uint256" },
    ],
  };
  const { v, r, s } = ethers.Signature.from(await signer.signTypedData(domain, types, permit));
  await (await token.permit(permit.owner, spender, permit.value, permit.deadline, v, r, s)).wait();
  assert.equal(await token.allowance(permit.owner, spender), 40n);
  await (await token.transferFrom(permit.owner, spender, 40n)).wait();
  assert.equal(await token.balanceOf(permit.owner), 60n);
});

test("a proxy keeps its storage through an upgrade", async () => {
  const owner = await wallet.getAddress();
  const logic = await deploy(wallet, "Box.sol", "Box");
  const start = logic.interface.encodeFunctionData("initialize", [owner, 21n]);
  const proxy = await deploy(wallet, "Box.sol", "BoxProxy", await logic.getAddress(), start);
  const box = new ethers.Contract(await proxy.getAddress(), artifact("Box.sol", "BoxV2").abi, wallet);
  assert.equal(await box.version(), "1");
  await (await box.upgradeToAndCall(await deploy(wallet, "Box.sol", "BoxV2"), "0x")).wait();
  await (await box.double()).wait();
  assert.deepEqual([await box.version(), await box.value()], ["2", 42n]);
  const slot = ethers.toBeHex(BigInt(ethers.id("eip1967.proxy.implementation")) - 1n, 32);
  assert.notEqual(ethers.dataSlice(await provider.getStorage(box, slot), 12), ethers.ZeroAddress);
});

test("a Vyper contract", async () => {
  const savings = await deploy(wallet, "Savings.vy", "Savings", 10n);
  await (await savings.deposit({ value: 25n })).wait();
  await (await savings.withdraw(5n)).wait();
  assert.equal(await savings.savings(await wallet.getAddress()), 20n);
  await assert.rejects(savings.deposit({ value: 9n }), { code: "CALL_EXCEPTION", reason: "below minimum" });
});

test("failures are decoded", async () => {
  await assert.rejects(counter.refuse(), { code: "CALL_EXCEPTION", reason: "Counter: refused" });
  await assert.rejects(counter.divide(1n, 0n), (error) => {
    assert.equal(error.code, "CALL_EXCEPTION");
    assert.equal(error.revert.name, "Panic");
    assert.equal(Number(error.revert.args[0]), 0x12);
    return true;
  });
  const tooLarge = (error) => {
    assert.equal(error.code, "CALL_EXCEPTION");
    assert.equal(counter.interface.parseError(error.data).name, "NumberTooLarge");
    return true;
  };
  await assert.rejects(counter.setNumber.staticCall(1_000_001n), tooLarge);
  await assert.rejects(counter.setNumber.estimateGas(1_000_001n), tooLarge);
  const mined = await counter.connect(signer).setNumber(1_000_001n, { gasLimit: 200_000n });
  await assert.rejects(mined.wait(), (error) => error.code === "CALL_EXCEPTION" && error.receipt.status === 0);
});

test("refused transactions have their codes", async () => {
  const poor = ethers.Wallet.createRandom(provider);
  await assert.rejects(poor.sendTransaction({ to: ethers.ZeroAddress, value: 1n }), { code: "INSUFFICIENT_FUNDS" });
  const used = await wallet.populateTransaction({ to: ethers.ZeroAddress, nonce: 0, gasLimit: 21_000n });
  const stale = await wallet.signTransaction(used);
  await assert.rejects(provider.broadcastTransaction(stale), { code: "NONCE_EXPIRED" });
  await assert.rejects(provider.send("eth_nonsense", []), { code: "UNSUPPORTED_OPERATION" });
});

test("contract events arrive by polling", async () => {
  const seen = new Promise((resolve) => counter.once("NumberChanged", (by, previous, current) => resolve(current)));
  await provider.getBlockNumber();
  await (await counter.setNumber(55n)).wait();
  assert.equal(await seen, 55n);
  const found = await counter.queryFilter(counter.filters.NumberChanged(null, null), 0, "latest");
  assert.equal(found.at(-1).args.current, 55n);
});

test("blocks and contract events arrive over WebSocket", async () => {
  const socket = new ethers.WebSocketProvider(ZEVM_WS_URL);
  try {
    const live = counter.connect(socket);
    const event = new Promise((resolve) => live.on("NumberChanged", (by, previous, current) => resolve(current)));
    const block = new Promise((resolve) => socket.on("block", resolve));
    // The connection answers in order: an answer to a request sent after both subscriptions means that both stand.
    await live.listenerCount("NumberChanged");
    await socket.send("eth_chainId", []);
    await socket.send("eth_chainId", []);
    const receipt = await (await counter.setNumber(66n)).wait();
    assert.equal(await event, 66n);
    assert.equal(await block, receipt.blockNumber);
  } finally {
    await socket.destroy();
  }
});
