// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// The twin of `covenant.zigContract("SimpleToken")`, which contracts/zig/simple_token.zig deploys: a million tokens for
/// the deployer.
contract SimpleToken {
    mapping(address account => uint256) private balances;
    uint256 private supply;

    event Transfer(address indexed from, address indexed to, uint256 value);

    error InvalidParameters();

    constructor() {
        supply = 1_000_000 ether;
        balances[msg.sender] = supply;
        emit Transfer(address(0), msg.sender, supply);
    }

    function balanceOf(address account) external view returns (uint256) {
        return balances[account];
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        if (balances[msg.sender] < amount) revert InvalidParameters();
        balances[msg.sender] -= amount;
        balances[to] += amount;
        emit Transfer(msg.sender, to, amount);
        return true;
    }

    function getInfo() external view returns (string memory, uint8, uint256) {
        return ("SimpleToken", 18, supply);
    }
}
