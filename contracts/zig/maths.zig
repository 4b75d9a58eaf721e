//! A function of numbers, for contracts in Solidity: examples/src/Fraction.sol runs it by the library
//! precompile. It is an export of its own, and a function of the contract as well.

const covenant = @import("covenant");

const Maths = struct {
    pub const pure = .{"gcd"};

    /// The greatest common divisor; 0 of two zeros.
    pub fn gcd(a: u64, b: u64) u64 {
        var greater = a;
        var smaller = b;
        while (smaller != 0) {
            const rest = greater % smaller;
            greater = smaller;
            smaller = rest;
        }
        return greater;
    }
};

export fn gcd(a: u64, b: u64) u64 {
    return Maths.gcd(a, b);
}

comptime {
    covenant.define(Maths);
}
