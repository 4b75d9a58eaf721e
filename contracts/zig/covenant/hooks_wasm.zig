//! The host's functions as imports of a module: the 42 of Stylus (module `vm_hooks`) and those of module `zvm`, which
//! only this chain has.
//! Numbers are 32 bytes big-endian, addresses 20 bytes. docs/zvm.md has the table with prices.

const Word = [32]u8;
const Address = [20]u8;

pub extern "vm_hooks" fn read_args(destination: [*]u8) void;
pub extern "vm_hooks" fn write_result(data: [*]const u8, length: usize) void;
pub extern "vm_hooks" fn exit_early(status: u32) noreturn;
pub extern "vm_hooks" fn storage_load_bytes32(key: *const Word, destination: *Word) void;
pub extern "vm_hooks" fn storage_cache_bytes32(key: *const Word, value: *const Word) void;
pub extern "vm_hooks" fn storage_flush_cache(clear: u32) void;
pub extern "vm_hooks" fn transient_load_bytes32(key: *const Word, destination: *Word) void;
pub extern "vm_hooks" fn transient_store_bytes32(key: *const Word, value: *const Word) void;
pub extern "vm_hooks" fn call_contract(target: *const Address, data: [*]const u8, length: usize, value: *const Word, gas: u64, returned: *usize) u32;
pub extern "vm_hooks" fn delegate_call_contract(target: *const Address, data: [*]const u8, length: usize, gas: u64, returned: *usize) u32;
pub extern "vm_hooks" fn static_call_contract(target: *const Address, data: [*]const u8, length: usize, gas: u64, returned: *usize) u32;
pub extern "vm_hooks" fn create1(code: [*]const u8, length: usize, endowment: *const Word, created: *Address, returned: *usize) void;
pub extern "vm_hooks" fn create2(code: [*]const u8, length: usize, endowment: *const Word, salt: *const Word, created: *Address, returned: *usize) void;
pub extern "vm_hooks" fn read_return_data(destination: [*]u8, offset: usize, size: usize) usize;
pub extern "vm_hooks" fn return_data_size() usize;
pub extern "vm_hooks" fn emit_log(data: [*]const u8, length: usize, topics: usize) void;
pub extern "vm_hooks" fn account_balance(address: *const Address, destination: *Word) void;
pub extern "vm_hooks" fn account_code(address: *const Address, offset: usize, size: usize, destination: [*]u8) usize;
pub extern "vm_hooks" fn account_code_size(address: *const Address) usize;
pub extern "vm_hooks" fn account_codehash(address: *const Address, destination: *Word) void;
pub extern "vm_hooks" fn evm_gas_left() u64;
pub extern "vm_hooks" fn evm_ink_left() u64;
pub extern "vm_hooks" fn block_basefee(destination: *Word) void;
pub extern "vm_hooks" fn chainid() u64;
pub extern "vm_hooks" fn block_coinbase(destination: *Address) void;
pub extern "vm_hooks" fn block_gas_limit() u64;
pub extern "vm_hooks" fn block_number() u64;
pub extern "vm_hooks" fn block_timestamp() u64;
pub extern "vm_hooks" fn contract_address(destination: *Address) void;
pub extern "vm_hooks" fn msg_reentrant() u32;
pub extern "vm_hooks" fn msg_sender(destination: *Address) void;
pub extern "vm_hooks" fn msg_value(destination: *Word) void;
pub extern "vm_hooks" fn native_keccak256(data: [*]const u8, length: usize, destination: *Word) void;
pub extern "vm_hooks" fn tx_gas_price(destination: *Word) void;
pub extern "vm_hooks" fn tx_ink_price() u32;
pub extern "vm_hooks" fn tx_origin(destination: *Address) void;
pub extern "vm_hooks" fn math_div(dividend: *Word, divisor: *const Word) void;
pub extern "vm_hooks" fn math_mod(dividend: *Word, divisor: *const Word) void;
pub extern "vm_hooks" fn math_pow(base: *Word, exponent: *const Word) void;
pub extern "vm_hooks" fn math_add_mod(a: *Word, b: *const Word, modulus: *const Word) void;
pub extern "vm_hooks" fn math_mul_mod(a: *Word, b: *const Word, modulus: *const Word) void;
pub extern "vm_hooks" fn pay_for_memory_grow(pages: u32) void;

pub extern "zvm" fn selfdestruct(beneficiary: *const Address) noreturn;
pub extern "zvm" fn blockhash(number: u64, destination: *Word) void;
pub extern "zvm" fn blobbasefee(destination: *Word) void;
pub extern "zvm" fn prevrandao(destination: *Word) void;
pub extern "zvm" fn is_constructing() u32;
pub extern "zvm" fn code_address(destination: *Address) void;
