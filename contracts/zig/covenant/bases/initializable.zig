//! Initialisers of contracts behind proxies: OpenZeppelin's Initializable, in its ERC-7201 namespace.
//!
//!     pub fn initialize(first: Address) void {
//!         const run = initializable.initializer();
//!         defer run.finish();
//!         ...
//!     }

const covenant = @import("../covenant.zig");

pub const Initialized = struct { version: u64 };

pub const InvalidInitialization = struct {};
pub const NotInitializing = struct {};

pub const events = .{Initialized};
pub const errors = .{ InvalidInitialization, NotInitializing };

const state = covenant.namespace("openzeppelin.storage.Initializable", struct {
    _initialized: u64,
    _initializing: bool,
});

/// The version of a contract whose initialisers are disabled.
const disabled = ~@as(u64, 0);

/// An initialiser that runs.
pub const Run = struct {
    version: u64,
    is_outermost: bool,

    /// End it, and tell the version.
    pub fn finish(self: Run) void {
        if (!self.is_outermost) return;
        state._initializing.set(false);
        covenant.emit(Initialized{ .version = self.version });
    }
};

/// Begin the first initialisation. Reverts if there was one.
pub fn initializer() Run {
    const is_outermost = !state._initializing.get();
    const done = state._initialized.get();
    const is_first = done == 0 and is_outermost;
    const is_construction = done == 1 and covenant.codeSize(covenant.this()) == 0;
    if (!is_first and !is_construction) covenant.revertWith(InvalidInitialization{});
    return begun(1, is_outermost);
}

/// Begin the initialisation of a later version, 2 or higher. Reverts if that one, or a later one, was.
pub fn reinitializer(new: u64) Run {
    if (state._initializing.get() or state._initialized.get() >= new) covenant.revertWith(InvalidInitialization{});
    return begun(new, true);
}

/// For functions that initialisers alone call.
pub fn requireInitializing() void {
    if (!state._initializing.get()) covenant.revertWith(NotInitializing{});
}

/// In the constructor of a contract that proxies delegate to: nobody initialises the contract itself.
pub fn disable() void {
    if (state._initializing.get()) covenant.revertWith(InvalidInitialization{});
    if (state._initialized.get() == disabled) return;
    state._initialized.set(disabled);
    covenant.emit(Initialized{ .version = disabled });
}

/// The version that was initialised last; 0 if none.
pub fn version() u64 {
    return state._initialized.get();
}

fn begun(new: u64, is_outermost: bool) Run {
    state._initialized.set(new);
    if (is_outermost) state._initializing.set(true);
    return .{ .version = new, .is_outermost = is_outermost };
}
