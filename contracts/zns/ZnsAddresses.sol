// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ZnsRegistry} from "./ZnsRegistry.sol";

// Where the contracts are from the first block on: the addresses that clients know for ENS on Ethereum's main network.
ZnsRegistry constant REGISTRY = ZnsRegistry(0x00000000000C2E074eC69A0dFb2997BA6C7d2e1e);
address constant PUBLIC_RESOLVER = 0x4976fb03C32e5B8cfe2b6cCB31c09Ba78EBaBa41;

// The node of `addr.reverse` (EIP-181).
bytes32 constant ADDR_REVERSE = 0x91d1777781884d03a6757a803996e38de2a42967fb37eeaca72729271025a9e2;
