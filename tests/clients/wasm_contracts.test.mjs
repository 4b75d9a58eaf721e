// ethers 6 and WebAssembly contracts. Environment: ETH_RPC_URL, EXAMPLES (the built example project), MODULES (a folder
// with the creation data of the Zig token and the C counter, in hexadecimal).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test, before, after } from "node:test";
import { ethers } from "ethers";

const KEY = "0x92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e";
const { ETH_RPC_URL, EXAMPLES, MODULES } = process.env;
const SUPPLY = 10n ** 24n;

const artifact = (name) => JSON.parse(readFileSync(`${EXAMPLES}/out/${name}.sol/${name}.json`, "utf8"));
const creation = (name) => readFileSync(`${MODULES}/${name}.hex`, "utf8");

let provider, wallet, token, vault, counter;

async function deploy(name, code) {
  // Without its constructor: the arguments are in the module, none are to be appended.
  const abi = artifact(name).abi.filter((entry) => entry.type !== "constructor");
  return (await new ethers.ContractFactory(abi, code, wallet).deploy()).waitForDeployment();
}

before(async () => {
  provider = new ethers.JsonRpcProvider(ETH_RPC_URL, undefined, { cacheTimeout: -1 });
  provider.pollingInterval = 50;
  wallet = new ethers.Wallet(KEY, provider);
  token = await deploy("TwinToken", creation("token"));
  counter = await deploy("Counter", creation("counter"));
  vault = await deploy("Vault", artifact("Vault").bytecode.object);
});

after(() => provider.destroy());

test("a token in Zig is a token", async () => {
  assert.deepEqual(
    [await token.name(), await token.symbol(), await token.decimals(), await token.totalSupply()],
    ["Twin Token", "TWIN", 18n, SUPPLY],
  );
  const to = ethers.Wallet.createRandom().address;
  const receipt = await (await token.transfer(to, 5n)).wait();
  assert.deepEqual([...token.interface.parseLog(receipt.logs[0]).args], [wallet.address, to, 5n]);
  assert.equal(await token.balanceOf(to), 5n);
  assert.equal(await token.balanceOf(to, { blockTag: receipt.blockNumber - 1 }), 0n);
  const found = await token.queryFilter(token.filters.Transfer(null, to), receipt.blockNumber);
  assert.deepEqual(found.map((event) => event.args.value), [5n]);
});

test("it calls a vault in Solidity, and is called by it", async () => {
  const receipt = await (await token.transferAndCall(vault, 100n, "0x1234")).wait();
  const deposited = vault.interface.parseLog(receipt.logs[1]);
  assert.deepEqual([...deposited.args], [await token.getAddress(), wallet.address, 100n, "0x1234"]);
  await (await vault.withdraw(token, 40n)).wait();
  assert.equal(await token.balanceOf(vault), 60n);
});

test("a counter in C counts", async () => {
  assert.equal((await provider.getCode(counter)).slice(0, 10), "0xeff00000");
  await (await counter.increment()).wait();
  assert.equal(await counter.number(), 8n);
});

test("failures are decoded", async () => {
  await assert.rejects(counter.refuse(), { code: "CALL_EXCEPTION", reason: "Counter: refused" });
  const byName = (contract, name) => (error) => {
    assert.equal(error.code, "CALL_EXCEPTION");
    assert.equal((error.revert ?? contract.interface.parseError(error.data)).name, name);
    return true;
  };
  await assert.rejects(counter.divide(1n, 0n), byName(counter, "Panic"));
  await assert.rejects(counter.setNumber.staticCall(1_000_001n), byName(counter, "NumberTooLarge"));
  await assert.rejects(token.transfer.estimateGas(vault, SUPPLY), byName(token, "ERC20InsufficientBalance"));
  await assert.rejects(token.transferAndCall.staticCall(vault, 9n, "0x"), { reason: "Vault: too small" });
});
