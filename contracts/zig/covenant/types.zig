//! Solidity's types in Zig: which Zig type is which ABI type, its name in a signature, its size in an encoding.

const std = @import("std");
const keccak_256 = @import("keccak.zig");
const strings = @import("strings.zig");

/// `address`: 20 bytes. A type of its own, as `[20]u8` is Solidity's `bytes20`.
pub const Address = struct {
    bytes: [20]u8,

    pub const zero: Address = .{ .bytes = @splat(0) };

    pub fn eql(self: Address, other: Address) bool {
        if (@inComptime()) return std.mem.eql(u8, &self.bytes, &other.bytes);
        // five numbers are smaller code than a loop over bytes
        const a: *align(1) const [5]u32 = @ptrCast(&self.bytes);
        const b: *align(1) const [5]u32 = @ptrCast(&other.bytes);
        return (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) == 0;
    }

    pub fn isZero(self: Address) bool {
        return self.eql(zero);
    }

    /// The address of a literal: `Address.from("0x5FbDB2315678afecb367f032d93F642f64180aa3")`.
    pub fn from(comptime text: []const u8) Address {
        return comptime literal: {
            if (text.len != 42 or text[0] != '0' or text[1] != 'x') {
                @compileError("no address: " ++ text ++ "; an address is 0x and 40 hexadecimal digits");
            }
            var out: Address = undefined;
            _ = std.fmt.hexToBytes(&out.bytes, text[2..]) catch {
                @compileError("no address: " ++ text ++ "; an address is 0x and 40 hexadecimal digits");
            };
            break :literal out;
        };
    }
};

/// `bytes`, borrowed.
pub const Bytes = struct { data: []const u8 };

/// `string`, borrowed.
pub const String = struct { data: []const u8 };

/// An argument as the type of its parameter: text and slices are `String` and `Bytes` too.
pub fn given(comptime T: type, argument: anytype) T {
    const is_text = (T == String or T == Bytes) and @typeInfo(@TypeOf(argument)) == .pointer;
    return if (is_text) .{ .data = argument } else argument;
}

/// `T[]` (length null) or `T[length]`, also where `[]const u8` would be `bytes` and `[4]u8` would be `bytes4`.
pub fn List(comptime T: type, comptime length: ?comptime_int) type {
    return struct {
        items: if (length) |count| [count]T else []const T,

        pub const abi_list = {};
    };
}

pub const Kind = enum { boolean, integer, address, fixed_bytes, enumeration, bytes, string, list, array, tuple };

const allowed = "allowed are bool, u8 to u256 and i8 to i256 in steps of 8 bits, [1]u8 to [32]u8, enum, Address, Bytes, " ++
    "String, []const T, [N]T, covenant.List(u8, N) and structs of these";

/// The kind of ABI type that `T` is. A compile error says what is allowed where it is none.
pub fn kindOf(comptime T: type) Kind {
    @setEvalBranchQuota(1_000_000);
    if (T == Address) return .address;
    if (T == Bytes) return .bytes;
    if (T == String) return .string;
    return switch (@typeInfo(T)) {
        .bool => .boolean,
        .int => integerKind(T),
        .@"enum" => enumerationKind(T),
        .array => arrayKind(T),
        .pointer => sliceKind(T),
        .@"struct" => structKind(T),
        else => @compileError("no ABI type for " ++ @typeName(T) ++ ": " ++ allowed),
    };
}

fn integerKind(comptime T: type) Kind {
    const bits = @typeInfo(T).int.bits;
    if (bits == 0 or bits > 256 or bits % 8 != 0 or T == usize or T == isize) {
        @compileError("no ABI type for " ++ @typeName(T) ++ ": integers have 8, 16, 24 ... 256 bits, as u8, u64, i128 or u256");
    }
    return .integer;
}

