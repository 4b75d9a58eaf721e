//! A switch that stops what asks it: OpenZeppelin's Pausable, with its storage, events and errors.

const covenant = @import("../covenant.zig");

const Address = covenant.Address;

pub const Paused = struct { account: Address };
pub const Unpaused = struct { account: Address };

pub const EnforcedPause = struct {};
pub const ExpectedPause = struct {};

/// A base: a function that stands still during a pause begins with `requireNotPaused`. The contract decides who calls
/// `pause` and `unpause`, which are no part of the ABI by themselves.
pub fn Pausable(comptime Contract: type) type {
    return struct {
        pub const Fields = struct { _paused: bool };
        pub const view = .{"paused"};
        pub const internal = .{ "requireNotPaused", "requirePaused", "pause", "unpause" };
        pub const events = .{ Paused, Unpaused };
        pub const errors = .{ EnforcedPause, ExpectedPause };

        pub fn paused() bool {
            return Contract.storage._paused.get();
        }

        pub fn requireNotPaused() void {
            if (paused()) covenant.revertWith(EnforcedPause{});
        }

        pub fn requirePaused() void {
            if (!paused()) covenant.revertWith(ExpectedPause{});
        }

        pub fn pause() void {
            requireNotPaused();
            Contract.storage._paused.set(true);
            covenant.emit(Paused{ .account = covenant.sender() });
        }

        pub fn unpause() void {
            requirePaused();
            Contract.storage._paused.set(false);
            covenant.emit(Unpaused{ .account = covenant.sender() });
        }
    };
}
