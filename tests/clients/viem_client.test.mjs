// viem 2 against a running node. Environment: ETH_RPC_URL, ZEVM_WS_URL, EXAMPLES (the built example project).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import {
  BaseError,
  ContractFunctionRevertedError,
  InsufficientFundsError,
  MethodNotFoundRpcError,
  NonceTooLowError,
  createPublicClient,
  createTestClient,
  createWalletClient,
  getContract,
  http,

  parseEther,
  parseEventLogs,
  recoverTypedDataAddress,
  verifyMessage,
  webSocket,
} from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { foundry } from "viem/chains";

const KEY = "0x4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356";
const UNLOCKED = "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f";
const { ETH_RPC_URL, ZEVM_WS_URL, EXAMPLES } = process.env;

const artifact = (file, name) => {
  const { abi, bytecode } = JSON.parse(readFileSync(`${EXAMPLES}/out/${file}/${name}.json`, "utf8"));
  return { abi, bytecode: bytecode.object };
};
const account = privateKeyToAccount(KEY);
const requests = [];
const transport = http(ETH_RPC_URL, {
  onFetchRequest: (request, init) => {
    requests.push(JSON.parse(init.body).method);
  },
});
const chain = { ...foundry, rpcUrls: { default: { http: [ETH_RPC_URL], webSocket: [ZEVM_WS_URL] } } };
const reader = createPublicClient({ chain, transport, pollingInterval: 50 });
const wallet = createWalletClient({ account, chain, transport });
const unlocked = createWalletClient({ account: UNLOCKED, chain, transport });

let counter;

async function mined(sent) {
  const receipt = await reader.waitForTransactionReceipt({ hash: await sent, timeout: 20_000 });
  return receipt;
}

async function deploy(file, name, args) {
  const { abi, bytecode } = artifact(file, name);
  const receipt = await mined(wallet.deployContract({ abi, bytecode, args }));
  assert.equal(receipt.status, "success");
  return getContract({ address: receipt.contractAddress, abi, client: { public: reader, wallet } });
}

before(async () => {
  counter = await deploy("Counter.sol", "Counter", [7n]);
});

test("the node fills transactions of a local account", async () => {
  requests.length = 0;
  const receipt = await mined(counter.write.setNumber([8n]));
  assert.equal(receipt.status, "success");
  assert.deepEqual(requests.filter((name) => name !== "eth_chainId").slice(0, 2), ["eth_fillTransaction", "eth_sendRawTransaction"]);
  const [event] = parseEventLogs({ abi: counter.abi, logs: receipt.logs });
  assert.deepEqual(event.args, { by: account.address, previous: 7n, current: 8n });
  assert.equal(await counter.read.number(), 8n);
  assert.equal(await reader.readContract({ ...counter, functionName: "number", blockNumber: receipt.blockNumber - 1n }), 7n);
});

test("an unlocked account sends and signs through the node", async () => {
  const receipt = await mined(unlocked.sendTransaction({ to: account.address, value: 5n }));
  assert.equal(receipt.from, UNLOCKED.toLowerCase());
  const signature = await unlocked.signMessage({ message: "read me" });
  assert.ok(await verifyMessage({ address: UNLOCKED, message: "read me", signature }));
  const typed = {
    domain: { name: "zEVM", chainId: 31337 },
    types: { Note: [{ name: "text", type: "string" }] },
    primaryType: "Note",
    message: { text: "hello" },
  };
  assert.equal(await recoverTypedDataAddress({ ...typed, signature: await unlocked.signTypedData(typed) }), UNLOCKED);
});

test("simulate, then write what was simulated", async () => {
  const { request } = await reader.simulateContract({ ...counter, functionName: "setNumber", args: [9n], account });
  assert.equal((await mined(wallet.writeContract(request))).status, "success");
  assert.equal(await counter.read.number(), 9n);
});

const reverted = (name) => (error) => {
  const cause = error.walk((inner) => inner instanceof ContractFunctionRevertedError);
  assert.ok(cause, error.message);
  assert.equal(cause.data?.errorName, name);
  return true;
};

