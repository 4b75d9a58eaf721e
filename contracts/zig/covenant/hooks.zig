//! The host: on the chain the imports of the module, natively (in tests) the library's own host in memory.
//! Functions, parameters and results are the same; docs/zvm.md has the table.

pub const on_chain = @import("builtin").cpu.arch == .wasm32;

const host = if (on_chain) @import("hooks_wasm.zig") else @import("testing/host.zig");

pub const read_args = host.read_args;
pub const write_result = host.write_result;
pub const exit_early = host.exit_early;
pub const storage_load_bytes32 = host.storage_load_bytes32;
pub const storage_cache_bytes32 = host.storage_cache_bytes32;
pub const storage_flush_cache = host.storage_flush_cache;
pub const transient_load_bytes32 = host.transient_load_bytes32;
pub const transient_store_bytes32 = host.transient_store_bytes32;
pub const call_contract = host.call_contract;
pub const delegate_call_contract = host.delegate_call_contract;
pub const static_call_contract = host.static_call_contract;
pub const create1 = host.create1;
pub const create2 = host.create2;
pub const read_return_data = host.read_return_data;
pub const return_data_size = host.return_data_size;
pub const emit_log = host.emit_log;
pub const account_balance = host.account_balance;
pub const account_code = host.account_code;
pub const account_code_size = host.account_code_size;
pub const account_codehash = host.account_codehash;
pub const evm_gas_left = host.evm_gas_left;
pub const evm_ink_left = host.evm_ink_left;
pub const block_basefee = host.block_basefee;
pub const chainid = host.chainid;
pub const block_coinbase = host.block_coinbase;
pub const block_gas_limit = host.block_gas_limit;
pub const block_number = host.block_number;
pub const block_timestamp = host.block_timestamp;
pub const contract_address = host.contract_address;
pub const msg_reentrant = host.msg_reentrant;
pub const msg_sender = host.msg_sender;
pub const msg_value = host.msg_value;
pub const native_keccak256 = host.native_keccak256;
pub const tx_gas_price = host.tx_gas_price;
pub const tx_ink_price = host.tx_ink_price;
pub const tx_origin = host.tx_origin;
pub const math_div = host.math_div;
pub const math_mod = host.math_mod;
pub const math_pow = host.math_pow;
pub const math_add_mod = host.math_add_mod;
pub const math_mul_mod = host.math_mul_mod;
pub const pay_for_memory_grow = host.pay_for_memory_grow;
pub const selfdestruct = host.selfdestruct;
pub const blockhash = host.blockhash;
pub const blobbasefee = host.blobbasefee;
pub const prevrandao = host.prevrandao;
pub const is_constructing = host.is_constructing;
pub const code_address = host.code_address;

/// Memory of a frame of the test machine.
pub const takeNatively = if (on_chain) unreachable else host.take;
