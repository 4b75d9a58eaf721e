//! Values to the ABI's encoding. A frame is a row of places: a static value lies in its place, of a dynamic one the
//! place holds the offset in the frame at which its body follows.

const memory = @import("memory.zig");
const types = @import("types.zig");
const word = @import("word.zig");

/// `prefix` and the encoding of a tuple of values, in memory of its own: call data, revert data, results.
pub fn encode(prefix: []const u8, values: anytype) []u8 {
    const Tuple = @TypeOf(values);
    return encodeFields(prefix, Tuple, &values, @typeInfo(Tuple).@"struct".field_names);
}

/// `prefix` and the encoding of these fields of a struct.
pub fn encodeFields(prefix: []const u8, comptime T: type, value: *const T, comptime names: []const [:0]const u8) []u8 {
    const out = memory.take(prefix.len + sizeOfFields(T, value, names));
    @memcpy(out[0..prefix.len], prefix);
    _ = writeFields(T, value, names, out[prefix.len..].ptr);
    return out;
}

/// Bytes that the encoding of a tuple of values takes.
pub fn encodedSize(values: anytype) usize {
    const Tuple = @TypeOf(values);
    return sizeOfFields(Tuple, &values, @typeInfo(Tuple).@"struct".field_names);
}

/// Bytes of a frame of these fields, bodies included.
pub fn sizeOfFields(comptime T: type, value: *const T, comptime names: []const [:0]const u8) usize {
    var size: usize = comptime headSizeOfFields(T, names);
    inline for (names) |name| size += sizeOfBody(@FieldType(T, name), &@field(value, name));
    return size;
}

/// Write a frame of these fields; the bytes that it takes.
pub fn writeFields(comptime T: type, value: *const T, comptime names: []const [:0]const u8, out: [*]u8) usize {
    var tail: usize = comptime headSizeOfFields(T, names);
    comptime var head = 0;
    inline for (names) |name| {
        const Field = @FieldType(T, name);
        tail = write(Field, &@field(value, name), out, head, tail);
        head += comptime types.headSize(Field);
    }
    return tail;
}

fn headSizeOfFields(comptime T: type, comptime names: []const [:0]const u8) comptime_int {
    comptime var size = 0;
    inline for (names) |name| size += types.headSize(@FieldType(T, name));
    return size;
}

/// Write a value into its place at `head` of a frame, and the body of a dynamic one at `tail`; where the next body goes.
fn write(comptime T: type, value: *const T, frame: [*]u8, head: usize, tail: usize) usize {
    if (comptime types.isDynamic(T)) {
        writeLength(frame + head, tail);
        return tail + writeBody(T, value, frame + tail);
    }
    switch (comptime types.kindOf(T)) {
        .array, .tuple => _ = writeBody(T, value, frame + head),
        else => word.writeWord(T, value, frame[head..][0..32]),
    }
    return tail;
}

/// Bytes of what lies outside of the value's place: none of a static one.
fn sizeOfBody(comptime T: type, value: *const T) usize {
    if (!comptime types.isDynamic(T)) return 0;
    return switch (comptime types.kindOf(T)) {
        .bytes, .string => 32 + paddedLength(bytesOf(T, value).len),
        .list => 32 + sizeOfItems(types.ItemOf(T), itemsOf(T, value)),
        .array => sizeOfItems(types.ItemOf(T), itemsOf(T, value)),
        else => sizeOfFields(T, value, @typeInfo(T).@"struct".field_names),
    };
}

fn sizeOfItems(comptime Item: type, items: []const Item) usize {
    var size = items.len * comptime types.headSize(Item);
    if (comptime types.isDynamic(Item)) {
        for (items) |*item| size += sizeOfBody(Item, item);
    }
    return size;
}

fn writeBody(comptime T: type, value: *const T, out: [*]u8) usize {
    switch (comptime types.kindOf(T)) {
        .bytes, .string => return writeBytes(bytesOf(T, value), out),
        .list => {
            const items = itemsOf(T, value);
            writeLength(out, items.len);
            return 32 + writeItems(types.ItemOf(T), items, out + 32);
        },
        .array => return writeItems(types.ItemOf(T), itemsOf(T, value), out),
        else => return writeFields(T, value, @typeInfo(T).@"struct".field_names, out),
    }
}

fn writeItems(comptime Item: type, items: []const Item, out: [*]u8) usize {
    const step = comptime types.headSize(Item);
    var tail = items.len * step;
    for (items, 0..) |*item, index| tail = write(Item, item, out, index * step, tail);
    return tail;
}

noinline fn writeBytes(data: []const u8, out: [*]u8) usize {
    writeLength(out, data.len);
    const end = 32 + paddedLength(data.len);
    @memcpy(out[32..][0..data.len], data);
    @memset(out[32 + data.len .. end], 0);
    return end;
}

noinline fn writeLength(out: [*]u8, length: usize) void {
    word.writeNumber(out[0..32], length);
}

/// The data of `bytes` or `string`.
pub fn bytesOf(comptime T: type, value: *const T) []const u8 {
    return if (@typeInfo(T) == .pointer) value.* else value.data;
}

/// The items of a list or an array.
pub fn itemsOf(comptime T: type, value: *const T) []const types.ItemOf(T) {
    return switch (@typeInfo(T)) {
        .array => value,
        .pointer => value.*,
        else => itemsOf(@FieldType(T, "items"), &value.items),
    };
}

pub fn paddedLength(length: usize) usize {
    return (length + 31) & ~@as(usize, 31);
}
