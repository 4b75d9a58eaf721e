/* The host's functions that a C contract needs, from modules `vm_hooks` (Stylus) and `zvm`. docs/zvm.md lists all. */
#ifndef ZVM_H
#define ZVM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOOK(module, name) __attribute__((import_module(module), import_name(#name)))
#define EXPORT(name) __attribute__((export_name(#name)))

HOOK("vm_hooks", read_args) void read_args(uint8_t *destination);
HOOK("vm_hooks", write_result) void write_result(const uint8_t *data, size_t length);
HOOK("vm_hooks", storage_load_bytes32) void storage_load_bytes32(const uint8_t *key, uint8_t *destination);
HOOK("vm_hooks", storage_cache_bytes32) void storage_cache_bytes32(const uint8_t *key, const uint8_t *value);
HOOK("vm_hooks", storage_flush_cache) void storage_flush_cache(uint32_t clear);
HOOK("vm_hooks", emit_log) void emit_log(const uint8_t *data, size_t length, size_t topics);
HOOK("vm_hooks", msg_sender) void msg_sender(uint8_t *destination);
HOOK("vm_hooks", msg_value) void msg_value(uint8_t *destination);
HOOK("vm_hooks", native_keccak256) void native_keccak256(const uint8_t *data, size_t length, uint8_t *destination);
HOOK("vm_hooks", math_div) void math_div(uint8_t *dividend, const uint8_t *divisor);
HOOK("vm_hooks", pay_for_memory_grow) void pay_for_memory_grow(uint32_t pages);
HOOK("zvm", is_constructing) uint32_t is_constructing(void);

enum { SUCCESS = 0, REVERTED = 1, NO_SUCH_FUNCTION = 2 };

#endif
