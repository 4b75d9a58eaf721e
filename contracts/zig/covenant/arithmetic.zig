//! Arithmetic of 256 bits by the host, where that is smaller or faster than the module's own.

const failure = @import("failure.zig");
const hooks = @import("hooks.zig");
const word = @import("word.zig");

/// a + b, or Panic(0x11).
pub fn add(a: u256, b: u256) u256 {
    const sum, const carry = @addWithOverflow(a, b);
    if (carry != 0) failure.panic(failure.overflow);
    return sum;
}

/// a - b, or Panic(0x11).
pub fn subtract(a: u256, b: u256) u256 {
    const difference, const borrow = @subWithOverflow(a, b);
    if (borrow != 0) failure.panic(failure.overflow);
    return difference;
}

/// a / b by the host's division, or Panic(0x12).
pub fn divide(a: u256, b: u256) u256 {
    if (b == 0) failure.panic(failure.division_by_zero);
    var quotient = word.toWord(a);
    hooks.math_div(&quotient, &word.toWord(b));
    return word.readNumber(&quotient);
}
