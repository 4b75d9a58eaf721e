//! Contracts in Zig for the ZVM: a thin layer over the host interface of Arbitrum Stylus, with Solidity's ABI and
//! storage layout, and no allocator. docs/zig.md is the guide for authors.

pub const abi = @import("abi.zig");
pub const bases = @import("bases.zig");
pub const calls = @import("call.zig");
const creations = @import("create.zig");
pub const environment = @import("environment.zig");
pub const hooks = @import("hooks.zig");
pub const memory = @import("memory.zig");
pub const layouts = @import("storage/description.zig");
pub const precompile = @import("precompile.zig");
pub const storage = @import("storage.zig");
pub const testing = @import("testing.zig");

/// Zig's panics as Solidity's: `pub const panic = covenant.safety;` in a build's root.
pub const safety = @import("safety.zig");

const arithmetic = @import("arithmetic.zig");
const contract_module = @import("contract.zig");
const event = @import("event.zig");
const failure = @import("failure.zig");
const guide = @import("guide.zig");

pub const Address = abi.Address;
pub const Bytes = abi.Bytes;
pub const String = abi.String;
pub const List = abi.List;

pub const Mapping = storage.Mapping;
pub const Array = storage.Array;
pub const FixedArray = storage.FixedArray;
pub const layout = storage.layout;
pub const namespace = storage.namespace;
pub const transient = storage.transient;
pub const slotAt = storage.slotAt;

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
pub const multiply = arithmetic.multiply;
pub const divide = arithmetic.divide;
pub const remainder = arithmetic.remainder;
pub const power = arithmetic.power;
pub const addMod = arithmetic.addMod;
pub const multiplyMod = arithmetic.multiplyMod;
pub const hash = @import("hash.zig").keccak256;
pub const list = memory.list;

/// Calls by name and type, and their results.
pub const interface = @import("interface.zig").interface;
pub const call = calls.call;
pub const rawCall = calls.raw;
pub const tryRawCall = calls.tryRaw;
pub const send = calls.send;
pub const trySend = calls.trySend;
pub const Result = calls.Result;
pub const Failure = calls.Failure;

pub const create = creations.create;
pub const create2 = creations.create2;
pub const tryCreate = creations.tryCreate;
pub const tryCreate2 = creations.tryCreate2;
pub const create2Address = creations.create2Address;

/// The call and its block.
pub const sender = environment.sender;
pub const origin = environment.origin;
pub const this = environment.this;
pub const codeAddress = environment.codeAddress;
pub const value = environment.value;
pub const gasPrice = environment.gasPrice;
pub const gasLeft = environment.gasLeft;
pub const blockNumber = environment.blockNumber;
pub const timestamp = environment.timestamp;
pub const chainId = environment.chainId;
pub const blockGasLimit = environment.blockGasLimit;
pub const coinbase = environment.coinbase;
pub const baseFee = environment.baseFee;
pub const blobBaseFee = environment.blobBaseFee;
pub const prevrandao = environment.prevrandao;
pub const blockHash = environment.blockHash;
pub const balance = environment.balance;
pub const codeHash = environment.codeHash;
pub const codeSize = environment.codeSize;
pub const code = environment.code;
pub const selfdestruct = environment.selfdestruct;

/// The guide's names.
pub const zigContract = guide.zigContract;
pub const ContractAddress = guide.ContractAddress;
pub const StateHash = guide.StateHash;
pub const GasLimit = guide.GasLimit;
pub const CovenantError = guide.CovenantError;
pub const GAS_COSTS = guide.GAS_COSTS;
pub const MemoryLimits = guide.MemoryLimits;
pub const ExecutionContext = guide.ExecutionContext;
pub const ContractState = guide.ContractState;