test("failures are decoded", async () => {
  await assert.rejects(counter.read.refuse(), (error) => reverted("Error")(error) && /Counter: refused/.test(error.message));
  await assert.rejects(counter.read.divide([1n, 0n]), reverted("Panic"));
  await assert.rejects(counter.simulate.setNumber([1_000_001n]), reverted("NumberTooLarge"));
  await assert.rejects(counter.write.setNumber([1_000_001n]), reverted("NumberTooLarge"));
  const sent = await mined(counter.write.setNumber([1_000_001n], { gas: 200_000n }));
  assert.equal(sent.status, "reverted");
});

const caused = (kind) => (error) => {
  assert.ok(error instanceof BaseError && error.walk((inner) => inner instanceof kind), error.message);
  return true;
};

test("refused transactions have their types", async () => {
  const poor = privateKeyToAccount(generatePrivateKey());
  await assert.rejects(wallet.sendTransaction({ account: poor, to: account.address, value: 1n }), caused(InsufficientFundsError));
  await assert.rejects(wallet.sendTransaction({ to: UNLOCKED, nonce: 0, gas: 21_000n }), caused(NonceTooLowError));
  await assert.rejects(reader.request({ method: "eth_nonsense" }, { retryCount: 0 }), caused(MethodNotFoundRpcError));
});

test("a batching transport", async () => {
  const batching = createPublicClient({ chain, transport: http(ETH_RPC_URL, { batch: true }) });
  const [id, number, balance] = await Promise.all([
    batching.getChainId(),
    batching.getBlockNumber({ cacheTime: 0 }),
    batching.getBalance({ address: "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720", blockNumber: 0n }),
  ]);
  assert.equal(id, 31337);
  assert.ok(number > 0n);
  assert.equal(balance, parseEther("10000"));
});

for (const mode of ["anvil", "hardhat"]) {
  test(`test client actions in ${mode} mode`, async () => {
    const control = createTestClient({ chain, mode, transport });
    const stranger = privateKeyToAccount(generatePrivateKey()).address;
    const snapshot = await control.snapshot();
    const start = await reader.getBlock();

    await control.setBalance({ address: stranger, value: parseEther("3") });
    assert.equal(await reader.getBalance({ address: stranger }), parseEther("3"));
    await control.impersonateAccount({ address: stranger });
    const sent = createWalletClient({ account: stranger, chain, transport }).sendTransaction({ to: account.address, value: 1n });
    assert.equal((await mined(sent)).from, stranger.toLowerCase());
    await control.stopImpersonatingAccount({ address: stranger });

    await control.mine({ blocks: 3, interval: 10 });
    const later = await reader.getBlock();
    assert.equal(later.number, start.number + 4n);
    assert.ok(later.timestamp >= start.timestamp + 20n);

    await control.setNextBlockTimestamp({ timestamp: later.timestamp + 1_000n });
    await control.mine({ blocks: 1 });
    assert.equal((await reader.getBlock()).timestamp, later.timestamp + 1_000n);
    await control.increaseTime({ seconds: 500 });
    await control.mine({ blocks: 1 });
    assert.ok((await reader.getBlock()).timestamp >= later.timestamp + 1_500n);

    await control.setCode({ address: stranger, bytecode: "0x6001" });
    assert.equal(await reader.getCode({ address: stranger }), "0x6001");
    await control.setNonce({ address: stranger, nonce: 99 });
    assert.equal(await reader.getTransactionCount({ address: stranger }), 99);
    const value = `0x${"ab".repeat(32)}`;
    await control.setStorageAt({ address: stranger, index: 1, value });
    assert.equal(await reader.getStorageAt({ address: stranger, slot: "0x1" }), value);

    await control.revert({ id: snapshot });
    const back = await reader.getBlock();
    assert.equal(back.hash, start.hash);
    assert.equal(await reader.getBalance({ address: stranger }), 0n);
    assert.equal(await reader.getCode({ address: stranger }), undefined);
  });
}

