// Deploys the Solidity Counter and the Vyper Savings with viem 2, signing locally, and calls both.
import { readFileSync } from "node:fs";
import { createWalletClient, getContract, http, publicActions } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { foundry } from "viem/chains";

const URL_OF_NODE = process.env.ETH_RPC_URL ?? "http://127.0.0.1:8545";
const account = privateKeyToAccount("0x92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e");

const read = (path) => JSON.parse(readFileSync(new URL(`../out/${path}.json`, import.meta.url), "utf8"));
const client = createWalletClient({ account, chain: foundry, transport: http(URL_OF_NODE) }).extend(publicActions);

async function deploy(path, args) {
  const { abi, bytecode } = read(path);
  const hash = await client.deployContract({ abi, bytecode: bytecode.object, args });
  const { contractAddress: address } = await client.waitForTransactionReceipt({ hash });
  return getContract({ address, abi, client });
}

const counter = await deploy("Counter.sol/Counter", [7n]);
await client.waitForTransactionReceipt({ hash: await counter.write.increment() });
console.log("Counter at", counter.address, "holds", await counter.read.number());

const savings = await deploy("Savings.vy/Savings", [10n]);
await client.waitForTransactionReceipt({ hash: await savings.write.deposit({ value: 25n }) });
console.log("Savings at", savings.address, "holds", await savings.read.savings([account.address]));
