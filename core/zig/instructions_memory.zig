//! Memory: words in and out, copies, hashes, and what a frame gives back.

const keccak = @import("keccak.zig");
const words = @import("word.zig");
const Exit = @import("interpreter.zig").Exit;
const Failure = @import("faults.zig").Failure;
const Step = @import("frame.zig").Step;
const Word = words.Word;

pub const copy_word_gas = 3;
const keccak_word_gas = 6;

/// A word's 32 bytes of memory, grown if need be.
inline fn word_bytes(step: *Step, start: Word) Failure!*[32]u8 {
    const memory = &step.frame.memory;
    if (memory.size < 32 or start > memory.size - 32) try step.extend(start, 32);
    return memory.data[@truncate(start)..][0..32];
}

pub fn mload(step: *Step) Failure!void {
    const top = step.top();
    top.* = words.from_bytes(try word_bytes(step, top.*));
}

pub fn mstore(step: *Step) Failure!void {
    const start = step.pop();
    const bytes = try word_bytes(step, start);
    words.write(step.pop(), bytes);
}

pub fn mstore8(step: *Step) Failure!void {
    const start = step.pop();
    try step.extend(start, 1);
    step.frame.memory.data[@truncate(start)] = @truncate(step.pop());
}

pub fn msize(step: *Step) Failure!void {
    step.push(step.frame.memory.size);
}

pub fn mcopy(step: *Step) Failure!void {
    const target = step.pop();
    const source = step.pop();
    const size = step.pop();
    try step.extend(@max(target, source), size);
    try step.charge_words(copy_word_gas, size);
    const from = try step.bytes(source, size);
    @memmove(try step.bytes(target, size), from);
}

pub fn keccak256(step: *Step) Failure!void {
    const start = step.pop();
    const size = step.top().*;
    try step.extend(start, size);
    try step.charge_words(keccak_word_gas, size);
    step.top().* = words.from_bytes(&try digest_of(step, try step.bytes(start, size)));
}

/// Bytes that are hashed between two looks at the clock.
const hashed_between_looks = 512 * keccak.rate;

fn digest_of(step: *Step, data: []const u8) Failure![32]u8 {
    if (data.len <= hashed_between_looks) return keccak.hash(data);
    const from = step.machine.state.host;
    var digest: keccak.Digest = .{};
    var rest = data;
    while (rest.len > hashed_between_looks) : (rest = rest[hashed_between_looks..]) {
        digest.take(rest[0..hashed_between_looks]);
        try from.table.look(from.context);
    }
    return digest.end(rest);
}

/// Copy into memory; bytes past the end of the source are zero.
pub fn copy(step: *Step, target: Word, source: []const u8, start: Word, size: Word) Failure!void {
    const bytes = try step.bytes(target, size);
    const from = source[@truncate(@min(start, source.len))..];
    const count = @min(from.len, bytes.len);
    @memcpy(bytes[0..count], from[0..count]);
    @memset(bytes[count..], 0);
}

const Places = struct { target: Word, start: Word, size: Word };

/// Where to, where from and how much, once paid.
fn paid_copy(step: *Step) Failure!Places {
    const places: Places = .{ .target = step.pop(), .start = step.pop(), .size = step.pop() };
    try step.extend(places.target, places.size);
    try step.charge_words(copy_word_gas, places.size);
    return places;
}

pub fn calldatacopy(step: *Step) Failure!void {
    const paid = try paid_copy(step);
    try copy(step, paid.target, step.frame.message.data, paid.start, paid.size);
}

pub fn codecopy(step: *Step) Failure!void {
    const paid = try paid_copy(step);
    try copy(step, paid.target, step.frame.code.content(), paid.start, paid.size);
}

/// Reading past the end of the return data is a fault (EIP-211), once it is paid for.
pub fn returndatacopy(step: *Step) Failure!void {
    const paid = try paid_copy(step);
    const data = step.frame.return_data.items;
    if (paid.start +| paid.size > data.len) return error.ReturnDataOutOfBounds;
    try copy(step, paid.target, data, paid.start, paid.size);
}

fn give_back(step: *Step) Failure!void {
    const start = step.pop();
    const size = step.pop();
    try step.extend(start, size);
    step.frame.output = try step.bytes(start, size);
}

pub fn return_(step: *Step) Failure!Exit {
    try give_back(step);
    return .success;
}

pub fn revert(step: *Step) Failure!Exit {
    try give_back(step);
    return .revert;
}
