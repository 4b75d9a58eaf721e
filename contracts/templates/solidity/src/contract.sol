// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.24;

/// A token: whoever deploys it holds the whole supply, and holders transfer it.
contract {{Contract}} {
    event Transfer(address indexed from, address indexed to, uint256 value);

    error InsufficientBalance(uint256 held, uint256 needed);

    uint256 public totalSupply = 1_000_000;
    mapping(address holder => uint256) public balanceOf;

    constructor() {
        balanceOf[msg.sender] = totalSupply;
        emit Transfer(address(0), msg.sender, totalSupply);
    }

    function transfer(address to, uint256 value) external returns (bool) {
        uint256 held = balanceOf[msg.sender];
        if (held < value) revert InsufficientBalance(held, value);
        balanceOf[msg.sender] = held - value;
        balanceOf[to] += value;
        emit Transfer(msg.sender, to, value);
        return true;
    }
}
