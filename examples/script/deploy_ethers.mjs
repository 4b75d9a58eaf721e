// Deploys the Solidity Counter and the Vyper Savings with ethers 6, signing locally, and calls both.
import { readFileSync } from "node:fs";
import { ethers } from "ethers";

const URL_OF_NODE = process.env.ETH_RPC_URL ?? "http://127.0.0.1:8545";
const KEY = "0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba";

const read = (path) => JSON.parse(readFileSync(new URL(`../out/${path}.json`, import.meta.url), "utf8"));
const provider = new ethers.JsonRpcProvider(URL_OF_NODE, undefined, { cacheTimeout: -1 });
const wallet = new ethers.Wallet(KEY, provider);

async function deploy(path, ...parameters) {
  const { abi, bytecode } = read(path);
  const contract = await new ethers.ContractFactory(abi, bytecode.object, wallet).deploy(...parameters);
  return contract.waitForDeployment();
}

const counter = await deploy("Counter.sol/Counter", 7n);
await (await counter.increment()).wait();
console.log("Counter at", await counter.getAddress(), "holds", await counter.number());

const savings = await deploy("Savings.vy/Savings", 10n);
await (await savings.deposit({ value: 25n })).wait();
console.log("Savings at", await savings.getAddress(), "holds", await savings.savings(wallet.address));
provider.destroy();