test("pooled transactions wait for a block, and can be dropped", async () => {
  const control = createTestClient({ chain, mode: "anvil", transport });
  await control.setAutomine(false);
  try {
    const kept = await unlocked.sendTransaction({ to: account.address, value: 6n });
    const dropped = await wallet.sendTransaction({ to: account.address, value: 7n });
    assert.equal((await control.getTxpoolStatus()).pending, 2);
    assert.equal(await reader.getTransactionReceipt({ hash: kept }).catch((error) => error.name), "TransactionReceiptNotFoundError");
    assert.equal((await reader.getTransaction({ hash: kept })).blockNumber, null);
    await control.dropTransaction({ hash: dropped });
    await control.mine({ blocks: 1 });
    assert.equal((await mined(kept)).status, "success");
    assert.equal((await control.getTxpoolStatus()).pending, 0);
    await assert.rejects(reader.getTransaction({ hash: dropped }), { name: "TransactionNotFoundError" });
  } finally {
    await control.setAutomine(true);
  }
});

test("blocks, events and pending transactions arrive over WebSocket", async () => {
  const socket = createPublicClient({ chain, transport: webSocket(ZEVM_WS_URL, { reconnect: false }) });
  const stops = [];
  const first = (watch, field) =>
    new Promise((resolve, reject) => stops.push(watch({ onError: reject, [field]: resolve })));
  const block = first((on) => socket.watchBlockNumber(on), "onBlockNumber");
  const logs = first((on) => socket.watchContractEvent({ ...counter, eventName: "NumberChanged", ...on }), "onLogs");
  const pending = first((on) => socket.watchPendingTransactions(on), "onTransactions");
  await socket.getChainId();
  const receipt = await mined(counter.write.setNumber([66n]));
  assert.equal(await block, receipt.blockNumber);
  assert.equal((await logs)[0].args.current, 66n);
  assert.deepEqual(await pending, [receipt.transactionHash]);
  for (const stop of stops) stop();
  (await socket.transport.getRpcClient()).close();
});

test("events arrive by filters over HTTP", async () => {
  const args = { previous: 66n };
  const fromBlock = await reader.getBlockNumber({ cacheTime: 0 });
  const filter = await reader.createContractEventFilter({ ...counter, eventName: "NumberChanged", args, fromBlock });
  await mined(counter.write.setNumber([67n]));
  await mined(counter.write.setNumber([68n]));
  const changes = await reader.getFilterChanges({ filter });
  assert.deepEqual(changes.map((log) => log.args.current), [67n]);
  assert.equal((await reader.getFilterLogs({ filter })).length, 1);
  assert.ok(await reader.uninstallFilter({ filter }));
});

test("state overrides in a call", async () => {
  const { abi, address } = counter;
  const slot = `0x${"00".repeat(32)}`;
  const value = `0x${"00".repeat(31)}63`;
  const read = { abi, address, functionName: "number", stateOverride: [{ address, stateDiff: [{ slot, value }] }] };
  assert.equal(await reader.readContract(read), 99n);
});

test("an ERC-721", async () => {
  const collectible = await deploy("Collectible.sol", "Collectible", []);
  await mined(collectible.write.mint([account.address]));
  await mined(collectible.write.transferFrom([account.address, UNLOCKED, 1n]));
  assert.equal(await collectible.read.ownerOf([1n]), UNLOCKED);
  assert.equal(await collectible.read.tokenURI([1n]), "https://example.org/collectible/1");
});

test("a Vyper contract", async () => {
  const savings = await deploy("Savings.vy", "Savings", [10n]);
  await mined(savings.write.deposit({ value: 25n }));
  assert.equal(await savings.read.savings([account.address]), 25n);
  await assert.rejects(savings.simulate.deposit({ account, value: 9n }), /below minimum/);
});

after(() => reader.request({ method: "evm_setAutomine", params: [true] }));
