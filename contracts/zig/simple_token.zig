//! The guide's token: its balanceOf, transfer and getInfo, and the whole supply at the deployer. The twin of
//! examples/twins/SimpleToken.sol.

const covenant = @import("covenant");

const SimpleToken = covenant.zigContract("SimpleToken");

comptime {
    covenant.define(SimpleToken);
}
