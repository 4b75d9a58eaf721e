//! Names of a function's parameters, read from the files of the contract and of the library's bases: the compiler does
//! not tell them.

const std = @import("std");

/// The contract's source where the root of the build has it.
const contract_source: []const u8 = if (@hasDecl(@import("root"), "contract_source")) @import("root").contract_source else "";

const contract_files = if (@hasDecl(@import("root"), "contract_files")) @import("root").contract_files else .{};

/// The library's bases, by their files' names.
const bases = .{
    .access_control = @embedFile("bases/access_control.zig"),
    .erc1155 = @embedFile("bases/erc1155.zig"),
    .erc20 = @embedFile("bases/erc20.zig"),
    .erc721 = @embedFile("bases/erc721.zig"),
    .ownable = @embedFile("bases/ownable.zig"),
    .pausable = @embedFile("bases/pausable.zig"),
    .uups = @embedFile("bases/uups.zig"),
};

const head = "pub fn ";

/// A public function of a source: its name, and the text behind the parenthesis that opens its parameters.
const Found = struct { name: []const u8, rest: []const u8 };

/// Functions of a source by a number of their names, in which names differ that only end differently: field1, field21.
const Index = [128][]const Found;

fn placeOf(name: []const u8) usize {
    var place = name.len;
    for (name[name.len -| 3..]) |character| place = 5 * place + character;
    return place % @typeInfo(Index).array.len;
}

/// A type for each source, so that the compiler reads it once: it takes microseconds for each character.
fn Source(comptime length: usize, comptime text: *const [length]u8) type {
    return struct {
        const functions: Index = found: {
            @setEvalBranchQuota(100_000_000);
            var list: Index = @splat(&.{});
            var index = 0;
            while (index + head.len < length) : (index += 1) {
                if (text[index] != 'p' or !std.mem.startsWith(u8, text[index..], head)) continue;
                const start = index + head.len;
                var end = start;
                while (end < length and text[end] != '(') end += 1;
                const place = placeOf(text[start..end]);
                list[place] = list[place] ++ .{Found{ .name = text[start..end], .rest = text[@min(end + 1, length)..] }};
                index = end;
            }
            break :found list;
        };
    };
}

/// The public functions of the source that has a type.
fn functionsOf(comptime Owner: type) Index {
    inline for (@typeInfo(@TypeOf(bases)).@"struct".field_names) |name| {
        const text = @field(bases, name);
        if (std.mem.startsWith(u8, @typeName(Owner), "bases." ++ name ++ ".")) return Source(text.len, text).functions;
    }
    inline for (contract_files) |file| {
        const text = file[1];
        if (std.mem.startsWith(u8, @typeName(Owner), file[0])) return Source(text.len, text).functions;
    }
    return Source(contract_source.len, contract_source[0..contract_source.len]).functions;
}

/// The parameters' names, or no list where the source has no function of this name and number of parameters, or several
/// of this name. Owner: the type that declares it. A parameter that is `_` has the name "".
pub fn namesOf(comptime Owner: type, comptime function: []const u8, comptime count: usize) []const []const u8 {
    @setEvalBranchQuota(100_000_000);
    comptime var names: ?[]const []const u8 = null;
    for (functionsOf(Owner)[placeOf(function)]) |found| if (std.mem.eql(u8, found.name, function)) {
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
