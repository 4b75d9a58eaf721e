"use strict";

// Deploys the Solidity Counter and the Vyper Savings (compiled by build_vyper.py) with Hardhat, and calls both.
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { ethers } = require("hardhat");

async function main() {
  const [, , , signer] = await ethers.getSigners();
  const counter = await ethers.deployContract("Counter", [7n], signer);
  await counter.waitForDeployment();
  await (await counter.increment()).wait();
  console.log("Counter at", await counter.getAddress(), "holds", String(await counter.number()));

  const built = JSON.parse(readFileSync(join(__dirname, "../out/Savings.vy/Savings.json"), "utf8"));
  const savings = await new ethers.ContractFactory(built.abi, built.bytecode.object, signer).deploy(10n);
  await savings.waitForDeployment();
  await (await savings.deposit({ value: 25n })).wait();
  console.log("Savings at", await savings.getAddress(), "holds", String(await savings.savings(signer.address)));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
