//! The functions of wasmtime's C interface that runs and host functions use, by the addresses that Python found, and
//! their types.

pub const Context = opaque {};
pub const Caller = opaque {};
pub const Engine = opaque {};
pub const Error = opaque {};
pub const Store = opaque {};
/// A module tied to its imports: wasmtime_instance_pre_t.
pub const Template = opaque {};
pub const Trap = opaque {};
/// What an export is: a function, a memory, or a global.
pub const Item = opaque {};

/// wasmtime_val_t
pub const Value = extern struct {
    kind: u64,
    content: i64,
    room: [2]u64 = @splat(0),

    pub const kind_i32 = 0;
    pub const kind_i64 = 1;
};

/// A parameter or a result, as wasmtime_val_raw_t has it.
pub const Slot = extern struct { content: i64, room: i64 };

pub const Api = extern struct {
    caller_context: *const fn (*Caller) callconv(.c) *Context,
    context_data: *const fn (*Context) callconv(.c) ?*anyopaque,
    set_context_data: *const fn (*Context, *anyopaque) callconv(.c) void,
    global_get: *const fn (*Context, *const Item, *Value) callconv(.c) void,
    global_set: *const fn (*Context, *const Item, *const Value) callconv(.c) ?*Error,
    memory_data: *const fn (*Context, *const Item) callconv(.c) ?[*]u8,
    memory_size: *const fn (*Context, *const Item) callconv(.c) usize,
    trap_new: *const fn (u8) callconv(.c) *Trap,
    store_new: *const fn (*Engine, *anyopaque, ?*const anyopaque) callconv(.c) *Store,
    store_context: *const fn (*Store) callconv(.c) *Context,
    store_limiter: *const fn (*Store, i64, i64, i64, i64, i64) callconv(.c) void,
    store_at_epoch: *const fn (*Store, *const anyopaque, ?*anyopaque, ?*const anyopaque) callconv(.c) void,
    store_delete: *const fn (*Store) callconv(.c) void,
    set_epoch_deadline: *const fn (*Context, u64) callconv(.c) void,
    instantiate: *const fn (*const Template, *Context, *anyopaque, *?*Trap) callconv(.c) ?*Error,
    instance_export: *const fn (*Context, *const anyopaque, [*]const u8, usize, *anyopaque) callconv(.c) bool,
    trap_code: *const fn (*const Trap, *u8) callconv(.c) bool,
    trap_delete: *const fn (*Trap) callconv(.c) void,
    error_new: *const fn ([*:0]const u8) callconv(.c) *Error,
    error_delete: *const fn (*Error) callconv(.c) void,
    call: *const fn (*Context, *const Item, [*]Slot, usize, *?*Trap) callconv(.c) ?*Error,
};

/// Set before any module is bound to a function of the core.
pub var api: Api = undefined;

/// TRAP_UNREACHABLE of chain/zvm/runtime/capi.py
pub const unreachable_code = 9;
