"use strict";

const fs = require("fs");
const path = require("path");
const { expect } = require("chai");
const { anyValue } = require("@nomicfoundation/hardhat-chai-matchers/withArgs");
const { ethers, network } = require("hardhat");

describe("examples", function () {
  let snapshot, owner, other;

  before(async function () {
    [owner, other] = await ethers.getSigners();
  });

  beforeEach(async function () {
    snapshot = await network.provider.send("evm_snapshot");
  });

  afterEach(async function () {
    expect(await network.provider.send("evm_revert", [snapshot])).to.equal(true);
  });

  describe("Counter", function () {
    const deploy = () => ethers.deployContract("Counter", [7n], { value: 5n });

    it("starts where its constructor says", async function () {
      const counter = await deploy();
      expect(await counter.number()).to.equal(7n);
      expect(await ethers.provider.getBalance(counter)).to.equal(5n);
    });

    it("emits an event for each change", async function () {
      const counter = await deploy();
      await expect(counter.setNumber(8n)).to.emit(counter, "NumberChanged").withArgs(owner.address, 7n, 8n);
      await expect(counter.connect(other).increment()).to.emit(counter, "NumberChanged").withArgs(other.address, 8n, 9n);
      expect(await counter.queryFilter(counter.filters.NumberChanged(other.address))).to.have.length(1);
    });

    it("reverts with a reason, a custom error, a panic", async function () {
      const counter = await deploy();
      await expect(counter.refuse()).to.be.revertedWith("Counter: refused");
      await expect(counter.divide(1n, 0n)).to.be.revertedWithPanic(0x12);
      await expect(counter.setNumber.staticCall(1_000_001n))
        .to.be.revertedWithCustomError(counter, "NumberTooLarge")
        .withArgs(1_000_001n, 1_000_000n);
      await expect(counter.setNumber.estimateGas(1_000_001n)).to.be.revertedWithCustomError(counter, "NumberTooLarge");
    });

    it("keeps a reverted transaction in a block, with status 0", async function () {
      const counter = await deploy();
      const sent = await counter.setNumber(1_000_001n, { gasLimit: 200_000n });
      await expect(sent.wait()).to.be.rejectedWith("transaction execution reverted");
      const receipt = await ethers.provider.getTransactionReceipt(sent.hash);
      expect(receipt.status).to.equal(0);
      expect(receipt.blockNumber).to.equal(await ethers.provider.getBlockNumber());
      expect(await counter.number()).to.equal(7n);
    });
  });

  describe("Token", function () {
    it("moves balances and allowances", async function () {
      const token = await ethers.deployContract("Token", [1_000n]);
      await expect(token.transfer(other, 10n)).to.changeTokenBalances(token, [owner, other], [-10n, 10n]);
      await expect(token.connect(other).transferFrom.staticCall(owner, other, 1n))
        .to.be.revertedWithCustomError(token, "ERC20InsufficientAllowance")
        .withArgs(other.address, 0n, 1n);
      await token.approve(other, 5n);
      await expect(token.connect(other).transferFrom(owner, other, 5n))
        .to.emit(token, "Transfer")
        .withArgs(owner.address, other.address, 5n);
    });
  });

  describe("Collectible", function () {
    it("mints and transfers", async function () {
      const collectible = await ethers.deployContract("Collectible");
      await expect(collectible.mint(owner)).to.emit(collectible, "Transfer").withArgs(ethers.ZeroAddress, owner.address, anyValue);
      await collectible.transferFrom(owner, other, 1n);
      expect(await collectible.ownerOf(1n)).to.equal(other.address);
      expect(await collectible.tokenURI(1n)).to.equal("https://example.org/collectible/1");
    });
  });

  describe("Box behind its proxy", function () {
    it("keeps its storage through an upgrade", async function () {
      const logic = await ethers.deployContract("Box");
      const start = logic.interface.encodeFunctionData("initialize", [owner.address, 21n]);
      const proxy = await ethers.deployContract("BoxProxy", [await logic.getAddress(), start]);
      const box = await ethers.getContractAt("BoxV2", await proxy.getAddress());
      const next = await ethers.deployContract("BoxV2");
      await expect(box.connect(other).upgradeToAndCall.staticCall(next, "0x")).to.be.revertedWithCustomError(box, "NotOwner");
      expect(await box.version()).to.equal("1");
      await box.upgradeToAndCall(next, "0x");
      await box.double();
      expect(await box.version()).to.equal("2");
      expect(await box.value()).to.equal(42n);
    });
  });

  describe("Savings, in Vyper", function () {
    const artifact = path.join(__dirname, "../out/Savings.vy/Savings.json");

    it("keeps ether for its depositors", async function () {
      if (!fs.existsSync(artifact)) return this.skip();
      const { abi, bytecode } = JSON.parse(fs.readFileSync(artifact, "utf8"));
      const savings = await new ethers.ContractFactory(abi, bytecode.object, owner).deploy(10n);
      await expect(savings.deposit({ value: 25n })).to.emit(savings, "Deposited").withArgs(owner.address, 25n, 25n);
      await expect(savings.withdraw(5n)).to.changeEtherBalances([savings, owner], [-5n, 5n]);
      await expect(savings.deposit.staticCall({ value: 9n })).to.be.revertedWith("below minimum");
    });
  });

  describe("ether", function () {
    it("moves", async function () {
      await expect(owner.sendTransaction({ to: other, value: 1_000n })).to.changeEtherBalances([owner, other], [-1_000n, 1_000n]);
    });
  });
});
