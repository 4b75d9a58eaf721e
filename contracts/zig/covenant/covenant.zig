//! Contracts in Zig for the ZVM: a thin layer over the host interface of Arbitrum Stylus, with Solidity's ABI and
//! storage layout, and no allocator. docs/zvm.md shows how to write, deploy and price one.

pub const abi = @import("abi.zig");
pub const calls = @import("call.zig");
pub const environment = @import("environment.zig");
pub const hooks = @import("hooks.zig");
pub const memory = @import("memory.zig");
pub const storage = @import("storage.zig");

/// Zig's panics as Solidity's: `pub const panic = covenant.safety;` in a build's root.
pub const safety = @import("safety.zig");

const arithmetic = @import("arithmetic.zig");
const contract_module = @import("contract.zig");
const event = @import("event.zig");
const failure = @import("failure.zig");

pub const Address = abi.Address;
pub const Bytes = abi.Bytes;
pub const String = abi.String;
pub const List = abi.List;

pub const Value = storage.Value;
pub const Mapping = storage.Mapping;
pub const ShortString = storage.ShortString;

pub const define = contract_module.define;
pub const constructor_selector = contract_module.constructor_selector;

pub const emit = event.emit;
pub const revert = failure.revert;
pub const revertWith = failure.revertWith;
pub const revertBytes = failure.revertBytes;
pub const errorData = failure.errorData;
pub const panic = failure.panic;
pub const assert = failure.assert;
pub const add = arithmetic.add;
pub const subtract = arithmetic.subtract;
pub const divide = arithmetic.divide;
pub const hash = @import("hash.zig").keccak256;

pub const call = calls.call;
pub const sender = environment.sender;
