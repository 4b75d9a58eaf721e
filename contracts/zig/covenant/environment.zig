//! Who calls, with what, in which block.

const abi = @import("abi.zig");
const hooks = @import("hooks.zig");

pub fn sender() abi.Address {
    return address(hooks.msg_sender);
}

pub fn origin() abi.Address {
    return address(hooks.tx_origin);
}

/// The contract's own address.
pub fn this() abi.Address {
    return address(hooks.contract_address);
}

/// The account whose code runs: the contract's own, except where another contract, as a proxy, delegates to it.
pub fn codeAddress() abi.Address {
    return address(hooks.code_address);
}

/// Wei sent with the call.
pub fn value() u256 {
    return number(hooks.msg_value);
}

pub fn baseFee() u256 {
    return number(hooks.block_basefee);
}

pub fn balance(of: abi.Address) u256 {
    var word: [32]u8 = undefined;
    hooks.account_balance(&of.bytes, &word);
    return abi.readNumber(&word);
}

fn address(comptime hook: anytype) abi.Address {
    var out: abi.Address = undefined;
    hook(&out.bytes);
    return out;
}

fn number(comptime hook: anytype) u256 {
    var word: [32]u8 = undefined;
    hook(&word);
    return abi.readNumber(&word);
}
