// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// OpenZeppelin's ERC-20 with EIP-2612 permits. The deployer receives the whole supply.
contract Token is ERC20, ERC20Permit {
    constructor(uint256 supply) ERC20("Example Token", "EXT") ERC20Permit("Example Token") {
        _mint(msg.sender, supply);
    }
}
