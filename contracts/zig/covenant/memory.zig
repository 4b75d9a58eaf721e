//! Memory that is taken and never given back: a frame lives for one call, so there is nothing to free.

const page_bytes = 65_536;

extern var __heap_base: u8;
var next: usize = 0;

/// `length` bytes, aligned to 8. Ends the call where memory cannot grow: the host has then charged or refused.
pub fn take(length: usize) []u8 {
    if (next == 0) next = @intFromPtr(&__heap_base);
    const start = (next + 7) & ~@as(usize, 7);
    const end = start + length;
    if (end < start) @trap();
    const held = @wasmMemorySize(0) * page_bytes;
    if (end > held) {
        const wanted = (end - held + page_bytes - 1) / page_bytes;
        if (@wasmMemoryGrow(0, wanted) < 0) @trap();
    }
    next = end;
    return @as([*]u8, @ptrFromInt(start))[0..length];
}
