//! Storage laid out as Solidity lays it out: packing, structs, arrays, strings, mappings, ERC-7201 namespaces.

const kinds = @import("storage/kinds.zig");
const layouts = @import("storage/layout.zig");
const words = @import("storage/words.zig");

pub const Mapping = kinds.Mapping;
pub const Array = kinds.Array;
pub const FixedArray = kinds.FixedArray;

pub const layout = layouts.layout;
pub const namespace = layouts.namespace;
pub const namespaceSlot = layouts.namespaceSlot;
pub const transient = layouts.transient;
pub const slotAt = layouts.slotAt;

pub const hash = words.hash;
pub const load = words.load;
pub const store = words.store;
pub const flush = words.flush;
