// Deploys a built contract in Zig with ethers and with viem, and prints the deployer's balance by each.
import { readFileSync } from "node:fs";
import { ContractFactory, JsonRpcProvider, Wallet } from "ethers";
import { createWalletClient, http, publicActions } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { foundry } from "viem/chains";

const { ETH_RPC_URL, ARTIFACT, KEY } = process.env;
const artifact = JSON.parse(readFileSync(ARTIFACT, "utf8"));

const provider = new JsonRpcProvider(ETH_RPC_URL, undefined, { pollingInterval: 50 });
const wallet = new Wallet(KEY, provider);
const contract = await ContractFactory.fromSolidity(artifact, wallet).deploy(1001n);
await contract.waitForDeployment();
console.log("ethers", String(await contract.balanceOf(wallet.address)));
provider.destroy();

const account = privateKeyToAccount(KEY);
const client = createWalletClient({ account, chain: foundry, transport: http(ETH_RPC_URL) }).extend(publicActions);
const { abi, bytecode } = artifact;
const hash = await client.deployContract({ abi, bytecode: bytecode.object, args: [1002n] });
const { contractAddress: address } = await client.waitForTransactionReceipt({ hash, pollingInterval: 50 });
console.log("viem", String(await client.readContract({ address, abi, functionName: "balanceOf", args: [account.address] })));
