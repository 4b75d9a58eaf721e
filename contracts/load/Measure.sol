// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

interface IBalances {
    function balanceOf(address account) external view returns (uint256);
}

/// The twin of measure.zig.
contract Measure {
    mapping(uint256 => uint256) internal numbers;

    function loop(uint64 steps) external pure returns (uint64 state) {
        unchecked {
            state = 1;
            for (uint64 step = 0; step < steps; step++) state = state * 6364136223846793005 + 1442695040888963407;
        }
    }

    function balanceThrough(IBalances token, address account) external view returns (uint256) {
        return token.balanceOf(account);
    }

    function balancesThrough(IBalances token, address account, uint64 rounds) external view returns (uint256 last) {
        for (uint64 round = 0; round < rounds; round++) last = token.balanceOf(account);
    }

    function write(uint256 count, uint256 value) external {
        for (uint256 index = 0; index < count; index++) numbers[index] = value;
    }

    function read(uint256 count) external view returns (uint256 sum) {
        unchecked {
            for (uint256 index = 0; index < count; index++) sum += numbers[index];
        }
    }

    function poke(address target, uint64 rounds) external {
        for (uint64 round = 0; round < rounds; round++) {
            assembly ("memory-safe") {
                pop(call(gas(), target, 0, 0, 0, 0, 0))
            }
        }
    }

    function ask(uint64 rounds) external view returns (uint256) {
        address last;
        for (uint64 round = 0; round < rounds; round++) last = msg.sender;
        return last == msg.sender ? 1 : 0;
    }
}
