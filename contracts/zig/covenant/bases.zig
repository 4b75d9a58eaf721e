//! Bases to build contracts on: each is the twin of OpenZeppelin's contract of its name, with its storage, events and
//! errors.
//!
//!     const erc20 = covenant.bases.ERC20(Token);
//!     const ownable = covenant.bases.Ownable(Token);
//!
//!     pub const Token = struct {
//!         pub const bases = .{ erc20, ownable };
//!         pub const storage = covenant.layout(.{ erc20.Fields, ownable.Fields, struct { limit: u256 } });
//!
//!         pub fn constructor(owner: covenant.Address) void {
//!             ownable.start(owner);
//!             erc20.start("Token", "TKN");
//!         }
//!
//!         pub fn mint(to: covenant.Address, value: u256) void {
//!             ownable.requireOwner();
//!             erc20.mint(to, value);
//!         }
//!     };
//!
//! The order in `layout` is that of Solidity's inheritance. A base's own helpers, such as `mint` above, are no part of
//! the ABI.

pub const access_control = @import("bases/access_control.zig");
pub const erc20 = @import("bases/erc20.zig");
pub const erc721 = @import("bases/erc721.zig");
pub const erc1155 = @import("bases/erc1155.zig");
pub const initializable = @import("bases/initializable.zig");
pub const introspection = @import("bases/introspection.zig");
pub const ownable = @import("bases/ownable.zig");
pub const pausable = @import("bases/pausable.zig");
pub const safe_erc20 = @import("bases/safe_erc20.zig");
pub const uups = @import("bases/uups.zig");

pub const AccessControl = access_control.AccessControl;
pub const ERC20 = erc20.ERC20;
pub const ERC721 = erc721.ERC721;
pub const ERC1155 = erc1155.ERC1155;
pub const Ownable = ownable.Ownable;
pub const Pausable = pausable.Pausable;
pub const UUPSUpgradeable = uups.UUPSUpgradeable;

/// The role whose holders administer every role that has no other administrators.
pub const default_admin = access_control.default_admin;
