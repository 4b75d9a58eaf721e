//! Solidity's ABI: names of types, selectors and topics at compile time; values to bytes and back.

const decode_module = @import("decode.zig");
const encode_module = @import("encode.zig");
const types = @import("types.zig");
const word = @import("word.zig");

pub const Address = types.Address;
pub const Bytes = types.Bytes;
pub const String = types.String;
pub const List = types.List;

pub const Kind = types.Kind;
pub const kindOf = types.kindOf;
pub const typeName = types.typeName;
pub const ItemOf = types.ItemOf;
pub const lengthOf = types.lengthOf;
pub const isValue = types.isValue;
pub const isDynamic = types.isDynamic;
pub const headSize = types.headSize;
pub const signature = types.signature;
pub const selector = types.selector;
pub const keccak = types.keccak;
pub const ownName = types.ownName;
pub const listed = types.listed;
pub const contains = types.contains;

pub const toWord = word.toWord;
pub const fromWord = word.fromWord;
pub const readNumber = word.readNumber;
pub const writeNumber = word.writeNumber;

pub const encode = encode_module.encode;
pub const encodedSize = encode_module.encodedSize;
pub const bytesOf = encode_module.bytesOf;
pub const itemsOf = encode_module.itemsOf;
pub const paddedLength = encode_module.paddedLength;

pub const decode = decode_module.decode;
pub const read = decode_module.read;
