// A counter with the ABI and the storage layout of a contract in Solidity: slot 0 the number, slot 1 the mapping
// of changes by address. No runtime and no allocator: words are 32 bytes, big-endian, in static memory.

import {
  cacheWord,
  divideInPlace,
  emitLog,
  flushCache,
  isConstructing,
  keccak256,
  loadWord,
  payForMemoryGrow,
  readArguments,
  sender,
  value,
  writeResult,
} from "./hooks";

const SUCCESS: u32 = 0;
const REVERTED: u32 = 1;
const NO_SUCH_FUNCTION: u32 = 2;

const CONSTRUCTOR: u32 = 0x5585258d; // stylus_constructor()
const GET_LIMIT: u32 = 0xaf8214ef; // LIMIT()
const GET_NUMBER: u32 = 0x8381f58a; // number()
const GET_CHANGES: u32 = 0x8f7d969e; // changes(address)
const SET_NUMBER: u32 = 0x3fb5c1cb; // setNumber(uint256)
const INCREMENT: u32 = 0xd09de08a; // increment()
const REFUSE: u32 = 0x62c69b80; // refuse()
const DIVIDE: u32 = 0xf88e9fbf; // divide(uint256,uint256)
const ERROR: u32 = 0x08c379a0; // Error(string)
const PANIC: u32 = 0x4e487b71; // Panic(uint256)
const NUMBER_TOO_LARGE: u32 = 0xc4320af3; // NumberTooLarge(uint256,uint256)

const OVERFLOW: u8 = 0x11;
const DIVISION_BY_ZERO: u8 = 0x12;

// prettier-ignore
const LIMIT: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x40,
]);
// keccak256("NumberChanged(address,uint256,uint256)")
// prettier-ignore
const NUMBER_CHANGED: usize = memory.data<u8>([
  0x8a, 0x0a, 0xe7, 0x7f, 0xf4, 0x18, 0x3d, 0xe3, 0x8d, 0x23, 0x83, 0x7c, 0xbf, 0xa0, 0xad, 0x4e,
  0xe3, 0xab, 0x54, 0xe2, 0x4c, 0x50, 0x17, 0x06, 0xd5, 0xa9, 0xe3, 0x75, 0xd5, 0xa6, 0xbf, 0xc7,
]);
// "Counter: refused"
// prettier-ignore
const REFUSED: usize = memory.data<u8>([
  0x43, 0x6f, 0x75, 0x6e, 0x74, 0x65, 0x72, 0x3a, 0x20, 0x72, 0x65, 0x66, 0x75, 0x73, 0x65, 0x64,
]);
const REFUSED_LENGTH: usize = 16;

const NUMBER_SLOT: usize = memory.data(32);
const INPUT: usize = memory.data(68);
const OUTPUT: usize = memory.data(100);
const LOG: usize = memory.data(128);
const PREIMAGE: usize = memory.data(64);
const SLOT: usize = memory.data(32);
const NUMBER: usize = memory.data(32);
const COUNT: usize = memory.data(32);
const WEI: usize = memory.data(32);

function isZero(data: usize, length: usize): bool {
  for (let i: usize = 0; i < length; i++) if (load<u8>(data + i)) return false;
  return true;
}

function exceeds(a: usize, b: usize): bool {
  for (let i: usize = 0; i < 32; i++) {
    const left = load<u8>(a + i);
    const right = load<u8>(b + i);
    if (left != right) return left > right;
  }
  return false;
}

/** Adds one; false where the sum does not fit. */
function addOne(number: usize): bool {
  for (let i: usize = 32; i > 0; i--) {
    const digit: u8 = load<u8>(number + i - 1) + 1;
    store<u8>(number + i - 1, digit);
    if (digit) return true;
  }
  return false;
}

/** The slot of an address's count, into SLOT. */
function findChanges(addressWord: usize): void {
  memory.copy(PREIMAGE, addressWord, 32);
  store<u8>(PREIMAGE + 63, 1);
  keccak256(PREIMAGE, 64, SLOT);
}

function result(word: usize): u32 {
  writeResult(word, 32);
  return SUCCESS;
}

function putSelector(selector: u32): void {
  store<u32>(OUTPUT, bswap(selector));
}

