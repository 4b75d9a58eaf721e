// A contract that allocates: strings, arrays and a map. Slot 0 is Solidity's `string[] entries`. What sets up the heap is
// in the module's start function, which the build moves into the entry point: it runs again in every call.

import { cacheWord, flushCache, keccak256, loadWord, payForMemoryGrow, readArguments, value, writeResult } from "./hooks";

const SUCCESS: u32 = 0;
const REVERTED: u32 = 1;
const NO_SUCH_FUNCTION: u32 = 2;

const SIGN: u32 = 0x79d6348d; // sign(string)
const COUNT: u32 = 0x06661abd; // count()
const ENTRY: u32 = 0xe2095c07; // entry(uint256)
const WORDS: u32 = 0xf2c31bd9; // words()

const SHORT: i32 = 31; // bytes of the longest string that its own slot holds

// A module whose memory can grow must import this; the statement runs with the start function.
payForMemoryGrow(0);

/** 32 bytes, big-endian, of a slot's number or its value. */
class Word {
  bytes: StaticArray<u8> = new StaticArray<u8>(32);

  static of(number: u32): Word {
    const word = new Word();
    store<u32>(word.end, bswap(number));
    return word;
  }

  get start(): usize {
    return changetype<usize>(this.bytes);
  }

  private get end(): usize {
    return this.start + 28;
  }

  /** The number, which must fit 32 bits: larger ones, as of a slot, wrap. */
  get number(): u32 {
    return bswap(load<u32>(this.end));
  }

  get isSmall(): bool {
    for (let i = 0; i < 28; i++) if (this.bytes[i]) return false;
    return true;
  }

  plus(offset: u32): Word {
    const sum = new Word();
    memory.copy(sum.start, this.start, 32);
    for (let i = 31; i >= 0 && offset; i--) {
      offset += this.bytes[i];
      sum.bytes[i] = <u8>offset;
      offset >>= 8;
    }
    return sum;
  }

  hash(): Word {
    const digest = new Word();
    keccak256(this.start, 32, digest.start);
    return digest;
  }

  read(): Word {
    const found = new Word();
    loadWord(this.start, found.start);
    return found;
  }

  write(content: Word): void {
    cacheWord(this.start, content.start);
  }
}

const ENTRIES = new Word();
const FIRST_ENTRY = ENTRIES.hash();

function writeText(slot: Word, text: ArrayBuffer): void {
  const size = text.byteLength;
  const head = new Word();
  if (size <= SHORT) {
    memory.copy(head.start, changetype<usize>(text), size);
    head.bytes[31] = <u8>(2 * size);
  } else {
    memory.copy(head.start, Word.of(2 * size + 1).start, 32);
    const first = slot.hash();
    for (let i = 0; i < size; i += 32) {
      const part = new Word();
      memory.copy(part.start, changetype<usize>(text) + i, min(32, size - i));
      first.plus(i >>> 5).write(part);
    }
  }
  slot.write(head);
}

function readText(slot: Word): string {
  const head = slot.read();
  if (!(head.bytes[31] & 1)) return String.UTF8.decodeUnsafe(head.start, head.bytes[31] >>> 1);
  const size = <i32>(head.number >>> 1);
  const text = new ArrayBuffer((size + 31) & ~31);
  const first = slot.hash();
  for (let i = 0; i < size; i += 32) memory.copy(changetype<usize>(text) + i, first.plus(i >>> 5).read().start, 32);
  return String.UTF8.decodeUnsafe(changetype<usize>(text), size);
}

function sign(text: ArrayBuffer): u32 {
  const count = ENTRIES.read().number;
  writeText(FIRST_ENTRY.plus(count), text);
  ENTRIES.write(Word.of(count + 1));
  flushCache(0);
  return SUCCESS;
}

function entries(): string[] {
  const found: string[] = [];
  const count = ENTRIES.read().number;
  for (let i: u32 = 0; i < count; i++) found.push(readText(FIRST_ENTRY.plus(i)));
  return found;
}

/** How often each word has been written, as "a 2, b 1". */
function words(): string {
  const counts = new Map<string, i32>();
  const written = entries();
  for (let i = 0; i < written.length; i++) {
    const parts = written[i].split(" ");
    for (let j = 0; j < parts.length; j++) {
      const word = parts[j];
      if (word.length) counts.set(word, counts.has(word) ? counts.get(word) + 1 : 1);
    }
  }
  const lines = counts.keys().sort();
  for (let i = 0; i < lines.length; i++) lines[i] += " " + counts.get(lines[i]).toString();
  return lines.join(", ");
}

function answer(text: string): u32 {
  const content = String.UTF8.encode(text);
  const size = content.byteLength;
  const output = new ArrayBuffer(64 + ((size + 31) & ~31));
  const start = changetype<usize>(output);
  memory.copy(start, Word.of(32).start, 32);
  memory.copy(start + 32, Word.of(size).start, 32);
  memory.copy(start + 64, changetype<usize>(content), size);
  writeResult(start, output.byteLength);
  return SUCCESS;
}

function answerNumber(number: u32): u32 {
  writeResult(Word.of(number).start, 32);
  return SUCCESS;
}

/** The word of call data at `at`; null where there is none, or it is a number of more than 32 bits. */
function argument(data: ArrayBuffer, at: u32): Word | null {
  if (at > <u32>data.byteLength || <u32>data.byteLength - at < 32) return null;
  const word = new Word();
  memory.copy(word.start, changetype<usize>(data) + at, 32);
  return word.isSmall ? word : null;
}

/** The ABI's string that the first argument points to; null where it is malformed. */
function textArgument(data: ArrayBuffer): ArrayBuffer | null {
  const offset = argument(data, 4);
  if (!offset || offset.number > <u32>data.byteLength) return null;
  const start = 4 + offset.number;
  const size = argument(data, start);
  if (!size || size.number > <u32>data.byteLength - start - 32) return null;
  return data.slice(start + 32, start + 32 + size.number);
}

function run(selector: u32, data: ArrayBuffer): u32 {
  switch (selector) {
    case SIGN: {
      const text = textArgument(data);
      return text ? sign(text) : REVERTED;
    }
    case COUNT:
      return answerNumber(ENTRIES.read().number);
    case ENTRY: {
      const index = argument(data, 4);
      if (!index || index.number >= ENTRIES.read().number) return REVERTED;
      return answer(readText(FIRST_ENTRY.plus(index.number)));
    }
    case WORDS:
      return answer(words());
    default:
      return NO_SUCH_FUNCTION;
  }
}

export function user_entrypoint(length: u32): u32 {
  if (length < 4) return NO_SUCH_FUNCTION;
  const data = new ArrayBuffer(<i32>length);
  readArguments(changetype<usize>(data));
  const wei = new Word();
  value(wei.start);
  if (!wei.isSmall || wei.number) return REVERTED;
  return run(bswap(load<u32>(changetype<usize>(data))), data);
}
