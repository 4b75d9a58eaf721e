//! The host's functions that the counter needs, from modules `vm_hooks` (Stylus) and `zvm`. docs/zvm.md lists all.

use core::arch::wasm32;

type Word = [u8; 32];

mod host {
    #[link(wasm_import_module = "vm_hooks")]
    extern "C" {
        pub fn read_args(destination: *mut u8);
        pub fn write_result(data: *const u8, length: usize);
        pub fn storage_load_bytes32(key: *const u8, destination: *mut u8);
        pub fn storage_cache_bytes32(key: *const u8, value: *const u8);
        pub fn storage_flush_cache(clear: u32);
        pub fn emit_log(data: *const u8, length: usize, topics: usize);
        pub fn msg_sender(destination: *mut u8);
        pub fn msg_value(destination: *mut u8);
        pub fn native_keccak256(data: *const u8, length: usize, destination: *mut u8);
        pub fn math_div(dividend: *mut u8, divisor: *const u8);
        pub fn pay_for_memory_grow(pages: u32);
    }

    #[link(wasm_import_module = "zvm")]
    extern "C" {
        pub fn is_constructing() -> u32;
    }
}

/// The first N bytes of the call data, which may have any length; zeros behind its end.
pub fn read_arguments<const N: usize>(length: usize) -> [u8; N] {
    let mut found = [0; N];
    if length <= N {
        unsafe { host::read_args(found.as_mut_ptr()) };
        return found;
    }
    // the rest has room at the end of memory alone
    let end = wasm32::memory_grow(0, (length + 65_535) / 65_536);
    if end == usize::MAX {
        wasm32::unreachable()
    }
    let data = (end * 65_536) as *mut u8;
    unsafe {
        host::read_args(data);
        core::ptr::copy_nonoverlapping(data, found.as_mut_ptr(), N);
    }
    found
}

pub fn write_result(data: &[u8]) {
    unsafe { host::write_result(data.as_ptr(), data.len()) }
}

pub fn load(slot: &Word) -> Word {
    filled(|word| unsafe { host::storage_load_bytes32(slot.as_ptr(), word) })
}

pub fn store(slot: &Word, value: &Word) {
    unsafe { host::storage_cache_bytes32(slot.as_ptr(), value.as_ptr()) }
}

pub fn flush() {
    unsafe { host::storage_flush_cache(0) }
}

pub fn emit_log(data: &[u8], topics: usize) {
    unsafe { host::emit_log(data.as_ptr(), data.len(), topics) }
}

/// The caller's address as a word.
pub fn sender() -> Word {
    filled(|word| unsafe { host::msg_sender(word.add(12)) })
}

pub fn value() -> Word {
    filled(|word| unsafe { host::msg_value(word) })
}

pub fn keccak256(data: &[u8]) -> Word {
    filled(|word| unsafe { host::native_keccak256(data.as_ptr(), data.len(), word) })
}

pub fn divide(mut dividend: Word, divisor: &Word) -> Word {
    unsafe { host::math_div(dividend.as_mut_ptr(), divisor.as_ptr()) };
    dividend
}

pub fn is_constructing() -> bool {
    unsafe { host::is_constructing() != 0 }
}

pub fn pay_for_memory_grow() {
    unsafe { host::pay_for_memory_grow(0) }
}

fn filled(fill: impl FnOnce(*mut u8)) -> Word {
    let mut word = [0; 32];
    fill(word.as_mut_ptr());
    word
}
