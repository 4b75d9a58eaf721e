//! `bytes` and `string`: up to 31 bytes beside twice their length in the slot; longer ones from keccak256(slot) on, and
//! twice their length plus one in the slot.

const abi = @import("../abi.zig");
const memory = @import("../memory.zig");
const failure = @import("../failure.zig");
const words = @import("words.zig");

const Word = words.Word;
const most_short = 31;

/// The handle of a `string` (T is String) or `bytes` (T is Bytes or []const u8).
pub fn Text(comptime region: words.Region, comptime T: type) type {
    return struct {
        slot: Word,

        const Self = @This();
        const operations = Operations(region);

        pub const Declared = T;
        pub const covenant_region = region;

        /// A copy in memory.
        pub fn get(self: *const Self) T {
            const data = operations.read(&self.slot);
            return if (T == []const u8) data else .{ .data = data };
        }

        /// Replace it by a T or by bytes; slots that a longer one had are cleared.
        pub fn set(self: *const Self, value: anytype) void {
            operations.write(&self.slot, bytesOf(value));
        }

        pub fn len(self: *const Self) usize {
            return operations.length(&words.load(region, &self.slot));
        }

        /// The byte at an index, or Panic(0x32).
        pub fn byteAt(self: *const Self, index: u256) u8 {
            const place = operations.place(&self.slot, index);
            return words.load(region, &place.slot)[31 - place.offset];
        }

        /// Replace the byte at an index, or Panic(0x32).
        pub fn setByte(self: *const Self, index: u256, byte: u8) void {
            const place = operations.place(&self.slot, index);
            words.storeBytes(region, &place.slot, place.offset, &.{byte});
        }

        /// Append a byte.
        pub fn push(self: *const Self, byte: u8) void {
            operations.push(&self.slot, byte);
        }

        /// Remove the last byte, or Panic(0x31).
        pub fn pop(self: *const Self) void {
            operations.pop(&self.slot);
        }

        pub fn delete(self: *const Self) void {
            operations.write(&self.slot, &.{});
        }
    };
}

/// The bytes of a String, Bytes, slice or literal.
pub fn bytesOf(value: anytype) []const u8 {
    return switch (@TypeOf(value)) {
        abi.Bytes, abi.String => value.data,
        else => value,
    };
}

/// What all handles of a region share.
fn Operations(comptime region: words.Region) type {
    return struct {
        /// Of the word in the slot; Panic(0x22) where it is none that Solidity writes.
        noinline fn length(word: *const Word) usize {
            const last = word[31];
            if (last & 1 == 0) {
                if (last > 2 * most_short) failure.panic(words.bad_encoding);
                return last >> 1;
            }
            const count = abi.readNumber(word) >> 1;
            if (count <= most_short) failure.panic(words.bad_encoding);
            if (count > words.most_length) failure.panic(words.too_large);
            return @intCast(count);
        }

        noinline fn read(slot: *const Word) []u8 {
            const word = words.load(region, slot);
            const count = length(&word);
            const out = memory.take((count + 31) & ~@as(usize, 31));
            if (count <= most_short) {
                @memcpy(out, word[0..out.len]);
                return out[0..count];
            }
            var source = words.hash(slot);
            var done: usize = 0;
            while (done < count) : (done += 32) {
                out[done..][0..32].* = words.load(region, &source);
                source = words.advance(&source, 1);
            }
            return out[0..count];
        }

        noinline fn write(slot: *const Word, data: []const u8) void {
            const old = length(&words.load(region, slot));
            const first = words.hash(slot);
            const kept = slotsOf(data.len);
            if (slotsOf(old) > kept) words.clear(region, &words.advance(&first, kept), slotsOf(old) - kept);
            if (data.len <= most_short) return words.store(region, slot, &short(data));
            words.storeNumber(region, slot, 2 * @as(u256, data.len) + 1);
            var target = first;
            var done: usize = 0;
            while (done < data.len) : (done += 32) {
                var word: Word = @splat(0);
                const part = data[done..@min(done + 32, data.len)];
                @memcpy(word[0..part.len], part);
                words.store(region, &target, &word);
                target = words.advance(&target, 1);
            }
        }

        fn short(data: []const u8) Word {
            var word: Word = @splat(0);
            @memcpy(word[0..data.len], data);
            word[31] = @intCast(2 * data.len);
            return word;
        }

        /// Slots from keccak256(slot) on.
        fn slotsOf(count: usize) usize {
            return if (count <= most_short) 0 else (count + 31) / 32;
        }

        noinline fn place(slot: *const Word, index: u256) words.Place {
            const count = length(&words.load(region, slot));
            if (index >= count) failure.panic(words.bad_index);
            return placeIn(slot, count, @intCast(index));
        }

        fn placeIn(slot: *const Word, count: usize, index: usize) words.Place {
            const offset: u8 = @intCast(31 - index % 32);
            if (count <= most_short) return .{ .slot = slot.*, .offset = offset };
            return .{ .slot = words.advance(&words.hash(slot), index / 32), .offset = offset };
        }

        noinline fn push(slot: *const Word, byte: u8) void {
            var word = words.load(region, slot);
            const count = length(&word);
            if (count < most_short) {
                word[count] = byte;
                word[31] += 2;
                return words.store(region, slot, &word);
            }
            if (count == most_short) {
                word[31] = byte;
                words.store(region, &words.hash(slot), &word);
            } else {
                const end = placeIn(slot, count, count);
                words.storeBytes(region, &end.slot, end.offset, &.{byte});
            }
            words.storeNumber(region, slot, 2 * @as(u256, count) + 3);
        }

        noinline fn pop(slot: *const Word) void {
            var word = words.load(region, slot);
            const count = length(&word);
            if (count == 0) failure.panic(words.empty_pop);
            if (count <= most_short) {
                word[count - 1] = 0;
                word[31] -= 2;
                return words.store(region, slot, &word);
            }
            const end = placeIn(slot, count, count - 1);
            if (count == most_short + 1) {
                var moved = words.load(region, &end.slot);
                words.store(region, &end.slot, &@splat(0));
                moved[31] = 2 * most_short;
                return words.store(region, slot, &moved);
            }
            words.storeBytes(region, &end.slot, end.offset, &.{0});
            words.storeNumber(region, slot, 2 * @as(u256, count) - 1);
        }
    };
}