function panic(code: u8): u32 {
  putSelector(PANIC);
  store<u8>(OUTPUT + 35, code);
  writeResult(OUTPUT, 36);
  return REVERTED;
}

function refuse(): u32 {
  putSelector(ERROR);
  store<u8>(OUTPUT + 35, 0x20);
  store<u8>(OUTPUT + 67, <u8>REFUSED_LENGTH);
  memory.copy(OUTPUT + 68, REFUSED, REFUSED_LENGTH);
  writeResult(OUTPUT, 100);
  return REVERTED;
}

function setNumber(current: usize): u32 {
  if (exceeds(current, LIMIT)) {
    putSelector(NUMBER_TOO_LARGE);
    memory.copy(OUTPUT + 4, current, 32);
    memory.copy(OUTPUT + 36, LIMIT, 32);
    writeResult(OUTPUT, 68);
    return REVERTED;
  }
  memory.copy(LOG, NUMBER_CHANGED, 32);
  sender(LOG + 44);
  loadWord(NUMBER_SLOT, LOG + 64);
  memory.copy(LOG + 96, current, 32);
  emitLog(LOG, 128, 3);
  cacheWord(NUMBER_SLOT, current);
  findChanges(LOG + 32);
  loadWord(SLOT, COUNT);
  if (!addOne(COUNT)) return panic(OVERFLOW);
  cacheWord(SLOT, COUNT);
  flushCache(0);
  return SUCCESS;
}

function increment(): u32 {
  loadWord(NUMBER_SLOT, NUMBER);
  return addOne(NUMBER) ? setNumber(NUMBER) : panic(OVERFLOW);
}

function divide(dividend: usize, divisor: usize): u32 {
  if (isZero(divisor, 32)) return panic(DIVISION_BY_ZERO);
  divideInPlace(dividend, divisor);
  return result(dividend);
}

function construct(start: usize): u32 {
  cacheWord(NUMBER_SLOT, start);
  flushCache(0);
  return SUCCESS;
}

function getNumber(): u32 {
  loadWord(NUMBER_SLOT, NUMBER);
  return result(NUMBER);
}

function getChanges(addressWord: usize): u32 {
  if (!isZero(addressWord, 12)) return REVERTED;
  findChanges(addressWord);
  loadWord(SLOT, COUNT);
  return result(COUNT);
}

function wordsOf(selector: u32): usize {
  switch (selector) {
    case DIVIDE:
      return 2;
    case CONSTRUCTOR:
    case GET_CHANGES:
    case SET_NUMBER:
      return 1;
    default:
      return 0;
  }
}

function run(selector: u32, words: usize): u32 {
  switch (selector) {
    case CONSTRUCTOR:
      return construct(words);
    case GET_LIMIT:
      return result(LIMIT);
    case GET_NUMBER:
      return getNumber();
    case GET_CHANGES:
      return getChanges(words);
    case SET_NUMBER:
      return setNumber(words);
    case INCREMENT:
      return increment();
    case REFUSE:
      return refuse();
    case DIVIDE:
      return divide(words, words + 32);
    default:
      return NO_SUCH_FUNCTION;
  }
}

/** Where call data of any length has room: the static buffer, or else new pages at the end of memory. */
function roomFor(length: usize): usize {
  if (length <= 68) return INPUT;
  const end = memory.grow(<i32>((length + 65535) >>> 16));
  if (end < 0) unreachable();
  return (<usize>end) << 16;
}

export function user_entrypoint(length: usize): u32 {
  const constructing = isConstructing() != 0;
  if (length == 0 && !constructing) return SUCCESS; // receive()
  if (length < 4) return NO_SUCH_FUNCTION;
  const data = roomFor(length);
  readArguments(data);
  const selector = bswap(load<u32>(data));
  if ((selector == CONSTRUCTOR) != constructing) return NO_SUCH_FUNCTION;
  if (!constructing) {
    value(WEI);
    if (!isZero(WEI, 32)) return REVERTED;
  }
  if (length < 4 + 32 * wordsOf(selector)) return REVERTED;
  return run(selector, data + 4);
}

/** Never called: it keeps the import without which a module whose memory can grow is refused. */
export function mark_used(): void {
  payForMemoryGrow(0);
}
