//! Transfers of ether as logs (ERC-7528), as eth_simulateV1 shows them: chain/calls/recording.py.

const Error = @import("errors.zig").Error;
const host = @import("host.zig");
const keccak = @import("keccak.zig");
const states = @import("state.zig");
const word = @import("word.zig");

/// Who emits them.
const emitter: host.Address = @splat(0xee);
const topic = word.from_bytes(&keccak.hash_at_compile_time("Transfer(address,address,uint256)"));

/// Add the log of a transfer, which is no part of a receipt.
pub fn add(state: *states.State, sender: states.Account, recipient: states.Account, amount: host.Word) Error!void {
    const topics = [_]host.Word{ topic, word_of(state, sender), word_of(state, recipient) };
    try state.add_log(&emitter, &topics, &word.to_bytes(amount));
    state.logs.items[state.logs.items.len - 1].is_transfer = true;
}

fn word_of(state: *const states.State, account: states.Account) host.Word {
    var padded: [32]u8 = @splat(0);
    padded[12..].* = state.address_of(account);
    return word.from_bytes(&padded);
}
