//! Ends of a call that undo it: errors of the contract's own, texts, Solidity's panics.
//!
//!     const NotOwner = struct { caller: Address };
//!     covenant.revertWith(NotOwner{ .caller = covenant.sender() });

const encode = @import("encode.zig");
const hooks = @import("hooks.zig");
const types = @import("types.zig");
const word = @import("word.zig");

const Error = struct { message: types.String };

/// Solidity's codes of Panic(uint256).
pub const failed_assertion = 0x01;
pub const overflow = 0x11;
pub const division_by_zero = 0x12;
pub const invalid_enum = 0x21;
pub const pop_of_nothing = 0x31;
pub const out_of_bounds = 0x32;
pub const too_large = 0x41;

pub const panic_selector = types.selector("Panic(uint256)");
pub const error_selector = types.selector("Error(string)");

/// The status of a call that reverts, and of one whose selector the contract does not have.
pub const status_reverted = 1;
pub const status_no_such_function = 2;

/// Revert with an error: a struct whose name and fields are the error's. Fields have any ABI type.
pub fn revertWith(failure: anytype) noreturn {
    revertBytes(errorData(failure));
}

/// The revert data of an error: its selector and its fields.
pub fn errorData(failure: anytype) []const u8 {
    const Failure = @TypeOf(failure);
    const selector = comptime types.selector(signatureOf(Failure));
    return encode.encodeFields(&selector, Failure, &failure, @typeInfo(Failure).@"struct".field_names);
}

/// `revert("message")`.
pub noinline fn revert(message: []const u8) noreturn {
    revertBytes(encode.encode(&error_selector, .{types.String{ .data = message }}));
}

/// Panic(uint256).
pub noinline fn panic(code: u8) noreturn {
    @branchHint(.cold);
    var data: [36]u8 = @splat(0);
    data[0..4].* = panic_selector;
    data[35] = code;
    revertBytes(&data);
}

/// Panic(0x01) unless `truth`, as Solidity's assert.
pub fn assert(truth: bool) void {
    if (!truth) panic(failed_assertion);
}

/// Revert with these bytes. What was cached for storage and not flushed is lost, as it must be.
pub noinline fn revertBytes(data: []const u8) noreturn {
    hooks.write_result(data.ptr, data.len);
    hooks.exit_early(status_reverted);
}

/// Revert without data: what Solidity does with wrong call data, or with wei that a function does not take.
pub noinline fn refuse() noreturn {
    revertBytes(&.{});
}

/// Revert with the error of an error set: `error.NotOwner` is `NotOwner()`.
pub fn revertWithMember(failure: anytype) noreturn {
    const names = comptime membersOf(@TypeOf(failure));
    inline for (names) |name| {
        if (failure == @field(anyerror, name)) revertBytes(&comptime types.selector(name ++ "()"));
    }
    unreachable;
}

/// The names of an error set.
pub fn membersOf(comptime Errors: type) []const [:0]const u8 {
    const names = @typeInfo(Errors).error_set.error_names orelse
        @compileError("a public function says which errors it has: an error set as error{NotOwner}, not anyerror");
    inline for (names) |name| _ = types.checkedName(name);
    return names;
}

/// The signature of an error or an event.
pub fn signatureOf(comptime Record: type) []const u8 {
    return types.signature(types.ownName(Record), @typeInfo(Record).@"struct".field_types);
}