fn enumerationKind(comptime T: type) Kind {
    const information = @typeInfo(T).@"enum";
    if (information.mode == .nonexhaustive) {
        if (information.tag_type == u8) return .enumeration;
        @compileError("no ABI type for " ++ @typeName(T) ++ ": an enum with _ has the tag type u8, as enum(u8)");
    }
    for (information.field_values, 0..) |value, index| if (value != index) {
        @compileError("no ABI type for " ++ @typeName(T) ++ ": the values of an enum are 0, 1, 2 ... without a gap, " ++
            information.field_names[index] ++ " is " ++ std.fmt.comptimePrint("{d}", .{value}));
    };
    if (information.field_values.len > 256 or information.field_values.len == 0) {
        @compileError("no ABI type for " ++ @typeName(T) ++ ": an enum has 1 to 256 values");
    }
    return .enumeration;
}

fn arrayKind(comptime T: type) Kind {
    const array = @typeInfo(T).array;
    if (array.len == 0) @compileError("no ABI type for " ++ @typeName(T) ++ ": an array has at least one item");
    if (array.child != u8) return nestedKind(array.child, .array);
    if (array.len <= 32) return .fixed_bytes;
    @compileError("no ABI type for " ++ @typeName(T) ++ ": arrays of u8 are [1]u8 to [32]u8, which are bytes1 to bytes32; " ++
        "uint8[N] is covenant.List(u8, N), and bytes is covenant.Bytes");
}

fn sliceKind(comptime T: type) Kind {
    const pointer = @typeInfo(T).pointer;
    if (pointer.size != .slice or !pointer.attrs.@"const" or pointer.sentinel_ptr != null) {
        @compileError("no ABI type for " ++ @typeName(T) ++ ": a list is []const T, text is covenant.String");
    }
    return if (pointer.child == u8) .bytes else nestedKind(pointer.child, .list);
}

fn structKind(comptime T: type) Kind {
    if (@hasDecl(T, "abi_list")) {
        const Items = @FieldType(T, "items");
        return if (@typeInfo(Items) == .array) .array else .list;
    }
    const information = @typeInfo(T).@"struct";
    if (information.layout == .@"packed") {
        @compileError("no ABI type for " ++ @typeName(T) ++ ": a struct is not packed; its fields have the ABI's own layout");
    }
    if (information.field_names.len == 0) @compileError("no ABI type for " ++ @typeName(T) ++ ": a struct has at least one field");
    for (information.field_types) |Field| _ = kindOf(Field);
    return .tuple;
}

fn nestedKind(comptime Item: type, comptime kind: Kind) Kind {
    _ = kindOf(Item);
    return kind;
}

/// The type of a list's or an array's items.
pub fn ItemOf(comptime T: type) type {
    return switch (@typeInfo(T)) {
        .array => |array| array.child,
        .pointer => |pointer| pointer.child,
        else => ItemOf(@FieldType(T, "items")),
    };
}

/// The number of items of an array (`T[N]`), or of bytes of a `bytesN`.
pub fn lengthOf(comptime T: type) comptime_int {
    return switch (@typeInfo(T)) {
        .array => |array| array.len,
        else => lengthOf(@FieldType(T, "items")),
    };
}

/// Whether a value is one word: no list, array, struct, bytes or string.
pub fn isValue(comptime T: type) bool {
    return switch (kindOf(T)) {
        .boolean, .integer, .address, .fixed_bytes, .enumeration => true,
        else => false,
    };
}

/// Whether the type's encoding has a length of its own, so that its place holds an offset.
pub fn isDynamic(comptime T: type) bool {
    @setEvalBranchQuota(1_000_000);
    return switch (kindOf(T)) {
        .bytes, .string, .list => true,
        .array => isDynamic(ItemOf(T)),
        .tuple => for (@typeInfo(T).@"struct".field_types) |Field| {
            if (isDynamic(Field)) break true;
        } else false,
        else => false,
    };
}

/// Bytes that the type takes in its place: 32 for an offset or a value, more for static arrays and structs.
pub fn headSize(comptime T: type) comptime_int {
    if (isDynamic(T)) return 32;
    return switch (kindOf(T)) {
        .array => lengthOf(T) * headSize(ItemOf(T)),
        .tuple => headSizeOf(@typeInfo(T).@"struct".field_types),
        else => 32,
    };
}

