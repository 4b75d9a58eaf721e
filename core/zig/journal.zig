//! What undoes changes of a state: a list of what changed, and the values before, each on the stack of its type.
//! A checkpoint is the list's length.

const std = @import("std");
const Error = @import("errors.zig").Error;

/// A moment to go back to.
pub const Checkpoint = struct {
    length: usize,

    /// The beginning.
    pub const start: Checkpoint = .{ .length = 0 };
};

pub const Kind = enum(u8) { account, slot, transient, warm, warm_slot, touched, created, destroyed, log, refund };

/// A change of the thing with this index among those of its kind.
pub const Change = struct { kind: Kind, index: u32 };

pub fn Journal(comptime Account: type) type {
    return struct {
        const Self = @This();

        changes: std.ArrayList(Change) = .empty,
        accounts: std.ArrayList(Account) = .empty,
        words: std.ArrayList(u256) = .empty,
        refunds: std.ArrayList(i64) = .empty,

        pub fn record(self: *const Self) Checkpoint {
            return .{ .length = self.changes.items.len };
        }

        /// Forget all of it.
        pub fn clear(self: *Self) void {
            inline for (.{ "changes", "accounts", "words", "refunds" }) |stack| @field(self, stack).clearRetainingCapacity();
        }

        /// A mark that was not set before.
        pub fn mark(self: *Self, memory: std.mem.Allocator, kind: Kind, index: u32) Error!void {
            try self.changes.append(memory, .{ .kind = kind, .index = index });
        }

        pub fn word(self: *Self, memory: std.mem.Allocator, kind: Kind, index: u32, previous: u256) Error!void {
            try self.words.append(memory, previous);
            try self.mark(memory, kind, index);
        }

        pub fn account(self: *Self, memory: std.mem.Allocator, index: u32, previous: Account) Error!void {
            try self.accounts.append(memory, previous);
            try self.mark(memory, .account, index);
        }

        pub fn refund(self: *Self, memory: std.mem.Allocator, previous: i64) Error!void {
            try self.refunds.append(memory, previous);
            try self.mark(memory, .refund, 0);
        }
    };
}
