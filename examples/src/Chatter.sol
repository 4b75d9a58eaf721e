// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {console} from "hardhat/console.sol";

/// Speaks to the node's log through console.log.
contract Chatter {
    uint256 public spoken;

    function say(string calldata what, uint256 count) external {
        console.log("chatter says %s %d times", what, count);
        console.log(msg.sender);
        spoken += 1;
    }
}
