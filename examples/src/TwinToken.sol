// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC1363Receiver} from "@openzeppelin/contracts/interfaces/IERC1363Receiver.sol";

/// The twin of contracts/zig/token.zig: OpenZeppelin's ERC-20, and of ERC-1363 the transfer that tells its receiver.
contract TwinToken is ERC20 {
    error ERC1363InvalidReceiver(address receiver);

    constructor(uint256 supply) ERC20("Twin Token", "TWIN") {
        _mint(msg.sender, supply);
    }

    function transferAndCall(address to, uint256 value, bytes calldata data) external returns (bool) {
        _transfer(msg.sender, to, value);
        bytes4 answer = IERC1363Receiver(to).onTransferReceived(msg.sender, msg.sender, value, data);
        if (answer != IERC1363Receiver.onTransferReceived.selector) revert ERC1363InvalidReceiver(to);
        return true;
    }
}
