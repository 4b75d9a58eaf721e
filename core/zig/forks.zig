//! Forks in the order of chain/rules/forks.py, and what each changes in the instructions beyond their constant gas.

pub const Fork = enum(u8) {
    frontier,
    homestead,
    tangerine_whistle,
    spurious_dragon,
    byzantium,
    constantinople,
    petersburg,
    istanbul,
    muir_glacier,
    berlin,
    london,
    arrow_glacier,
    gray_glacier,
    paris,
    shanghai,
    cancun,
    prague,
    osaka,
    bpo1,
    bpo2,

    pub fn from(self: Fork, first: Fork) bool {
        return @intFromEnum(self) >= @intFromEnum(first);
    }
};

pub const count = @typeInfo(Fork).@"enum".field_names.len;

/// How SSTORE is paid. plain: by the present value alone. net: EIP-1283 too. sentry: EIP-2200, with gas to spare.
pub const StoreMode = enum { plain, net, sentry, access };

/// Gas of SSTORE. same: of a slot that stays as it is, or changes again. clear_refund: for a slot that becomes 0.
pub const StorePrices = struct { same: u64, set: u64, reset: u64, clear_refund: i64 };

/// Sizes in bytes; null for no limit.
pub const Rules = struct {
    fork: Fork,
    /// Before EIP-161 an account that is touched comes to be.
    has_empty_accounts: bool,
    /// EIP-2: a creation fails where its gas does not pay for the code.
    code_deposit_must_succeed: bool,
    code_size_limit: ?u64,
    rejects_reserved_code: bool,
    initcode_size_limit: ?u64,
    /// EIP-3860.
    charges_initcode: bool,
    exponent_byte_gas: u64,
    store_mode: StoreMode,
    store_prices: StorePrices,
    /// EIP-2929.
    charges_access: bool,
    /// EIP-150: a caller keeps a 64th of its gas.
    keeps_64th: bool,
    /// EIP-161: only a paid call to an empty account pays for a new one.
    pays_dead: bool,
    /// EIP-7702.
    follows_delegation: bool,
    /// SELFDESTRUCT pays for a beneficiary that does not exist (EIP-150), or for one that is empty and is paid (EIP-161).
    destruct_charges_absent: bool,
    destruct_charges_dead: bool,
    /// EIP-6780.
    destructs_only_created: bool,
    has_prev_randao: bool,

    pub fn of(fork: Fork) *const Rules {
        return &all[@intFromEnum(fork)];
    }
};

const code_size_limit = 24_576;

fn store_mode(fork: Fork) StoreMode {
    if (fork.from(.berlin)) return .access;
    if (fork.from(.istanbul)) return .sentry;
    return if (fork == .constantinople) .net else .plain;
}

fn store_prices(fork: Fork) StorePrices {
    if (fork.from(.london)) return .{ .same = 100, .set = 20_000, .reset = 2_900, .clear_refund = 4_800 };
    if (fork.from(.berlin)) return .{ .same = 100, .set = 20_000, .reset = 2_900, .clear_refund = 15_000 };
    const same: u64 = if (fork.from(.istanbul)) 800 else 200;
    return .{ .same = same, .set = 20_000, .reset = 5_000, .clear_refund = 15_000 };
}

const all: [count]Rules = blk: {
    var table: [count]Rules = undefined;
    for (&table, 0..) |*rules, index| {
        const fork: Fork = @enumFromInt(index);
        rules.* = .{
            .fork = fork,
            .has_empty_accounts = !fork.from(.spurious_dragon),
            .code_deposit_must_succeed = fork.from(.homestead),
            .code_size_limit = if (fork.from(.spurious_dragon)) code_size_limit else null,
            .rejects_reserved_code = fork.from(.london),
            .initcode_size_limit = if (fork.from(.shanghai)) 2 * code_size_limit else null,
            .charges_initcode = fork.from(.shanghai),
            .exponent_byte_gas = if (fork.from(.spurious_dragon)) 50 else 10,
            .store_mode = store_mode(fork),
            .store_prices = store_prices(fork),
            .charges_access = fork.from(.berlin),
            .keeps_64th = fork.from(.tangerine_whistle),
            .pays_dead = fork.from(.spurious_dragon),
            .follows_delegation = fork.from(.prague),
            .destruct_charges_absent = fork == .tangerine_whistle,
            .destruct_charges_dead = fork.from(.spurious_dragon),
            .destructs_only_created = fork.from(.cancun),
            .has_prev_randao = fork.from(.paris),
        };
    }
    break :blk table;
};
