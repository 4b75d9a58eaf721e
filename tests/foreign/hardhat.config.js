"use strict";

// Safe's contracts and tests, as its npm package ships them, on a node that runs already.
require("ts-node").register({
  transpileOnly: true,
  skipProject: true,
  compilerOptions: { module: "commonjs", moduleResolution: "node", target: "es2020", esModuleInterop: true, resolveJsonModule: true },
});
const { subtask } = require("hardhat/config");
const { TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD } = require("hardhat/builtin-tasks/task-names");
require("@nomicfoundation/hardhat-ethers");
require("@nomicfoundation/hardhat-chai-matchers");
require("hardhat-deploy");

const compilers = { "0.7.6": "solc/soljson.js", "0.6.12": "solc-0.6/soljson.js" };

// Hardhat would download compilers; these npm packages are some already.
subtask(TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD, async ({ solcVersion }) => ({
  compilerPath: require.resolve(compilers[solcVersion]),
  isSolcJs: true,
  version: solcVersion,
  longVersion: solcVersion,
}));

const report = process.env.MOCHA_REPORT;

/** @type import("hardhat/config").HardhatUserConfig */
module.exports = {
  solidity: { compilers: Object.keys(compilers).map((version) => ({ version })) },
  paths: { sources: "./contracts", tests: "./test", deploy: "./src/deploy" },
  networks: { localhost: { url: process.env.ETH_RPC_URL ?? "http://127.0.0.1:8545", gas: process.env.GAS } },
  namedAccounts: { deployer: 0 },
  mocha: report === undefined ? {} : { reporter: "json", reporterOptions: { output: report } },
};
