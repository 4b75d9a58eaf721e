//! Memory that is taken and never given back: a frame lives for one call, so there is nothing to free.

const failure = @import("failure.zig");
const hooks = @import("hooks.zig");

const page_bytes = 65_536;

/// Addresses have 32 bits.
const most_bytes = 0xffff_ffff;

/// What `take` aligns to: the largest alignment of a number.
const alignment = 16;

const Heap = struct {
    extern var __heap_base: u8;
    var next: usize = 0;
};

/// `length` bytes, aligned to 16. Ends the call where memory cannot grow: the host has then charged or refused.
pub noinline fn take(length: usize) []align(alignment) u8 {
    if (!hooks.on_chain) return hooks.takeNatively(length);
    if (Heap.next == 0) Heap.next = @intFromPtr(&Heap.__heap_base);
    const start = (Heap.next +% (alignment - 1)) & ~@as(usize, alignment - 1);
    const end = start +% length;
    if (end < start) @trap();
    const held = @wasmMemorySize(0) * page_bytes;
    if (end > held) {
        const wanted = (end - held + page_bytes - 1) / page_bytes;
        if (@wasmMemoryGrow(0, wanted) < 0) @trap();
    }
    Heap.next = end;
    return @as([*]align(alignment) u8, @ptrFromInt(start))[0..length];
}

/// Memory for `count` items, undefined.
pub fn takeItems(comptime Item: type, count: usize) []Item {
    const bytes, const overflow = @mulWithOverflow(count, @sizeOf(Item));
    if (overflow != 0) @trap();
    return @as([*]Item, @ptrCast(take(bytes).ptr))[0..count];
}

/// `new T[](count)`: memory for items that are all zero, as memory is new each time. Panic(0x41) where it is more than
/// memory could hold.
pub fn list(comptime Item: type, count: u256) []Item {
    if (count > most_bytes / @sizeOf(Item)) failure.panic(failure.too_large);
    return takeItems(Item, @intCast(count));
}
