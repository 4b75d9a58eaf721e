// Run by Hardhat: deploys a built contract in Zig from its artifact, and prints the deployer's balance.
"use strict";

const { readFileSync } = require("fs");
const { ethers } = require("hardhat");

async function main() {
  const artifact = JSON.parse(readFileSync(process.env.ARTIFACT, "utf8"));
  const [signer] = await ethers.getSigners();
  const factory = await ethers.getContractFactory(artifact.abi, artifact.bytecode, signer);
  const contract = await factory.deploy(1003n);
  await contract.waitForDeployment();
  console.log("hardhat", String(await contract.balanceOf(signer.address)));
}

main();
