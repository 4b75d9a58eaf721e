"use strict";

// What Hardhat's users expect of a transaction that fails, over `--network localhost`, with a gas limit of their own:
// no estimate comes before it, so the sending itself has to throw.

const { expect } = require("chai");
const { ethers } = require("hardhat");

const gasLimit = 200_000n;

describe("N5: a failing transaction throws", function () {
  let counter;

  before(async () => {
    await ethers.provider.send("hardhat_setThrowOnTransactionFailures", [true]);
    counter = await ethers.deployContract("Counter", [7n]);
  });

  it("with its reason", async () => {
    const data = counter.interface.encodeFunctionData("refuse");
    const [sender] = await ethers.getSigners();
    const sending = sender.sendTransaction({ to: counter.target, data, gasLimit });
    await expect(sending).to.be.revertedWith("Counter: refused");
  });

  it("with its custom error", async () => {
    await expect(counter.setNumber(2n ** 200n, { gasLimit })).to.be.revertedWithCustomError(counter, "NumberTooLarge");
  });

  it("with its panic", async () => {
    const data = counter.interface.encodeFunctionData("divide", [1n, 0n]);
    const [sender] = await ethers.getSigners();
    await expect(sender.sendTransaction({ to: counter.target, data, gasLimit })).to.be.revertedWithPanic(0x12);
  });

  it("and is mined all the same", async () => {
    const before = await ethers.provider.getBlockNumber();
    await expect(counter.setNumber(2n ** 200n, { gasLimit })).to.be.reverted;
    expect(await ethers.provider.getBlockNumber()).to.equal(before + 1);
  });

  it("while others have their hashes", async () => {
    await (await counter.setNumber(9n, { gasLimit })).wait();
    expect(await counter.number()).to.equal(9n);
  });
});
