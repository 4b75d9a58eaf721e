//! ERC-165: the identifier of an interface is its selectors, XORed.

const abi = @import("../abi.zig");

/// The identifier of `supportsInterface(bytes4)` alone.
pub const erc165 = interfaceId(&.{"supportsInterface(bytes4)"});

/// The identifier of an interface by its functions' signatures.
pub fn interfaceId(comptime signatures: []const []const u8) [4]u8 {
    comptime {
        var id: u32 = 0;
        for (signatures) |signature| id ^= @bitCast(abi.selector(signature));
        return @bitCast(id);
    }
}

/// Whether `wanted` is ERC-165's or one of `ids`.
pub fn supports(wanted: [4]u8, comptime ids: []const [4]u8) bool {
    const number: u32 = @bitCast(wanted);
    inline for (ids ++ .{erc165}) |id| if (number == comptime @as(u32, @bitCast(id))) return true;
    return false;
}
