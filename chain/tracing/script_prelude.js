// What a tracer's script finds around it, and who calls its functions. See script_host.py for the protocol.
(function () {
  const { parse, stringify } = JSON;
  const ask = globalThis.askNode;
  delete globalThis.askNode;
  const query = (...question) => parse(ask(stringify(question)));

  class TracerError extends Error {}

  // Bytes

  function bytes(hex) {
    const found = new Uint8Array(hex.length >> 1);
    for (let index = 0; index < found.length; index++) found[index] = parseInt(hex.substr(2 * index, 2), 16);
    return found;
  }

  function hexOf(buffer) {
    let text = "";
    for (const value of buffer) text += (value < 16 ? "0" : "") + value.toString(16);
    return text;
  }

  function read(value, allowsText) {
    if (value instanceof Uint8Array) return value;
    if (Array.isArray(value)) return Uint8Array.from(value);
    if (allowsText && (typeof value === "string" || value instanceof String)) {
      const digits = String(value).replace(/^0x/i, "");
      return bytes(digits.length % 2 ? "0" + digits : digits);
    }
    throw new TracerError("invalid buffer type");
  }

  function sized(buffer, size) {
    const found = new Uint8Array(size);
    const tail = buffer.slice(Math.max(0, buffer.length - size));
    found.set(tail, size - tail.length);
    return found;
  }

  const addressOf = (value, allowsText) => hexOf(sized(read(value, allowsText), 20));

  // Big integers: BigInteger.js' methods over the engine's own

  function native(value) {
    if (value instanceof Integer) return value.value;
    if (value === undefined) return 0n;
    try {
      return BigInt(value);
    } catch (error) {
      throw new TracerError("Invalid integer: " + value);
    }
  }

  class Integer {
    constructor(value) {
      this.value = value;
    }
    toString(radix) {
      return this.value.toString(radix === undefined ? 10 : Number(radix));
    }
    toJSON() {
      return this.value.toString();
    }
    valueOf() {
      return Number(this.value);
    }
    toJSNumber() {
      return Number(this.value);
    }
    divmod(other) {
      return { quotient: this.divide(other), remainder: this.mod(other) };
    }
    modPow(exponent, modulus) {
      const divisor = native(modulus);
      let [result, base, left] = [1n, this.value % divisor, native(exponent)];
      for (; left > 0n; left >>= 1n) {
        if (left & 1n) result = (result * base) % divisor;
        base = (base * base) % divisor;
      }
      return new Integer(result % divisor);
    }
    bitLength() {
      return new Integer(BigInt(this.value === 0n ? 0 : (this.value < 0n ? -this.value - 1n : this.value).toString(2).length));
    }
  }

  const magnitude = (value) => (value < 0n ? -value : value);
  const order = (first, second) => (first < second ? -1 : first > second ? 1 : 0);
  const toInteger = {
    "add plus": (a, b) => a + b,
    "subtract minus": (a, b) => a - b,
    "multiply times": (a, b) => a * b,
    "divide over": (a, b) => a / b,
    "mod remainder": (a, b) => a % b,
    pow: (a, b) => a ** b,
    and: (a, b) => a & b,
    or: (a, b) => a | b,
    xor: (a, b) => a ^ b,
    shiftLeft: (a, b) => a << b,
    shiftRight: (a, b) => a >> b,
    negate: (a) => -a,
    abs: magnitude,
    not: (a) => ~a,
    square: (a) => a * a,
    next: (a) => a + 1n,
    prev: (a) => a - 1n,
  };
  const toOther = {
    "compare compareTo": order,
    compareAbs: (a, b) => order(magnitude(a), magnitude(b)),
    "equals eq": (a, b) => a === b,
    "notEquals neq": (a, b) => a !== b,
    "greater gt": (a, b) => a > b,
    "greaterOrEquals geq": (a, b) => a >= b,
    "lesser lt": (a, b) => a < b,
    "lesserOrEquals leq": (a, b) => a <= b,
    isDivisibleBy: (a, b) => a % b === 0n,
    isZero: (a) => a === 0n,
    isUnit: (a) => magnitude(a) === 1n,
    isNegative: (a) => a < 0n,
    isPositive: (a) => a > 0n,
    isEven: (a) => a % 2n === 0n,
    isOdd: (a) => a % 2n !== 0n,
  };
  for (const [names, operation] of Object.entries(toInteger))
    for (const name of names.split(" "))
      Integer.prototype[name] = function (other) {
        return new Integer(operation(this.value, native(other)));
      };
  for (const [names, operation] of Object.entries(toOther))
    for (const name of names.split(" "))
      Integer.prototype[name] = function (other) {
        return operation(this.value, native(other));
      };

  function bigInt(value, radix) {
    if (radix === undefined || Number(radix) === 10) return new Integer(native(value));
    const [text, base] = [String(value).toLowerCase(), BigInt(radix)];
    let found = 0n;
    for (const digit of text.replace(/^-/, "")) {
      const amount = parseInt(digit, Number(radix));
      if (Number.isNaN(amount)) throw new TracerError(digit + " is not a valid digit in base " + radix + ".");
      found = found * base + BigInt(amount);
    }
    return new Integer(text.startsWith("-") ? -found : found);
  }
  Object.assign(bigInt, {
    zero: new Integer(0n),
    one: new Integer(1n),
    minusOne: new Integer(-1n),
    isInstance: (value) => value instanceof Integer,
    max: (a, b) => new Integer(native(a) > native(b) ? native(a) : native(b)),
    min: (a, b) => new Integer(native(a) < native(b) ? native(a) : native(b)),
  });
  const big = (text) => new Integer(BigInt(text));

  // Geth's functions

  let precompiles = new Set();
  Object.assign(globalThis, {
    bigInt,
    toHex: (value) => "0x" + hexOf(read(value, false)),
    toWord: (value) => sized(read(value, true), 32),
    toAddress: (value) => sized(read(value, true), 20),
    toContract: (from, nonce) => bytes(query("toContract", addressOf(from, true), Number(nonce))),
    toContract2: (from, salt, code) =>
      bytes(query("toContract2", addressOf(from, true), hexOf(sized(read(salt, true), 32)), hexOf(read(code, true)))),
    isPrecompiled: (value) => precompiles.has(addressOf(value, true)),
    slice(value, start, end) {
      const buffer = read(value, false);
      if (!(start >= 0 && start <= end && end <= buffer.length))
        throw new TracerError(
          `Tracer accessed out of bound memory: available ${buffer.length}, offset ${start}, size ${end - start}`,
        );
      return buffer.slice(start, end);
    },
  });

  const db = {
    getBalance: (address) => big(query("getBalance", addressOf(address, false))),
    getNonce: (address) => query("getNonce", addressOf(address, false)),
    getCode: (address) => bytes(query("getCode", addressOf(address, false))),
    getState: (address, slot) =>
      bytes(query("getState", addressOf(address, false), hexOf(sized(read(slot, false), 32)))),
    exists: (address) => query("exists", addressOf(address, false)),
  };

  // What step and fault look at

  const PADDING_LIMIT = 1024 * 1024;
  const view = { pc: 0, op: 0, gas: 0, cost: 0, depth: 0, refund: 0, error: null, stack: [], memory: "", contract: null };
  let [names, sent] = [[], {}];

  function need(name) {
    if (!sent[name]) throw new TracerError(`tracer must spell out log.${name} to use it`);
    return view[name];
  }

  const log = {
    getPC: () => view.pc,
    getGas: () => view.gas,
    getCost: () => view.cost,
    getDepth: () => view.depth,
    getRefund: () => view.refund,
    getError: () => (view.error === null ? undefined : view.error),
    op: {
      toNumber: () => view.op,
      toString: () => names[view.op],
      isPush: () => view.op >= 0x5f && view.op <= 0x7f,
    },
    stack: {
      length: () => need("stack").length,
      peek(index) {
        const stack = need("stack");
        if (!(index >= 0 && index < stack.length))
          throw new TracerError(`tracer accessed out of bound stack: size ${stack.length}, index ${index}`);
        return big(stack[stack.length - 1 - index]);
      },
    },
    memory: {
      length: () => need("memory").length / 2,
      slice(begin, end) {
        const memory = need("memory");
        [begin, end] = [Number(begin), Number(end)];
        if (begin === end) return new Uint8Array(0);
        if (!(begin >= 0 && begin < end))
          throw new TracerError(`tracer accessed out of bound memory: offset ${begin}, end ${end}`);
        if (end - memory.length / 2 > PADDING_LIMIT)
          throw new TracerError(
            `tracer reached limit for padding memory slice: end ${end}, memorySize ${memory.length / 2}`,
          );
        const found = new Uint8Array(end - begin);
        found.set(bytes(memory.slice(2 * begin, 2 * end)));
        return found;
      },
      getUint(offset) {
        const memory = need("memory");
        offset = Number(offset);
        if (!(offset >= 0 && offset + 32 <= memory.length / 2))
          throw new TracerError(
            `tracer accessed out of bound memory: available ${memory.length / 2}, offset ${offset}, size 32`,
          );
        return big("0x" + memory.slice(2 * offset, 2 * offset + 64));
      },
    },
    contract: {
      getCaller: () => bytes(need("contract")[0]),
      getAddress: () => bytes(need("contract")[1]),
      getValue: () => big(need("contract")[2]),
      getInput: () => bytes(need("contract")[3]),
    },
  };

  // What enter and exit look at

  let entered = {};
  const frame = {
    getType: () => entered.type,
    getFrom: () => bytes(entered.from),
    getTo: () => bytes(entered.to),
    getInput: () => bytes(entered.input),
    getGas: () => entered.gas,
    getValue: () => (entered.value === null ? undefined : big(entered.value)),
  };
  let left = {};
  const frameResult = {
    getGasUsed: () => left.gasUsed,
    getOutput: () => bytes(left.output),
    getError: () => (left.error === null ? undefined : left.error),
  };

  // Events

  const context = {};
  const decoders = { bytes, big, plain: (value) => value };
  let [tracer, place] = [null, null];

  function load(code, config) {
    const found = (0, eval)("(" + code + "\n)");
    if (found === null || found === undefined) throw new TypeError("Cannot convert undefined or null to object");
    const has = (name) => typeof found[name] === "function";
    for (const name of ["result", "fault"])
      if (!has(name)) throw new TracerError(`trace object must expose a function ${name}()`);
    if (has("enter") !== has("exit"))
      throw new TracerError("trace object must expose either both or none of enter() and exit()");
    tracer = found;
    for (const name of ["stack", "memory", "contract"]) sent[name] = code.includes(name);
    const declares = (name) => has(name) && found[name].length >= 2;
    if (has("setup")) found.setup(config);
    const state = declares("step") || declares("fault");
    return { steps: has("step"), frames: has("enter"), state, ...sent };
  }

  function call(name, ...values) {
    place = name;
    const found = tracer[name](...values);
    place = null;
    return found;
  }

  const handlers = {
    load,
    begin(addresses, opcodes) {
      [precompiles, names] = [new Set(addresses), opcodes];
    },
    context(fields) {
      for (const [name, [kind, value]] of Object.entries(fields)) context[name] = decoders[kind](value);
    },
    step(pc, op, gas, cost, depth, refund, error, stack, memory, contract) {
      Object.assign(view, { pc, op, gas, cost, depth, refund, error, stack });
      if (memory !== null) view.memory = memory;
      if (contract !== null) view.contract = contract;
      // without a second parameter it is called late, when the state has moved on
      if (tracer.step.length >= 2) call("step", log, db);
      else call("step", log);
    },
    fault(error) {
      view.error = error;
      if (tracer.fault.length >= 2) call("fault", log, db);
      else call("fault", log);
    },
    enter(type, from, to, input, gas, value) {
      entered = { type, from, to, input, gas, value };
      call("enter", frame);
    },
    exit(gasUsed, output, error) {
      left = { gasUsed, output, error };
      call("exit", frameResult);
    },
    result() {
      const found = stringify(call("result", context, db));
      return found === undefined ? "null" : found;
    },
  };

  function describe(error) {
    // the engine throws null where no memory is left for an error
    let text = error === null ? "null was thrown, as when the engine is out of memory" : String(error);
    if (error instanceof Error && !(error instanceof TracerError)) {
      const where = /at (.*<input>:\d+:\d+\)?)/.exec(error.stack);
      if (where !== null) text += " at " + where[1].replace("<input>", "<eval>");
    } else if (error instanceof TracerError) text = error.message;
    return place === null ? text : `${text}    in server-side tracer function '${place}'`;
  }

  return function (line) {
    try {
      let found = null;
      for (const [name, ...values] of parse(line)) found = handlers[name](...values);
      return stringify({ done: found === undefined ? null : found });
    } catch (error) {
      return stringify({ error: describe(error) });
    }
  };
})();
