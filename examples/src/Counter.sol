// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// A number in storage, an event for each change, and one function for every way a call can fail.
contract Counter {
    uint256 public constant LIMIT = 1_000_000;

    uint256 public number;
    mapping(address => uint256) public changes;

    event NumberChanged(address indexed by, uint256 indexed previous, uint256 current);

    error NumberTooLarge(uint256 given, uint256 limit);

    constructor(uint256 start) payable {
        number = start;
    }

    receive() external payable {}

    function setNumber(uint256 current) public {
        if (current > LIMIT) revert NumberTooLarge(current, LIMIT);
        emit NumberChanged(msg.sender, number, current);
        number = current;
        changes[msg.sender] += 1;
    }

    function increment() external {
        setNumber(number + 1);
    }

    function refuse() external pure {
        revert("Counter: refused");
    }

    function divide(uint256 dividend, uint256 divisor) external pure returns (uint256) {
        return dividend / divisor;
    }

    function spin() external view returns (uint256 rounds) {
        while (gasleft() > 2_000) rounds++;
    }
}
