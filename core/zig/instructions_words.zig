//! Arithmetic, comparisons and bits: the top word is the left operand, the result takes the place of the right one.

const words = @import("word.zig");
const Failure = @import("faults.zig").Failure;
const Step = @import("frame.zig").Step;
const Word = words.Word;

pub fn add(step: *Step) Failure!void {
    const left = step.pop();
    step.top().* = left +% step.top().*;
}

pub fn mul(step: *Step) Failure!void {
    const left = step.pop();
    step.top().* = left *% step.top().*;
}

pub fn sub(step: *Step) Failure!void {
    const left = step.pop();
    step.top().* = left -% step.top().*;
}

pub fn div(step: *Step) Failure!void {
    const left = step.pop();
    step.top().* = words.quotient_of(left, step.top().*);
}

pub fn sdiv(step: *Step) Failure!void {
    const left = step.pop();
    step.top().* = words.signed_quotient_of(left, step.top().*);
}

pub fn mod(step: *Step) Failure!void {
    const left = step.pop();
    step.top().* = words.remainder_of(left, step.top().*);
}

pub fn smod(step: *Step) Failure!void {
    const left = step.pop();
    step.top().* = words.signed_remainder_of(left, step.top().*);
}

pub fn addmod(step: *Step) Failure!void {
    const left = step.pop();
    const right = step.pop();
    step.top().* = words.sum_modulo(left, right, step.top().*);
}

pub fn mulmod(step: *Step) Failure!void {
    const left = step.pop();
    const right = step.pop();
    step.top().* = words.product_modulo(left, right, step.top().*);
}

pub fn exp(step: *Step) Failure!void {
    const base = step.pop();
    const exponent = step.top().*;
    try step.charge(step.machine.rules.exponent_byte_gas * words.bytes_in(exponent));
    step.top().* = words.power_of(base, exponent);
}

pub fn signextend(step: *Step) Failure!void {
    const place = step.pop();
    step.top().* = words.extend_sign(place, step.top().*);
}

inline fn put_truth(step: *Step, truth: bool) void {
    step.top().* = @intFromBool(truth);
}

pub fn lt(step: *Step) Failure!void {
    const left = step.pop();
    put_truth(step, left < step.top().*);
}

pub fn gt(step: *Step) Failure!void {
    const left = step.pop();
    put_truth(step, left > step.top().*);
}

pub fn slt(step: *Step) Failure!void {
    const left = step.pop();
    put_truth(step, words.is_less_signed(left, step.top().*));
}

pub fn sgt(step: *Step) Failure!void {
    const left = step.pop();
    put_truth(step, words.is_less_signed(step.top().*, left));
}

pub fn eq(step: *Step) Failure!void {
    const left = step.pop();
    put_truth(step, left == step.top().*);
}

pub fn iszero(step: *Step) Failure!void {
    put_truth(step, step.top().* == 0);
}

pub fn bit_and(step: *Step) Failure!void {
    const left = step.pop();
    step.top().* &= left;
}

pub fn bit_or(step: *Step) Failure!void {
    const left = step.pop();
    step.top().* |= left;
}

pub fn bit_xor(step: *Step) Failure!void {
    const left = step.pop();
    step.top().* ^= left;
}

pub fn bit_not(step: *Step) Failure!void {
    step.top().* = ~step.top().*;
}

pub fn byte(step: *Step) Failure!void {
    const place = step.pop();
    step.top().* = words.byte_at(place, step.top().*);
}

pub fn shl(step: *Step) Failure!void {
    const bits = step.pop();
    step.top().* = words.shift_word_left(bits, step.top().*);
}

pub fn shr(step: *Step) Failure!void {
    const bits = step.pop();
    step.top().* = words.shift_word_right(bits, step.top().*);
}

pub fn sar(step: *Step) Failure!void {
    const bits = step.pop();
    step.top().* = words.shift_right_signed(bits, step.top().*);
}

/// Leading zero bits (EIP-7939).
pub fn clz(step: *Step) Failure!void {
    step.top().* = @clz(step.top().*);
}
