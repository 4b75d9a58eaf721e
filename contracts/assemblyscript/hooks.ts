// The host's functions that the counter needs, from modules `vm_hooks` (Stylus) and `zvm`. docs/zvm.md lists all.

@external("vm_hooks", "read_args")
export declare function readArguments(destination: usize): void;
@external("vm_hooks", "write_result")
export declare function writeResult(data: usize, length: usize): void;
@external("vm_hooks", "storage_load_bytes32")
export declare function loadWord(key: usize, destination: usize): void;
@external("vm_hooks", "storage_cache_bytes32")
export declare function cacheWord(key: usize, value: usize): void;
@external("vm_hooks", "storage_flush_cache")
export declare function flushCache(clear: u32): void;
@external("vm_hooks", "emit_log")
export declare function emitLog(data: usize, length: usize, topics: usize): void;
@external("vm_hooks", "msg_sender")
export declare function sender(destination: usize): void;
@external("vm_hooks", "msg_value")
export declare function value(destination: usize): void;
@external("vm_hooks", "native_keccak256")
export declare function keccak256(data: usize, length: usize, destination: usize): void;
@external("vm_hooks", "math_div")
export declare function divideInPlace(dividend: usize, divisor: usize): void;
@external("vm_hooks", "pay_for_memory_grow")
export declare function payForMemoryGrow(pages: u32): void;
@external("zvm", "is_constructing")
export declare function isConstructing(): u32;