/// Bytes that values of these types take in a row, in their places.
pub fn headSizeOf(comptime types: []const type) comptime_int {
    @setEvalBranchQuota(1_000_000);
    comptime var size = 0;
    for (types) |T| size += headSize(T);
    return size;
}

/// The type's name in a signature: `uint256`, `bytes4`, `(address,uint256)[]`.
pub fn typeName(comptime T: type) []const u8 {
    return switch (kindOf(T)) {
        .boolean => "bool",
        .address => "address",
        .bytes => "bytes",
        .string => "string",
        .enumeration => "uint8",
        .integer => (if (@typeInfo(T).int.signedness == .signed) "int" else "uint") ++ strings.decimal(@typeInfo(T).int.bits),
        .fixed_bytes => "bytes" ++ strings.decimal(lengthOf(T)),
        .list => typeName(ItemOf(T)) ++ "[]",
        .array => typeName(ItemOf(T)) ++ "[" ++ strings.decimal(lengthOf(T)) ++ "]",
        .tuple => signature("", @typeInfo(T).@"struct".field_types),
    };
}

/// `name(type,type,...)`.
pub fn signature(comptime name: []const u8, comptime types: []const type) []const u8 {
    @setEvalBranchQuota(1_000_000);
    comptime var text: []const u8 = checkedName(name) ++ "(";
    inline for (types, 0..) |T, index| text = text ++ (if (index == 0) "" else ",") ++ comptime typeName(T);
    return text ++ ")";
}

/// A type's own name: the last part of its path, or what its `pub const abi_name` says.
pub fn ownName(comptime T: type) []const u8 {
    @setEvalBranchQuota(1_000_000);
    if (@hasDecl(T, "abi_name")) return checkedName(T.abi_name);
    const path = @typeName(T);
    const full = if (path[path.len - 1] == ')') path[0..std.mem.findScalar(u8, path, '(').?] else path;
    return full[if (std.mem.findScalarLast(u8, full, '.')) |dot| dot + 1 else 0..];
}

/// The name, which may stand in a signature: Zig's @"any text" may not.
pub fn checkedName(comptime name: []const u8) []const u8 {
    @setEvalBranchQuota(1_000_000);
    for (name, 0..) |byte, index| {
        const is_letter = std.ascii.isAlphabetic(byte) or byte == '_' or byte == '$';
        if (!is_letter and (index == 0 or !std.ascii.isDigit(byte))) {
            @compileError("no name for the ABI: \"" ++ name ++ "\"; a name has letters, digits, _ and $, and begins with no digit");
        }
    }
    return name;
}

/// Keccak-256, at compile time; at run time a contract asks the host (`covenant.hash`).
pub fn keccak(comptime text: []const u8) [32]u8 {
    return Digest(text.len, text[0..text.len].*).value;
}

/// A type for each text, so that the compiler computes a text's digest once.
fn Digest(comptime length: usize, comptime text: [length]u8) type {
    return struct {
        const value = keccak_256.keccak(&text);
    };
}

/// The first four bytes of a function's or an error's signature, as they lie in call data.
pub fn selector(comptime text: []const u8) [4]u8 {
    return comptime keccak(text)[0..4].*;
}

/// A list of names as a message shows it.
pub fn listed(comptime names: anytype) []const u8 {
    @setEvalBranchQuota(1_000_000);
    comptime var text: []const u8 = "";
    inline for (names, 0..) |name, index| text = text ++ (if (index == 0) "" else ", ") ++ name;
    return if (text.len == 0) "none" else text;
}

/// Whether a list of names has this one.
pub fn contains(comptime names: anytype, comptime wanted: []const u8) bool {
    @setEvalBranchQuota(1_000_000);
    inline for (names) |name| if (comptime std.mem.eql(u8, name, wanted)) return true;
    return false;
}
