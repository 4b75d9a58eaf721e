"use strict";

const { subtask } = require("hardhat/config");
const { TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD } = require("hardhat/builtin-tasks/task-names");
const solc = require("solc");
require("@nomicfoundation/hardhat-ethers");
require("@nomicfoundation/hardhat-chai-matchers");

const longVersion = solc.version().replace(".Emscripten.clang", "");
const version = longVersion.split("+")[0];

// Hardhat would download a compiler; the npm package `solc` is one already.
subtask(TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD, async () => ({
  compilerPath: require.resolve("solc/soljson.js"),
  isSolcJs: true,
  version,
  longVersion,
}));

const report = process.env.MOCHA_REPORT;

/** @type import("hardhat/config").HardhatUserConfig */
module.exports = {
  solidity: { version, settings: { evmVersion: "osaka", optimizer: { enabled: true, runs: 200 } } },
  networks: { localhost: { url: process.env.ETH_RPC_URL ?? "http://127.0.0.1:8545" } },
  paths: { sources: "./src", tests: "./test", cache: "./cache/hardhat", artifacts: "./artifacts" },
  mocha: report === undefined ? {} : { reporter: "json", reporterOptions: { output: report } },
};
