//! Names of a function's parameters, read from the contract's source: the compiler does not tell them.

const std = @import("std");

/// The contract's source where the root of the build has it.
const source: []const u8 = if (@hasDecl(@import("root"), "contract_source")) @import("root").contract_source else "";

const head = "pub fn ";

/// A public function of the source: its name, and the text behind the parenthesis that opens its parameters.
const Found = struct { name: []const u8, rest: []const u8 };

/// All of them, in one pass over the source: the compiler takes microseconds for each character.
const functions: []const Found = found: {
    @setEvalBranchQuota(100_000_000);
    var list: []const Found = &.{};
    var index = 0;
    while (index + head.len < source.len) : (index += 1) {
        if (source[index] != 'p' or !std.mem.startsWith(u8, source[index..], head)) continue;
        const start = index + head.len;
        var end = start;
        while (end < source.len and source[end] != '(') end += 1;
        list = list ++ .{Found{ .name = source[start..end], .rest = source[@min(end + 1, source.len)..] }};
        index = end;
    }
    break :found list;
};

/// The parameters' names, or no list where the source has no function of this name and number of parameters, or several
/// of this name. A parameter that is `_` has the name "".
pub fn namesOf(comptime function: []const u8, comptime count: usize) []const []const u8 {
    @setEvalBranchQuota(100_000_000);
    comptime var names: ?[]const []const u8 = null;
    for (functions) |found| if (std.mem.eql(u8, found.name, function)) {
        if (names != null) return &.{};
        names = split(found.rest);
    };
    const found = names orelse return &.{};
    return if (found.len == count) found else &.{};
}

/// The names in a list of parameters, which ends with the parenthesis that closes it.
fn split(comptime text: []const u8) []const []const u8 {
    comptime var names: []const []const u8 = &.{};
    comptime var depth = 0;
    comptime var start = 0;
    comptime var index = 0;
    while (index < text.len) : (index += 1) switch (text[index]) {
        '(', '[', '{' => depth += 1,
        ')', ']', '}' => {
            if (depth == 0) return if (nameIn(text[start..index])) |name| names ++ .{name} else names;
            depth -= 1;
        },
        ',' => if (depth == 0) {
            if (nameIn(text[start..index])) |name| names = names ++ .{name};
            start = index + 1;
        },
        '/' => if (text[index + 1] == '/') {
            const is_first = std.mem.trim(u8, text[start..index], " \n\r\t").len == 0;
            index += std.mem.findScalar(u8, text[index..], '\n') orelse return &.{};
            if (is_first) start = index;
        },
        else => {},
    };
    return &.{};
}

/// The name before a parameter's colon; null where there is no parameter.
fn nameIn(comptime text: []const u8) ?[]const u8 {
    const colon = std.mem.findScalar(u8, text, ':') orelse return null;
    const words = std.mem.trim(u8, text[0..colon], " \n\r\t");
    const start = if (std.mem.findScalarLast(u8, words, ' ')) |space| space + 1 else 0;
    const name = words[start..];
    return if (std.mem.eql(u8, name, "_")) "" else name;
}
