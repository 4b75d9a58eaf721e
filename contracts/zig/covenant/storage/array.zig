//! Arrays, fixed and dynamic. Values of up to 16 bytes share slots.

const kinds = @import("kinds.zig");
const handles = @import("handles.zig");
const failure = @import("../failure.zig");
const words = @import("words.zig");

const Word = words.Word;

/// The handle of a `T[N]`.
pub fn FixedArray(comptime region: words.Region, comptime T: type) type {
    const Item = kinds.Item(T);
    const count = kinds.length(T);
    return struct {
        slot: Word,

        const Self = @This();
        const items = Items(region, Item);

        pub const Declared = T;
        pub const covenant_region = region;
        pub const len = count;

        /// The handle of an item, or Panic(0x32).
        pub fn at(self: *const Self, index: u256) handles.Handle(region, Item) {
            if (index >= count) failure.panic(words.bad_index);
            return items.at(&self.slot, @intCast(index));
        }

        /// A copy of all items in memory.
        pub fn get(self: *const Self) Whole(T, [count]Item) {
            var values: [count]Item = undefined;
            items.read(&self.slot, &values);
            return if (comptime kinds.isList(T)) .{ .items = values } else values;
        }

        pub fn set(self: *const Self, values: Whole(T, [count]Item)) void {
            items.write(&self.slot, if (comptime kinds.isList(T)) &values.items else &values);
        }

        /// Set all items to zero.
        pub fn delete(self: *const Self) void {
            items.clear(&self.slot, 0, count);
        }
    };
}

/// The handle of a `T[]`: the slot has the length, the items begin at keccak256(slot).
pub fn DynamicArray(comptime region: words.Region, comptime T: type) type {
    const Item = kinds.Item(T);
    return struct {
        slot: Word,

        const Self = @This();
        const items = Items(region, Item);

        pub const Declared = T;
        pub const covenant_region = region;

        pub fn len(self: *const Self) usize {
            return lengthAt(region, &self.slot);
        }

        /// The handle of an item, or Panic(0x32).
        pub fn at(self: *const Self, index: u256) handles.Handle(region, Item) {
            if (index >= self.len()) failure.panic(words.bad_index);
            return items.at(&words.hash(&self.slot), @intCast(index));
        }

        /// Append a value.
        pub noinline fn push(self: *const Self, value: Item) void {
            self.pushNew().set(value);
        }

        /// Append an item of zeros and give its handle.
        pub noinline fn pushNew(self: *const Self) handles.Handle(region, Item) {
            const count = self.len();
            words.storeNumber(region, &self.slot, @as(u256, count) + 1);
            return items.at(&words.hash(&self.slot), count);
        }

        /// Remove the last item, or Panic(0x31).
        pub noinline fn pop(self: *const Self) void {
            const count = self.len();
            if (count == 0) failure.panic(words.empty_pop);
            if (comptime kinds.hasDeletable(Item)) items.at(&words.hash(&self.slot), count - 1).delete();
            words.storeNumber(region, &self.slot, count - 1);
        }

        /// A copy of all items in memory.
        pub noinline fn get(self: *const Self) Whole(T, []const Item) {
            const values = words.takeItems(Item, self.len());
            items.read(&words.hash(&self.slot), values);
            return if (comptime kinds.isList(T)) .{ .items = values } else values;
        }

        /// Replace all items; surplus ones are cleared.
        pub noinline fn set(self: *const Self, whole: Whole(T, []const Item)) void {
            const values = if (comptime kinds.isList(T)) whole.items else whole;
            self.resize(values.len);
            items.write(&words.hash(&self.slot), values);
        }

        /// Clear all items and the length. Items that are mappings keep their content, as in Solidity.
        pub fn delete(self: *const Self) void {
            self.resize(0);
        }

        noinline fn resize(self: *const Self, count: usize) void {
            const old = self.len();
            if (old != count) words.storeNumber(region, &self.slot, count);
            if (old > count) items.clear(&words.hash(&self.slot), count, old);
        }
    };
}

/// What all items are in memory.
fn Whole(comptime T: type, comptime Plain: type) type {
    return if (kinds.isList(T)) T else Plain;
}

/// Panic(0x41) where it is more than memory could address.
noinline fn lengthAt(comptime region: words.Region, slot: *const Word) usize {
    const count = words.loadNumber(region, slot);
    if (count > words.most_length) failure.panic(words.too_large);
    return @intCast(count);
}

/// Items from a first slot on.
fn Items(comptime region: words.Region, comptime Item: type) type {
    const Handle = handles.Handle(region, Item);
    const in_slot: u64 = kinds.inSlot(Item);
    const size = kinds.byteSize(Item);
    const slots = kinds.slots(Item);
    const is_value = kinds.kindOf(Item) == .value;
    const is_deletable = kinds.hasDeletable(Item);
    return struct {
        fn at(first: *const Word, index: u64) Handle {
            if (in_slot > 1) {
                const place = words.packedPlace(first, index, size);
                return handles.make(Handle, place.slot, place.offset);
            }
            return handles.make(Handle, words.advance(first, @as(u256, index) *% slots), 0);
        }

        noinline fn read(first: *const Word, values: []Item) void {
            for (values, 0..) |*value, index| value.* = at(first, index).get();
        }

        noinline fn write(first: *const Word, values: []const Item) void {
            for (values, 0..) |value, index| at(first, index).set(value);
        }

        /// Set the items from..until to zero.
        noinline fn clear(first: *const Word, from: u64, until: u64) void {
            if (!is_deletable) return;
            var index = from;
            while (index < until and index % in_slot != 0) : (index += 1) at(first, index).delete();
            if (is_value) {
                if (index < until) words.clear(region, &at(first, index).slot, (until - index + in_slot - 1) / in_slot);
            } else while (index < until) : (index += 1) at(first, index).delete();
        }
    };
}
