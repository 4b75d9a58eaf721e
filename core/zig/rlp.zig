//! Recursive Length Prefix (Yellow Paper, appendix B): canonical only.

const std = @import("std");
const Error = @import("errors.zig").Error;

/// The encoding of no bytes.
pub const empty_string: []const u8 = "\x80";
const string_base = 0x80;
pub const list_base = 0xc0;
/// Payloads of so many bytes or more have their size in bytes of its own.
const short_limit = 56;

/// An item's payload, `data[start..stop]`; the item ends where its payload ends.
pub const Item = struct { is_list: bool, start: usize, stop: usize };

/// The item that begins at a position. Refused where it is not canonical, or goes on past the end of `data`.
pub fn item_at(data: []const u8, position: usize) Error!Item {
    if (position >= data.len) return error.Refused;
    const prefix = data[position];
    if (prefix < string_base) return .{ .is_list = false, .start = position, .stop = position + 1 };
    const is_list = prefix >= list_base;
    var size: usize = prefix - @as(u8, if (is_list) list_base else string_base);
    var start = position + 1;
    if (size >= short_limit) {
        const length = size - (short_limit - 1);
        if (length > data.len - start or data[start] == 0) return error.Refused;
        var long: u64 = 0;
        for (data[start..][0..length]) |byte| long = long << 8 | byte;
        if (long < short_limit) return error.Refused;
        start += length;
        size = std.math.cast(usize, long) orelse return error.Refused;
    }
    if (size > data.len - start) return error.Refused;
    if (!is_list and size == 1 and data[start] < string_base) return error.Refused;
    return .{ .is_list = is_list, .start = start, .stop = start + size };
}

/// The payload of the list, or of the string, that spans `data`.
pub fn spanning(data: []const u8, is_list: bool) Error![]const u8 {
    const item = try item_at(data, 0);
    if (item.is_list != is_list or item.stop != data.len) return error.Refused;
    return data[item.start..item.stop];
}

/// The items of a list's payload, one after another.
pub const Items = struct {
    payload: []const u8,
    position: usize = 0,

    /// The next item's whole encoding; null at the end.
    pub fn next(self: *Items) Error!?[]const u8 {
        if (self.position == self.payload.len) return null;
        const item = try item_at(self.payload, self.position);
        defer self.position = item.stop;
        return self.payload[self.position..item.stop];
    }

    /// The payload of the next item, which must be there and of this kind.
    pub fn take(self: *Items, is_list: bool) Error![]const u8 {
        const item = try item_at(self.payload, self.position);
        if (item.is_list != is_list) return error.Refused;
        self.position = item.stop;
        return self.payload[item.start..item.stop];
    }

    pub fn at_end(self: *const Items) bool {
        return self.position == self.payload.len;
    }
};

fn length_of(size: usize) usize {
    return (@as(usize, 64) - @clz(@as(u64, size)) + 7) / 8;
}

fn header_size(size: usize) usize {
    return if (size < short_limit) 1 else 1 + length_of(size);
}

/// How many bytes the encoding of a string takes.
pub fn string_size(data: []const u8) usize {
    if (data.len == 1 and data[0] < string_base) return 1;
    return header_size(data.len) + data.len;
}

/// How many bytes the encoding of a list takes whose items take `size`.
pub fn list_size(size: usize) usize {
    return header_size(size) + size;
}

fn write_header(out: []u8, base: u8, size: usize) usize {
    if (size < short_limit) {
        out[0] = base + @as(u8, @intCast(size));
        return 1;
    }
    const length = length_of(size);
    out[0] = base + short_limit - 1 + @as(u8, @intCast(length));
    var rest = size;
    var index = length;
    while (index > 0) : (index -= 1) {
        out[index] = @truncate(rest);
        rest >>= 8;
    }
    return 1 + length;
}

/// Write a string's encoding, of `string_size` bytes; how many they are.
pub fn write_string(out: []u8, data: []const u8) usize {
    if (data.len == 1 and data[0] < string_base) {
        out[0] = data[0];
        return 1;
    }
    const start = write_header(out, string_base, data.len);
    @memcpy(out[start..][0..data.len], data);
    return start + data.len;
}

/// Write the header of a list whose items take `size` bytes; how many bytes it has.
pub fn write_list_header(out: []u8, size: usize) usize {
    return write_header(out, list_base, size);
}
