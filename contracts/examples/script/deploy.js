"use strict";

const { ethers } = require("hardhat");

ethers
  .deployContract("Counter", [7n])
  .then((counter) => counter.waitForDeployment())
  .then(async (counter) => console.log("Counter at", await counter.getAddress()));
