"use strict";

// Every function of @nomicfoundation/hardhat-network-helpers, as it comes, over `--network localhost`.

const { expect } = require("chai");
const { ethers } = require("hardhat");
const helpers = require("@nomicfoundation/hardhat-network-helpers");

const TARGET = "0x00000000000000000000000000000000000a11ce";
const WORD = `0x${"00".repeat(31)}2a`;

// Name -> what proves that the function did its work.
const functions = {
  async dropTransaction() {
    await ethers.provider.send("evm_setAutomine", [false]);
    try {
      const [sender] = await ethers.getSigners();
      const { hash } = await sender.sendTransaction({ to: TARGET });
      expect(await helpers.dropTransaction(hash)).to.equal(true);
      expect(await ethers.provider.getTransaction(hash)).to.equal(null);
    } finally {
      await ethers.provider.send("evm_setAutomine", [true]);
    }
  },
  async getStorageAt() {
    await helpers.setStorageAt(TARGET, 7, 42);
    expect(await helpers.getStorageAt(TARGET, 7)).to.equal(WORD);
  },
  async impersonateAccount() {
    await helpers.setBalance(TARGET, ethers.parseEther("1"));
    await helpers.impersonateAccount(TARGET);
    const signer = await ethers.provider.getSigner(TARGET);
    const receipt = await (await signer.sendTransaction({ to: TARGET })).wait();
    expect(receipt.status).to.equal(1);
  },
  async loadFixture() {
    const deploy = async () => ethers.deployContract("Counter", [7n]);
    const first = await helpers.loadFixture(deploy);
    await (await first.setNumber(9n)).wait();
    expect(await (await helpers.loadFixture(deploy)).number()).to.equal(7n);
  },
  async mine() {
    const before = await ethers.provider.getBlock("latest");
    await helpers.mine(3, { interval: 60 });
    const after = await ethers.provider.getBlock("latest");
    expect(after.number - before.number).to.equal(3);
    expect(after.timestamp - before.timestamp).to.be.at.least(120);
  },
  async mineUpTo() {
    const wanted = (await ethers.provider.getBlockNumber()) + 4;
    await helpers.mineUpTo(wanted);
    expect(await ethers.provider.getBlockNumber()).to.equal(wanted);
  },
  async reset() {
    // the node is shared with other tests, which a reset would rob of their blocks; one that fails changes nothing
    const before = await ethers.provider.getBlock("latest");
    const failure = await helpers.reset("http://127.0.0.1:1").then(() => null, (error) => error);
    expect(failure.message).to.match(/http:\/\/127\.0\.0\.1:1: no connection/);
    expect((await ethers.provider.getBlock("latest")).hash).to.equal(before.hash);
  },
  async setBalance() {
    await helpers.setBalance(TARGET, 12345n);
    expect(await ethers.provider.getBalance(TARGET)).to.equal(12345n);
  },
  async setBlockGasLimit() {
    await helpers.setBlockGasLimit(31_000_000);
    await helpers.mine();
    expect((await ethers.provider.getBlock("latest")).gasLimit).to.equal(31_000_000n);
  },
  async setCode() {
    await helpers.setCode(TARGET, "0x6001");
    expect(await ethers.provider.getCode(TARGET)).to.equal("0x6001");
  },
  async setCoinbase() {
    const { miner } = await ethers.provider.getBlock("latest");
    await helpers.setCoinbase(TARGET);
    await helpers.mine();
    expect((await ethers.provider.getBlock("latest")).miner.toLowerCase()).to.equal(TARGET);
    await helpers.setCoinbase(miner);
  },
  async setNextBlockBaseFeePerGas() {
    await helpers.setNextBlockBaseFeePerGas(1234567890n);
    await helpers.mine();
    expect((await ethers.provider.getBlock("latest")).baseFeePerGas).to.equal(1234567890n);
  },
  async setNonce() {
    await helpers.setNonce(TARGET, 99);
    expect(await ethers.provider.getTransactionCount(TARGET)).to.equal(99);
  },
  async setPrevRandao() {
    await helpers.setPrevRandao(42);
    await helpers.mine();
    expect((await ethers.provider.send("eth_getBlockByNumber", ["latest", false])).mixHash).to.equal(WORD);
  },
  async setStorageAt() {
    await helpers.setStorageAt(TARGET, 8, 42);
    expect(await ethers.provider.getStorage(TARGET, 8)).to.equal(WORD);
  },
  async stopImpersonatingAccount() {
    await helpers.impersonateAccount(TARGET);
    await helpers.stopImpersonatingAccount(TARGET);
    const failure = await ethers.provider
      .send("eth_sendTransaction", [{ from: TARGET, to: TARGET, gas: "0x5208" }])
      .then(() => null, (error) => error);
    expect(failure.message).to.match(/unknown account/);
  },
  async takeSnapshot() {
    const snapshot = await helpers.takeSnapshot();
    await helpers.mine();
    await snapshot.restore();
  },
};

const clock = {
  async advanceBlock() {
    const before = await ethers.provider.getBlockNumber();
    await helpers.time.advanceBlock(2);
    expect(await ethers.provider.getBlockNumber()).to.equal(before + 2);
  },
  async advanceBlockTo() {
    const wanted = (await ethers.provider.getBlockNumber()) + 2;
    await helpers.time.advanceBlockTo(wanted);
    expect(await ethers.provider.getBlockNumber()).to.equal(wanted);
  },
  async increase() {
    const before = await helpers.time.latest();
    await helpers.time.increase(3600);
    expect(await helpers.time.latest()).to.be.at.least(before + 3600);
  },
  async increaseTo() {
    const wanted = (await helpers.time.latest()) + 7200;
    await helpers.time.increaseTo(wanted);
    expect(await helpers.time.latest()).to.equal(wanted);
  },
  async latest() {
    expect(await helpers.time.latest()).to.equal((await ethers.provider.getBlock("latest")).timestamp);
  },
  async latestBlock() {
    expect(await helpers.time.latestBlock()).to.equal(await ethers.provider.getBlockNumber());
  },
  async setNextBlockTimestamp() {
    const wanted = (await helpers.time.latest()) + 500;
    await helpers.time.setNextBlockTimestamp(wanted);
    await helpers.mine();
    expect(await helpers.time.latest()).to.equal(wanted);
  },
};

describe("N4: Hardhat's network helpers", function () {
  let snapshot;

  beforeEach(async function () {
    snapshot = await ethers.provider.send("evm_snapshot", []);
  });

  afterEach(async function () {
    await ethers.provider.send("evm_revert", [snapshot]);
    await helpers.clearSnapshots();
  });

  it("are all tested here", function () {
    const exported = Object.keys(helpers).filter((name) => !["clearSnapshots", "time", "NetworkHelpers"].includes(name));
    expect(exported.sort()).to.deep.equal(Object.keys(functions).sort());
    const durations = ["duration"];
    expect(Object.keys(helpers.time).filter((name) => !durations.includes(name)).sort()).to.deep.equal(Object.keys(clock).sort());
  });

  for (const [name, prove] of Object.entries(functions)) it(name, prove);
  for (const [name, prove] of Object.entries(clock)) it(`time.${name}`, prove);
});
