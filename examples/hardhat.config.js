"use strict";

const { execFileSync } = require("node:child_process");
const { join } = require("node:path");
const { subtask } = require("hardhat/config");
const { TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD } = require("hardhat/builtin-tasks/task-names");
require("@nomicfoundation/hardhat-ethers");
require("@nomicfoundation/hardhat-chai-matchers");

// Hardhat would download a compiler; the npm package `solc` is one already, as foundry.toml has it too.
const compilerPath = join(__dirname, "../tests/clients/bin/solc");
const told = execFileSync(compilerPath, ["--version"], { encoding: "utf8" });
const [, longVersion, version] = /Version: ((\S+?)\+commit\.\w+)/.exec(told);
subtask(TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD, async () => ({ compilerPath, isSolcJs: false, version, longVersion }));

const report = process.env.MOCHA_REPORT;

/** @type import("hardhat/config").HardhatUserConfig */
module.exports = {
  solidity: { version, settings: { evmVersion: "osaka", optimizer: { enabled: true, runs: 200 } } },
  networks: { localhost: { url: process.env.ETH_RPC_URL ?? "http://127.0.0.1:8545" } },
  paths: { sources: "./src", tests: "./test", cache: "./cache/hardhat", artifacts: "./artifacts" },
  mocha: report === undefined ? {} : { reporter: "json", reporterOptions: { output: report } },
};
