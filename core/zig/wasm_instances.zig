//! Instances of WebAssembly modules that wait for another run. One that has run becomes as a new one: its memory has its
//! first content again, and the function that instrumentation adds (RENEW of chain/zvm/module/rules.py) sets the globals.
//! Tables never change. That takes a fraction of the time in which wasmtime makes an instance and drops it.

const std = @import("std");
const runs = @import("wasm_run.zig");
const wasmtime = @import("wasmtime.zig");
const core = &@import("memory.zig").core;

const api = &wasmtime.api;

/// Waiting instances, in all and of one module. The pool has room for them (_IDLE_SLOTS of chain/zvm/runtime/engine.py).
const most_idle = 48;
const most_of_module = 4;

/// Bytes of memory of an instance that is kept; to write more of it takes as long as to make another one.
const most_memory = 2 * 65_536;

const renewal = "stylus_zvm_renew";

/// The memory of a new instance, without the zeros at its ends.
const First = struct {
    content: []const u8 = &.{},
    start: usize = 0,
    /// Of the whole memory.
    size: usize = 0,

    fn of(memory: []const u8) error{OutOfMemory}!First {
        const start = zeros_ahead(memory);
        if (start == memory.len) return .{ .size = memory.len };
        const end = memory.len - zeros_behind(memory);
        return .{ .content = try core.allocator().dupe(u8, memory[start..end]), .start = start, .size = memory.len };
    }

    fn restore(self: *const First, memory: []u8) void {
        const end = self.start + self.content.len;
        clear(memory[0..self.start]);
        @memcpy(memory[self.start..end], self.content);
        clear(memory[end..]);
    }
};

/// The C library knows wider stores than the core's baseline has.
extern "c" fn bzero(start: [*]u8, size: usize) void;

fn clear(memory: []u8) void {
    bzero(memory.ptr, memory.len);
}

const block = 64;

fn is_blank(bytes: *const [block]u8) bool {
    return @reduce(.Or, @as(@Vector(block, u8), bytes.*)) == 0;
}

/// Bytes in whole blocks.
fn zeros_ahead(memory: []const u8) usize {
    var place: usize = 0;
    while (memory.len - place >= block and is_blank(memory[place..][0..block])) place += block;
    return place;
}

fn zeros_behind(memory: []const u8) usize {
    var left = memory.len;
    while (left >= block and is_blank(memory[left - block ..][0..block])) left -= block;
    return memory.len - left;
}

pub const Instance = struct {
    scratch: runs.Scratch = undefined,
    template: *wasmtime.Template,
    store: ?runs.Store = null,
    renew: runs.Extern = undefined,
    /// Null where it cannot be renewed.
    first: ?First = null,
    /// When it was last used.
    used: u64 = 0,

    /// One that waits, or room for a new one.
    pub fn take(template: *wasmtime.Template) error{OutOfMemory}!*Instance {
        if (idle.take(template)) |found| return found;
        const made = try core.allocator().create(Instance);
        made.* = .{ .template = template };
        return made;
    }

    /// Make it ready for a run. cause: wasmtime's error, if there is one. data: what host functions find in the store.
    pub fn begin(self: *Instance, plan: *const runs.Plan, data: *anyopaque, cause: *?*wasmtime.Error) runs.Failure!void {
        self.scratch.trap = null;
        if (self.store) |store| return self.become_new(store, plan, data, cause);
        const store: runs.Store = .open(plan, data);
        self.store = store;
        try store.make(plan, cause);
        if (runs.find(&self.scratch, renewal, &self.renew)) {
            const whole = self.memory(plan.has_memory);
            if (whole.len <= most_memory) self.first = First.of(whole) catch null;
        } else |_| {}
    }

    fn become_new(self: *Instance, store: runs.Store, plan: *const runs.Plan, data: *anyopaque, cause: *?*wasmtime.Error) runs.Failure!void {
        const context = self.scratch.context.?;
        api.set_context_data(context, data);
        store.never_interrupt(context);
        store.limit(plan);
        self.first.?.restore(self.memory(plan.has_memory));
        var slots = [_]wasmtime.Slot{
            .{ .content = @bitCast(plan.ink), .room = 0 },
            .{ .content = plan.stack_words, .room = 0 },
        };
        cause.* = api.call(context, runs.item_of(&self.renew), &slots, slots.len, &self.scratch.trap);
        if (cause.* != null or self.scratch.trap != null) return error.NotMade;
        store.interrupt(plan);
    }

    fn memory(self: *Instance, has_memory: bool) []u8 {
        if (!has_memory) return &.{};
        const item = runs.item_of(&self.scratch.memory);
        const context = self.scratch.context.?;
        const base = api.memory_data(context, item) orelse return &.{};
        return base[0..api.memory_size(context, item)];
    }

    /// After a run to its end, or a trap: keep it for another one, if it can be renewed. Its memory has not grown then.
    pub fn give_back(self: *Instance, has_memory: bool) void {
        const first = self.first orelse return self.drop();
        if (self.memory(has_memory).len != first.size) return self.drop();
        if (idle.put(self)) |surplus| surplus.drop();
    }

    pub fn drop(self: *Instance) void {
        if (self.store) |store| store.close();
        if (self.first) |first| core.allocator().free(first.content);
        core.allocator().destroy(self);
    }
};

/// Drop those of a module that wait: before its template goes, whose address another one may have then.
pub fn forget(template: *wasmtime.Template) void {
    while (idle.take(template)) |found| found.drop();
}

/// Any thread may take and put.
const Idle = struct {
    mutex: std.c.pthread_mutex_t = .{},
    /// Beside each instance its template, by which it is found.
    templates: [most_idle]?*wasmtime.Template = @splat(null),
    instances: [most_idle]*Instance = undefined,
    uses: u64 = 0,

    fn take(self: *Idle, template: *wasmtime.Template) ?*Instance {
        _ = std.c.pthread_mutex_lock(&self.mutex);
        defer _ = std.c.pthread_mutex_unlock(&self.mutex);
        for (&self.templates, self.instances) |*known, instance| {
            if (known.* != template) continue;
            known.* = null;
            return instance;
        }
        return null;
    }

    /// The one that has no place: this one, or the one that was used longest ago.
    fn put(self: *Idle, given: *Instance) ?*Instance {
        _ = std.c.pthread_mutex_lock(&self.mutex);
        defer _ = std.c.pthread_mutex_unlock(&self.mutex);
        self.uses += 1;
        given.used = self.uses;
        var same: usize = 0;
        var free: ?usize = null;
        var oldest: usize = 0;
        for (&self.templates, 0..) |known, place| {
            if (known == null) {
                free = place;
            } else {
                same += @intFromBool(known == given.template);
                if (self.templates[oldest] == null or self.instances[place].used < self.instances[oldest].used) oldest = place;
            }
        }
        if (same == most_of_module) return given;
        const surplus = if (free == null) self.instances[oldest] else null;
        const place = free orelse oldest;
        self.templates[place] = given.template;
        self.instances[place] = given;
        return surplus;
    }
};

var idle: Idle = .{};
