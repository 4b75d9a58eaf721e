//! An instance of a WebAssembly module in a store of its own: made, called once, dropped. Python's memory holds what is
//! exchanged with wasmtime (Scratch of chain/zvm/runtime/capi.py) where host functions in Python use it too.

const wasmtime = @import("wasmtime.zig");

const api = &wasmtime.api;

pub const Extern = extern struct { kind: u64, item: [3]u64 };

pub const Scratch = extern struct {
    value: wasmtime.Value,
    memory: Extern,
    ink: Extern,
    stack: Extern,
    other: Extern,
    instance: [2]u64,
    trap: ?*wasmtime.Trap,
    /// Set as soon as there is a store.
    context: ?*wasmtime.Context,
};

/// What to make and to call, for the time of the run.
pub const Plan = struct {
    engine: *wasmtime.Engine,
    template: *wasmtime.Template,
    scratch: *Scratch,
    has_memory: bool,
    memory_bytes: u63,
    table_elements: u63,
    entry: []const u8,
    ink: u64,
    stack_words: u32,
    /// The arguments, which the result replaces.
    slots: []wasmtime.Slot,
    /// Asked at each epoch from the first on; null for a run that nothing interrupts.
    at_epoch: ?*const anyopaque,
    at_epoch_data: ?*anyopaque,
};

pub const Failure = error{
    /// The module lacks an export that instrumentation gives it.
    NoExport,
    /// It cannot be instantiated: an error of wasmtime, or a trap in the scratch.
    NotMade,
};

/// No run lasts so many epochs.
const forever = 1 << 62;

pub const Store = struct {
    store: *wasmtime.Store,

    /// data: what host functions find in the store.
    pub fn open(plan: *const Plan, data: *anyopaque) Store {
        const store: Store = .{ .store = api.store_new(plan.engine, data, null) };
        store.limit(plan);
        plan.scratch.context = api.store_context(store.store);
        return store;
    }

    /// From now on as the plan wants it, which may differ between two runs in one instance.
    pub fn limit(self: Store, plan: *const Plan) void {
        api.store_limiter(self.store, plan.memory_bytes, plan.table_elements, 1, 1, 1);
    }

    pub fn close(self: Store) void {
        api.store_delete(self.store);
    }

    pub fn never_interrupt(_: Store, context: *wasmtime.Context) void {
        api.set_epoch_deadline(context, forever);
    }

    /// From now on at each epoch, if the plan wants it.
    pub fn interrupt(self: Store, plan: *const Plan) void {
        const callback = plan.at_epoch orelse return;
        api.store_at_epoch(self.store, callback, plan.at_epoch_data, null);
        api.set_epoch_deadline(plan.scratch.context.?, 1);
    }

    /// Make the instance. cause: wasmtime's error, if there is one.
    pub fn make(self: Store, plan: *const Plan, cause: *?*wasmtime.Error) Failure!void {
        const scratch = plan.scratch;
        const context = scratch.context.?;
        // what fills the memory at the start looks at the epoch too, and must not be interrupted: it is no run yet
        self.never_interrupt(context);
        cause.* = api.instantiate(plan.template, context, &scratch.instance, &scratch.trap);
        if (cause.* != null or scratch.trap != null) return error.NotMade;
        self.interrupt(plan);
        if (plan.has_memory) try find(scratch, "memory", &scratch.memory);
        try set(scratch, "zvm_ink", &scratch.ink, .{ .kind = wasmtime.Value.kind_i64, .content = @bitCast(plan.ink) });
        try set(scratch, "zvm_stack", &scratch.stack, .{ .kind = wasmtime.Value.kind_i32, .content = plan.stack_words });
        try find(scratch, plan.entry, &scratch.other);
    }
};

/// Call the entry: an error where it was interrupted; a trap is left in the scratch.
pub fn call(plan: *const Plan) ?*wasmtime.Error {
    const scratch = plan.scratch;
    return api.call(scratch.context.?, item_of(&scratch.other), plan.slots.ptr, plan.slots.len, &scratch.trap);
}

pub fn item_of(found: *Extern) *wasmtime.Item {
    return @ptrCast(&found.item);
}

pub fn find(scratch: *Scratch, name: []const u8, target: *Extern) Failure!void {
    if (!api.instance_export(scratch.context.?, &scratch.instance, name.ptr, name.len, target)) return error.NoExport;
}

/// A global of 32 bits.
pub fn read(scratch: *Scratch, name: []const u8) Failure!u32 {
    var found: Extern = undefined;
    try find(scratch, name, &found);
    var value: wasmtime.Value = .{ .kind = wasmtime.Value.kind_i32, .content = 0 };
    api.global_get(scratch.context.?, item_of(&found), &value);
    return @truncate(@as(u64, @bitCast(value.content)));
}

fn set(scratch: *Scratch, name: []const u8, target: *Extern, value: wasmtime.Value) Failure!void {
    try find(scratch, name, target);
    if (api.global_set(scratch.context.?, item_of(target), &value) != null) return error.NoExport;
}

/// The ink that is left.
pub fn ink_left(scratch: *Scratch) u64 {
    var value: wasmtime.Value = .{ .kind = wasmtime.Value.kind_i64, .content = 0 };
    api.global_get(scratch.context.?, item_of(&scratch.ink), &value);
    return @bitCast(value.content);
}
