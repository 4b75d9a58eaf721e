//! Who watches a run hears of it afterwards: of the frames that began and ended, of logs, and of what instructions looked
//! at, in their order.

const std = @import("std");
const host = @import("host.zig");
const state_of = @import("state.zig");
const Error = @import("errors.zig").Error;

/// What opened a frame: `host.Kind`, and the payment of a self-destruction, which is shown as one.
pub const Kind = enum { CALL, CALLCODE, DELEGATECALL, STATICCALL, CREATE, CREATE2, SELFDESTRUCT };

/// What an event takes, as Python's objects too, besides the bytes that it shows.
const event_size = 512;

/// A part of the bytes that the watch keeps.
pub const Part = struct { start: usize, size: usize };

pub const Enter = struct {
    kind: Kind,
    depth: u16,
    sender: host.Address,
    /// Whose storage the code acts on.
    address: host.Address,
    code_address: host.Address,
    /// The account that was called, before a delegation is followed; the new one of a creation.
    target: host.Address,
    value: host.Word,
    gas: u64,
    /// Creation code or call data.
    data: Part,
};

/// A detail's text is a part of its own.
pub const Exit = struct { gas_used: u64, output: Part, status: host.Status, detail: host.Detail, text: Part };

/// An account, or a slot of it, that an instruction read or wrote for the first time.
pub const Look = struct { address: host.Address, slot: ?host.Word };

pub const Event = union(enum) {
    enter: Enter,
    exit: Exit,
    /// A log that was made; that of a frame that fails goes when it ends.
    log: state_of.Log,
    look: Look,
};

/// A frame's end, as `machine.End` has it.
const End = struct { status: host.Status, gas_left: u64, output: []const u8 };

pub const Watch = struct {
    /// Of a run: freed as a whole.
    memory: std.mem.Allocator,
    /// Most bytes of events and of what they show; past it the run is refused.
    limit: usize,
    wants_logs: bool,
    wants_looks: bool,
    events: std.ArrayList(Event) = .empty,
    bytes: std.ArrayList(u8) = .empty,
    used: usize = 0,

    fn take(self: *Watch, size: usize) Error!void {
        self.used +|= size +| event_size;
        if (self.used > self.limit) return error.Refused;
    }

    fn keep(self: *Watch, data: []const u8) Error!Part {
        const start = self.bytes.items.len;
        try self.bytes.appendSlice(self.memory, data);
        return .{ .start = start, .size = data.len };
    }

    pub fn shown(self: *const Watch, part: Part) []const u8 {
        return self.bytes.items[part.start..][0..part.size];
    }

    /// A message is about to run; nothing of it is done.
    pub fn enter(self: *Watch, message: *const host.Message) Error!void {
        const data = if (message.is_create()) message.code else message.data;
        try self.take(data.len);
        try self.events.append(self.memory, .{ .enter = .{
            .kind = kind_of(message.kind),
            .depth = message.depth,
            .sender = message.sender,
            .address = message.storage_address,
            .code_address = message.code_address,
            .target = message.target,
            .value = message.value,
            .gas = message.gas,
            .data = try self.keep(data),
        } });
    }

    /// The innermost frame ended. end: has `status`, `gas_left` and `output`.
    pub fn exit(self: *Watch, gas_limit: u64, end: anytype, detail: *const host.Detail) Error!void {
        const text = switch (detail.*) {
            .text => |text| text,
            else => "",
        };
        try self.take(end.output.len + text.len);
        try self.events.append(self.memory, .{ .exit = .{
            .gas_used = gas_limit - end.gas_left,
            .output = try self.keep(end.output),
            .status = end.status,
            .detail = if (end.status == .success) .none else detail.*,
            .text = try self.keep(text),
        } });
    }

    /// A message that never runs.
    pub fn refused(self: *Watch, message: *const host.Message, status: host.Status, gas_used: u64) Error!void {
        try self.enter(message);
        try self.exit(message.gas, End{ .status = status, .gas_left = message.gas - gas_used, .output = "" }, &.none);
    }

    /// A self-destruction pays what the account has.
    pub fn selfdestruct(self: *Watch, depth: u16, address: host.Address, beneficiary: host.Address, wei: host.Word) Error!void {
        try self.take(0);
        try self.events.append(self.memory, .{ .enter = .{
            .kind = .SELFDESTRUCT,
            .depth = depth,
            .sender = address,
            .address = beneficiary,
            .code_address = beneficiary,
            .target = beneficiary,
            .value = wei,
            .gas = 0,
            .data = .{ .start = 0, .size = 0 },
        } });
        try self.exit(0, End{ .status = .success, .gas_left = 0, .output = "" }, &.none);
    }

    /// An instruction has read an account.
    pub fn look(self: *Watch, state: *state_of.State, account: state_of.Account) Error!void {
        if (self.wants_looks and state.show(account)) try self.note_look(state.address_of(account), null);
    }

    /// An instruction has read or written a slot.
    pub fn look_at_slot(self: *Watch, state: *state_of.State, account: state_of.Account, slot: host.Word) Error!void {
        if (self.wants_looks and try state.show_slot(account, slot)) try self.note_look(state.address_of(account), slot);
    }

    fn note_look(self: *Watch, address: host.Address, slot: ?host.Word) Error!void {
        try self.take(0);
        try self.events.append(self.memory, .{ .look = .{ .address = address, .slot = slot } });
    }

    /// A log was appended; its data live as long as the state.
    pub fn log(self: *Watch, made: *const state_of.Log) Error!void {
        if (!self.wants_logs) return;
        try self.take(made.data.len);
        try self.events.append(self.memory, .{ .log = made.* });
    }
};

fn kind_of(kind: host.Kind) Kind {
    return switch (kind) {
        .call => .CALL,
        .callcode => .CALLCODE,
        .delegatecall => .DELEGATECALL,
        .staticcall => .STATICCALL,
        .create => .CREATE,
        .create2 => .CREATE2,
    };
}
