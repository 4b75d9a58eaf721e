//! The gas that a message must buy for what comes before it runs, and for its data (chain/vm/gas_needs.py): of one that
//! creates nothing and sets no delegations.

const std = @import("std");
const Access = @import("transition.zig").Access;
const Fork = @import("forks.zig").Fork;

/// Yellow Paper 6.2; EIP-2028, EIP-2930, EIP-7623.
const transaction_gas = 21_000;
const zero_byte_gas = 4;
const nonzero_byte_gas = 16;
const nonzero_byte_gas_frontier = 68;
const access_address_gas = 2400;
const access_slot_gas = 1900;
const floor_token_gas = 10;

/// floor: 0 before Prague.
pub const Gas = struct { intrinsic: usize, floor: usize };

pub fn of(fork: Fork, data: []const u8, access_list: []const Access) Gas {
    const zeros = std.mem.countScalar(u8, data, 0);
    const others = data.len - zeros;
    const nonzero_gas: usize = if (fork.from(.istanbul)) nonzero_byte_gas else nonzero_byte_gas_frontier;
    var intrinsic = transaction_gas + zero_byte_gas * zeros + nonzero_gas * others;
    for (access_list) |*access| intrinsic += access_address_gas + access_slot_gas * access.slots.len;
    return .{
        .intrinsic = intrinsic,
        .floor = if (fork.from(.prague)) transaction_gas + floor_token_gas * (zeros + 4 * others) else 0,
    };
}
