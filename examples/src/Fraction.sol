// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ZVM_LIBRARY} from "./IZvmLibrary.sol";

/// Arithmetic in WebAssembly for a contract in Solidity: contracts/zig/maths.zig, deployed once, finds divisors.
contract Fraction {
    address public immutable maths;

    constructor(address maths_) {
        maths = maths_;
    }

    /// The same fraction in lowest terms. Panics for 0/0.
    function reduce(uint64 numerator, uint64 denominator) external view returns (uint64, uint64) {
        uint64[] memory numbers = new uint64[](2);
        (numbers[0], numbers[1]) = (numerator, denominator);
        uint64 divisor = ZVM_LIBRARY.computeAt(maths, "gcd", numbers);
        return (numerator / divisor, denominator / divisor);
    }
}
