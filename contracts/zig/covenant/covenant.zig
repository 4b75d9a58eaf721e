//! Contracts in Zig for the ZVM: a thin layer over the host interface of Arbitrum Stylus, with Solidity's ABI and
//! storage layout, and no allocator. docs/zvm.md shows how to write, deploy and price one.

pub const abi = @import("abi.zig");
pub const calls = @import("call.zig");
pub const environment = @import("environment.zig");
pub const hooks = @import("hooks.zig");
pub const memory = @import("memory.zig");
pub const layouts = @import("storage/description.zig");
pub const storage = @import("storage.zig");

const contract_module = @import("contract.zig");
const record = @import("record.zig");

pub const Address = abi.Address;
pub const Bytes = abi.Bytes;
pub const String = abi.String;

pub const Mapping = storage.Mapping;
pub const Array = storage.Array;
pub const FixedArray = storage.FixedArray;
pub const layout = storage.layout;
pub const namespace = storage.namespace;
pub const transient = storage.transient;
pub const slotAt = storage.slotAt;

pub const define = contract_module.define;
pub const constructor_selector = contract_module.constructor_selector;

pub const emit = record.emit;
pub const revert = record.revert;
pub const revertWith = record.revertWith;
pub const revertBytes = record.revertBytes;
pub const panic = record.panic;
pub const add = record.add;
pub const subtract = record.subtract;
pub const divide = record.divide;

pub const call = calls.call;
pub const sender = environment.sender;
