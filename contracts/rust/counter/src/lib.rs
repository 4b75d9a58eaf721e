//! The twin of examples/src/Counter.sol in Rust, without crates and without std, with its storage layout: slot 0 the
//! number, slot 1 the mapping of changes by address. Numbers are 32 bytes big-endian, as the host has them.
#![no_std]

mod hooks;

type Word = [u8; 32];

/// An output and the status that it goes with.
enum Answer {
    Done,
    Word(Word),
    Refused(&'static [u8]),
    NoSuchFunction,
}

use Answer::*;

const LIMIT: Word = small(1_000_000);
const NUMBER_SLOT: Word = small(0);

const CONSTRUCTOR: u32 = 0x5585258d; // stylus_constructor()
const GET_LIMIT: u32 = 0xaf8214ef; // LIMIT()
const GET_NUMBER: u32 = 0x8381f58a; // number()
const GET_CHANGES: u32 = 0x8f7d969e; // changes(address)
const SET_NUMBER: u32 = 0x3fb5c1cb; // setNumber(uint256)
const INCREMENT: u32 = 0xd09de08a; // increment()
const REFUSE: u32 = 0x62c69b80; // refuse()
const DIVIDE: u32 = 0xf88e9fbf; // divide(uint256,uint256)

// Error(string), "Counter: refused"
static REFUSED: [u8; 100] = {
    let mut output = [0; 100];
    output = put(output, 0, &[0x08, 0xc3, 0x79, 0xa0]);
    output[35] = 0x20;
    output[67] = 16;
    put(output, 68, b"Counter: refused")
};
static OVERFLOW: [u8; 36] = panic_data(0x11);
static DIVISION_BY_ZERO: [u8; 36] = panic_data(0x12);
static NOTHING: [u8; 0] = [];

// keccak256("NumberChanged(address,uint256,uint256)")
const NUMBER_CHANGED: Word = [
    0x8a, 0x0a, 0xe7, 0x7f, 0xf4, 0x18, 0x3d, 0xe3, 0x8d, 0x23, 0x83, 0x7c, 0xbf, 0xa0, 0xad, 0x4e,
    0xe3, 0xab, 0x54, 0xe2, 0x4c, 0x50, 0x17, 0x06, 0xd5, 0xa9, 0xe3, 0x75, 0xd5, 0xa6, 0xbf, 0xc7,
];

const fn small(number: u32) -> Word {
    put([0; 32], 28, &number.to_be_bytes())
}

/// The bytes with `part` at `start`.
const fn put<const N: usize, const M: usize>(mut bytes: [u8; N], start: usize, part: &[u8; M]) -> [u8; N] {
    let mut i = 0;
    while i < M {
        bytes[start + i] = part[i];
        i += 1;
    }
    bytes
}

/// Panic(uint256) with this code.
const fn panic_data(code: u8) -> [u8; 36] {
    let mut output = put([0; 36], 0, &[0x4e, 0x48, 0x7b, 0x71]);
    output[35] = code;
    output
}

/// One more, unless that does not fit.
fn plus_one(mut number: Word) -> Option<Word> {
    for digit in number.iter_mut().rev() {
        *digit = digit.wrapping_add(1);
        if *digit != 0 {
            return Some(number);
        }
    }
    None
}

fn changes_slot(address: &Word) -> Word {
    hooks::keccak256(&put(put([0; 64], 0, address), 32, &small(1)))
}

fn set_number(current: &Word) -> Answer {
    if *current > LIMIT {
        // NumberTooLarge(uint256,uint256): the one error whose data are not known at compile time
        let output = put([0; 68], 0, &[0xc4, 0x32, 0x0a, 0xf3]);
        hooks::write_result(&put(put(output, 4, current), 36, &LIMIT));
        return Refused(&NOTHING);
    }
    let sender = hooks::sender();
    let previous = hooks::load(&NUMBER_SLOT);
    let log = put(put([0; 128], 0, &NUMBER_CHANGED), 32, &sender);
    hooks::emit_log(&put(put(log, 64, &previous), 96, current), 3);
    hooks::store(&NUMBER_SLOT, current);
    let slot = changes_slot(&sender);
    match plus_one(hooks::load(&slot)) {
        None => Refused(&OVERFLOW),
        Some(count) => {
            hooks::store(&slot, &count);
            hooks::flush();
            Done
        }
    }
}

fn increment() -> Answer {
    match plus_one(hooks::load(&NUMBER_SLOT)) {
        None => Refused(&OVERFLOW),
        Some(number) => set_number(&number),
    }
}

fn construct(start: &Word) -> Answer {
    hooks::store(&NUMBER_SLOT, start);
    hooks::flush();
    Done
}

fn get_changes(address: &Word) -> Answer {
    if address[..12] != [0; 12] {
        return Refused(&NOTHING);
    }
    Word(hooks::load(&changes_slot(address)))
}

fn divide(dividend: Word, divisor: &Word) -> Answer {
    if *divisor == [0; 32] {
        return Refused(&DIVISION_BY_ZERO);
    }
    Word(hooks::divide(dividend, divisor))
}

/// How many words of arguments a function takes.
fn words_of(selector: u32) -> usize {
    match selector {
        DIVIDE => 2,
        CONSTRUCTOR | GET_CHANGES | SET_NUMBER => 1,
        _ => 0,
    }
}

fn run(selector: u32, first: &Word, second: &Word) -> Answer {
    match selector {
        CONSTRUCTOR => construct(first),
        GET_LIMIT => Word(LIMIT),
        GET_NUMBER => Word(hooks::load(&NUMBER_SLOT)),
        GET_CHANGES => get_changes(first),
        SET_NUMBER => set_number(first),
        INCREMENT => increment(),
        REFUSE => Refused(&REFUSED),
        DIVIDE => divide(*first, second),
        _ => NoSuchFunction,
    }
}

fn answer(length: usize) -> Answer {
    let constructing = hooks::is_constructing();
    if length == 0 && !constructing {
        return Done; // receive()
    }
    if length < 4 {
        return NoSuchFunction;
    }
    let input: [u8; 68] = hooks::read_arguments(length);
    let selector = u32::from_be_bytes([input[0], input[1], input[2], input[3]]);
    if (selector == CONSTRUCTOR) != constructing {
        return NoSuchFunction;
    }
    if (!constructing && hooks::value() != [0; 32]) || length < 4 + 32 * words_of(selector) {
        return Refused(&NOTHING);
    }
    let mut words = [[0; 32]; 2];
    words[0].copy_from_slice(&input[4..36]);
    words[1].copy_from_slice(&input[36..]);
    run(selector, &words[0], &words[1])
}

#[no_mangle]
pub extern "C" fn user_entrypoint(length: usize) -> u32 {
    match answer(length) {
        Done => 0,
        Word(word) => {
            hooks::write_result(&word);
            0
        }
        Refused(data) => {
            if !data.is_empty() {
                hooks::write_result(data);
            }
            1
        }
        NoSuchFunction => 2,
    }
}

/// Never called: it keeps the import without which a module whose memory can grow is refused.
#[no_mangle]
pub extern "C" fn mark_used() {
    hooks::pay_for_memory_grow();
}

/// What Rust calls where arithmetic, an index or an assertion fails: the trap reverts the call without data.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
