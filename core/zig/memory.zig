//! The core's memory: every byte is counted, and no more than a limit is given out.

const std = @import("std");

const Allocator = std.mem.Allocator;
const Alignment = std.mem.Alignment;

/// An allocator that counts what it has of another one. Any thread may use it.
pub const Counted = struct {
    child: Allocator,
    limit: std.atomic.Value(usize) = .init(1 << 30),
    used: std.atomic.Value(usize) = .init(0),
    peak: std.atomic.Value(usize) = .init(0),

    pub fn allocator(self: *Counted) Allocator {
        return .{ .ptr = self, .vtable = &.{ .alloc = alloc, .resize = resize, .remap = remap, .free = free } };
    }

    /// Whether so many bytes more stay within the limit; they are counted then.
    fn grow(self: *Counted, size: usize) bool {
        const before = self.used.fetchAdd(size, .monotonic);
        if (before +| size > self.limit.load(.monotonic)) {
            self.shrink(size);
            return false;
        }
        _ = self.peak.fetchMax(before + size, .monotonic);
        return true;
    }

    fn shrink(self: *Counted, size: usize) void {
        _ = self.used.fetchSub(size, .monotonic);
    }

    fn alloc(context: *anyopaque, size: usize, alignment: Alignment, address: usize) ?[*]u8 {
        const self: *Counted = @ptrCast(@alignCast(context));
        if (!self.grow(size)) return null;
        return self.child.rawAlloc(size, alignment, address) orelse {
            self.shrink(size);
            return null;
        };
    }

    fn resize(context: *anyopaque, memory: []u8, alignment: Alignment, size: usize, address: usize) bool {
        const self: *Counted = @ptrCast(@alignCast(context));
        const more = size -| memory.len;
        if (more > 0 and !self.grow(more)) return false;
        const done = self.child.rawResize(memory, alignment, size, address);
        self.shrink(if (done) memory.len -| size else more);
        return done;
    }

    fn remap(context: *anyopaque, memory: []u8, alignment: Alignment, size: usize, address: usize) ?[*]u8 {
        const self: *Counted = @ptrCast(@alignCast(context));
        const more = size -| memory.len;
        if (more > 0 and !self.grow(more)) return null;
        const moved = self.child.rawRemap(memory, alignment, size, address);
        self.shrink(if (moved != null) memory.len -| size else more);
        return moved;
    }

    fn free(context: *anyopaque, memory: []u8, alignment: Alignment, address: usize) void {
        const self: *Counted = @ptrCast(@alignCast(context));
        self.child.rawFree(memory, alignment, address);
        self.shrink(memory.len);
    }
};

/// What every function of the module allocates from.
pub var core: Counted = .{ .child = std.heap.c_allocator };
