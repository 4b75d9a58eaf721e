// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC1363Receiver} from "@openzeppelin/contracts/interfaces/IERC1363Receiver.sol";

/// Keeps tokens for their owners, whatever language the token is written in: it is called by the token when tokens
/// come (ERC-1363), and calls the token to give them back.
contract Vault is IERC1363Receiver {
    uint256 public constant MINIMUM = 10;

    mapping(address token => mapping(address owner => uint256)) public deposits;

    event Deposited(address indexed token, address indexed owner, uint256 value, bytes note);

    error TooMuch(uint256 wanted, uint256 held);

    function onTransferReceived(address, address from, uint256 value, bytes calldata note) external returns (bytes4) {
        require(value >= MINIMUM, "Vault: too small");
        if (note.length == 1) return bytes4(note[0]);
        deposits[msg.sender][from] += value;
        emit Deposited(msg.sender, from, value, note);
        return IERC1363Receiver.onTransferReceived.selector;
    }

    function withdraw(IERC20 token, uint256 value) external {
        uint256 held = deposits[address(token)][msg.sender];
        if (value > held) revert TooMuch(value, held);
        deposits[address(token)][msg.sender] = held - value;
        require(token.transfer(msg.sender, value), "Vault: not transferred");
    }

    function heldOf(IERC20 token) external view returns (uint256) {
        return token.balanceOf(address(this));
    }
}
