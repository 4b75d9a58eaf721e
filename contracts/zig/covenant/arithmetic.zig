//! Checked arithmetic of 256 bits for code that is compiled without checks, as the library is, and the host's functions
//! where they are smaller than the module's own or do more.

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

/// a * b, or Panic(0x11).
pub fn multiply(a: u256, b: u256) u256 {
    const product, const carry = @mulWithOverflow(a, b);
    if (carry != 0) failure.panic(failure.overflow);
    return product;
}

/// a / b by the host's division, or Panic(0x12).
pub fn divide(a: u256, b: u256) u256 {
    if (b == 0) failure.panic(failure.division_by_zero);
    return byHost(hooks.math_div, a, b);
}

/// a % b by the host's division, or Panic(0x12).
pub fn remainder(a: u256, b: u256) u256 {
    if (b == 0) failure.panic(failure.division_by_zero);
    return byHost(hooks.math_mod, a, b);
}

/// base ** exponent, or Panic(0x11).
pub fn power(base: u256, exponent: u256) u256 {
    var result: u256 = 1;
    var factor = base;
    var left = exponent;
    while (left != 0) {
        if (left & 1 != 0) result = multiply(result, factor);
        left >>= 1;
        if (left != 0) factor = multiply(factor, factor);
    }
    return result;
}

/// (a + b) % modulus of the whole sum, or Panic(0x12), as Solidity's addmod.
pub fn addMod(a: u256, b: u256, modulus: u256) u256 {
    return modular(hooks.math_add_mod, a, b, modulus);
}

/// (a * b) % modulus of the whole product, or Panic(0x12), as Solidity's mulmod.
pub fn multiplyMod(a: u256, b: u256, modulus: u256) u256 {
    return modular(hooks.math_mul_mod, a, b, modulus);
}

fn byHost(comptime hook: anytype, a: u256, b: u256) u256 {
    var out = word.toWord(a);
    hook(&out, &word.toWord(b));
    return word.readNumber(&out);
}

fn modular(comptime hook: anytype, a: u256, b: u256, modulus: u256) u256 {
    if (modulus == 0) failure.panic(failure.division_by_zero);
    var out = word.toWord(a);
    hook(&out, &word.toWord(b), &word.toWord(modulus));
    return word.readNumber(&out);
}
