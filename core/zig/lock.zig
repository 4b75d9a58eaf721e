//! The interpreter's lock while a message runs. A short run keeps it. One that lasts hands it over, so that other threads
//! go on, and takes it again for each question to Python.

const std = @import("std");
const python = @import("python.zig");

/// How long a run does without the lock at most: then it looks, as deadlines, cancellations and signals want it.
const longest_ns = 4_000_000;

/// Most slices between two looks that have to pass without a question before the lock is handed over again.
const most_wanted = 64;

pub const Lock = struct {
    /// Whether the run may hand it over: not on a thread that others wait for.
    is_shared: bool,
    /// What CPython wants back; null while the lock is held.
    thread: ?*anyopaque = null,
    given_at: u64 = 0,
    /// Slices in a row that had no question for Python, and how many there have to be: more, each time that one came
    /// without the lock, since it has to be waited for where other threads work.
    quiet: u32 = 0,
    wanted: u32 = 1,

    /// Before a question to Python, and before anything else that all runs share.
    pub fn take(self: *Lock) void {
        self.quiet = 0;
        if (self.thread == null) return;
        self.restore();
        self.wanted = @min(2 * self.wanted, most_wanted);
    }

    /// Before work that looks at no clock: others go on meanwhile, where they may.
    pub fn let_go(self: *Lock) void {
        if (self.is_shared and self.thread == null) self.give();
    }

    /// At the end of a slice: whether Python is to be asked for the time now.
    pub fn wants_look(self: *Lock) bool {
        if (self.thread == null) return true;
        if (now() -% self.given_at < longest_ns) return false;
        self.restore();
        self.wanted = 1;
        return true;
    }

    /// After Python was asked for the time.
    pub fn looked(self: *Lock) void {
        self.quiet += 1;
        if (self.is_shared and self.quiet > self.wanted) self.give();
    }

    fn give(self: *Lock) void {
        self.given_at = now();
        self.thread = python.PyEval_SaveThread();
    }

    fn restore(self: *Lock) void {
        python.PyEval_RestoreThread(self.thread);
        self.thread = null;
    }
};

fn now() u64 {
    var time: std.c.timespec = undefined;
    if (std.c.clock_gettime(.MONOTONIC, &time) != 0) return 0;
    return @as(u64, @intCast(time.sec)) * std.time.ns_per_s + @as(u64, @intCast(time.nsec));
}
