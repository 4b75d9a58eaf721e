//! The call and its block: who calls, with what, when, and what accounts have.

const hooks = @import("hooks.zig");
const memory = @import("memory.zig");
const types = @import("types.zig");
const word = @import("word.zig");

/// `msg.sender`: the account or contract that calls.
pub fn sender() types.Address {
    return address(hooks.msg_sender);
}

/// `tx.origin`: the account that sent the transaction.
pub fn origin() types.Address {
    return address(hooks.tx_origin);
}

/// `address(this)`: the contract's own address.
pub fn this() types.Address {
    return address(hooks.contract_address);
}

/// The account whose code runs: the contract's own, except where another contract, as a proxy, delegates to it.
pub fn codeAddress() types.Address {
    return address(hooks.code_address);
}

/// `msg.value`: wei sent with the call.
pub fn value() u256 {
    return number(hooks.msg_value);
}

/// `tx.gasprice`: wei for one gas.
pub fn gasPrice() u256 {
    return number(hooks.tx_gas_price);
}

/// `gasleft()`.
pub fn gasLeft() u64 {
    return hooks.evm_gas_left();
}

/// `block.number`.
pub fn blockNumber() u64 {
    return hooks.block_number();
}

/// `block.timestamp`: seconds since 1970.
pub fn timestamp() u64 {
    return hooks.block_timestamp();
}

/// `block.chainid`.
pub fn chainId() u64 {
    return hooks.chainid();
}

/// `block.gaslimit`.
pub fn blockGasLimit() u64 {
    return hooks.block_gas_limit();
}

/// `block.coinbase`: who receives the block's fees.
pub fn coinbase() types.Address {
    return address(hooks.block_coinbase);
}

/// `block.basefee` in wei.
pub fn baseFee() u256 {
    return number(hooks.block_basefee);
}

/// `block.blobbasefee` in wei.
pub fn blobBaseFee() u256 {
    return number(hooks.blobbasefee);
}

/// `block.prevrandao`.
pub fn prevrandao() u256 {
    return number(hooks.prevrandao);
}

/// `blockhash(block_number)`: of one of the last 256 blocks, zeros for any other.
pub fn blockHash(block_number: u64) [32]u8 {
    var out: [32]u8 = undefined;
    hooks.blockhash(block_number, &out);
    return out;
}

/// `account.balance` in wei.
pub fn balance(account: types.Address) u256 {
    var out: [32]u8 = undefined;
    hooks.account_balance(&account.bytes, &out);
    return word.readNumber(&out);
}

/// `account.codehash`.
pub fn codeHash(account: types.Address) [32]u8 {
    var out: [32]u8 = undefined;
    hooks.account_codehash(&account.bytes, &out);
    return out;
}

/// `account.code.length`.
pub fn codeSize(account: types.Address) usize {
    return hooks.account_code_size(&account.bytes);
}

/// `account.code`, in memory of its own.
pub fn code(account: types.Address) []const u8 {
    const out = memory.take(codeSize(account));
    return out[0..hooks.account_code(&account.bytes, 0, out.len, out.ptr)];
}

/// `selfdestruct(beneficiary)`, as EIP-6780 left it.
pub fn selfdestruct(beneficiary: types.Address) noreturn {
    hooks.storage_flush_cache(0);
    hooks.selfdestruct(&beneficiary.bytes);
}

fn address(comptime hook: anytype) types.Address {
    var out: types.Address = undefined;
    hook(&out.bytes);
    return out;
}

fn number(comptime hook: anytype) u256 {
    var out: [32]u8 = undefined;
    hook(&out);
    return word.readNumber(&out);
}
