// What a tracer's script finds around it, and who calls its functions. See script_host.py for the protocol.
//
// A script may change every built-in object. What happens between the node and the script's functions therefore uses
// the built-ins as they were before it, no iterator, and no toJSON but the script's own for its own result.
(function () {
  const { parse, stringify } = JSON;
  const { apply } = Reflect;
  const { isArray } = Array;
  const toAmount = parseInt;
  const { assign, keys } = Object;
  const [text, number, integer] = [String, Number, BigInt];
  const uncurried = (method) => (self, ...values) => apply(method, self, values);
  const [cut, has] = [uncurried(String.prototype.substring), uncurried(String.prototype.includes)];
  const replace = uncurried(String.prototype.replace);
  const lower = uncurried(String.prototype.toLowerCase);
  const digitsOf = uncurried(BigInt.prototype.toString);
  const instanceOf = uncurried(Function.prototype[Symbol.hasInstance]);
  const errorOf = uncurried(Error.prototype.toString);
  const search = uncurried(RegExp.prototype.exec);
  const ask = globalThis.askNode;
  delete globalThis.askNode;

  function query(...question) {
    let sent = "[";
    for (let index = 0; index < question.length; index++) sent += (index ? "," : "") + stringify(question[index]);
    return parse(ask(sent + "]"));
  }

  class TracerError extends Error {}

  // Bytes

  const Bytes = Uint8Array;
  const DIGITS = "0123456789abcdef";
  const [BYTE_OF, HEX_OF] = [Object.create(null), []];
  for (let value = 0; value < 256; value++) {
    const [high, low] = [DIGITS[value >> 4], DIGITS[value & 15]];
    HEX_OF[value] = high + low;
    for (const first of [high, high.toUpperCase()])
      for (const second of [low, low.toUpperCase()]) BYTE_OF[first + second] = value;
  }

  function bytes(hex) {
    const found = new Bytes(hex.length >> 1);
    for (let index = 0; index < found.length; index++) found[index] = BYTE_OF[cut(hex, 2 * index, 2 * index + 2)];
    return found;
  }

  function hexOf(buffer) {
    let found = "";
    for (let index = 0; index < buffer.length; index++) found += HEX_OF[buffer[index]];
    return found;
  }

  function read(value, allowsText) {
    if (instanceOf(Bytes, value)) return value;
    if (isArray(value)) return part(value, 0, value.length);
    if (allowsText && (typeof value === "string" || instanceOf(text, value))) {
      const digits = replace(text(value), /^0x/i, "");
      return bytes(digits.length % 2 ? "0" + digits : digits);
    }
    throw new TracerError("invalid buffer type");
  }

  function part(buffer, start, end) {
    const found = new Bytes(end - start);
    for (let index = start; index < end; index++) found[index - start] = buffer[index];
    return found;
  }

  function sized(buffer, size) {
    const found = new Bytes(size);
    const shift = size - buffer.length;
    for (let index = shift < 0 ? 0 : shift; index < size; index++) found[index] = buffer[index - shift];
    return found;
  }

  const addressOf = (value, allowsText) => hexOf(sized(read(value, allowsText), 20));

  // Big integers: BigInteger.js' methods over the engine's own

  function native(value) {
    if (instanceOf(Integer, value)) return value.value;
    if (value === undefined) return 0n;
    try {
      return integer(value);
    } catch (error) {
      throw new TracerError("Invalid integer: " + value);
    }
  }

  class Integer {
    constructor(value) {
      this.value = value;
    }
    toString(radix) {
      return digitsOf(this.value, radix === undefined ? 10 : number(radix));
    }
    toJSON() {
      return digitsOf(this.value);
    }
    valueOf() {
      return number(this.value);
    }
    toJSNumber() {
      return number(this.value);
    }
    divmod(other) {
      return { quotient: this.divide(other), remainder: this.mod(other) };
    }
    modPow(exponent, modulus) {
      const divisor = native(modulus);
      let result = 1n;
      let base = this.value % divisor;
      for (let left = native(exponent); left > 0n; left >>= 1n) {
        if (left & 1n) result = (result * base) % divisor;
        base = (base * base) % divisor;
      }
      return new Integer(result % divisor);
    }
    bitLength() {
      const counted = this.value < 0n ? -this.value - 1n : this.value;
      return new Integer(integer(this.value === 0n ? 0 : digitsOf(counted, 2).length));
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
    if (radix === undefined || number(radix) === 10) return new Integer(native(value));
    const digits = lower(text(value));
    const base = integer(radix);
    const sign = digits[0] === "-" ? -1n : 1n;
    let found = 0n;
    for (let index = sign < 0n ? 1 : 0; index < digits.length; index++) {
      const amount = toAmount(digits[index], number(radix));
      if (amount !== amount)
        throw new TracerError(digits[index] + " is not a valid digit in base " + radix + ".");
      found = found * base + integer(amount);
    }
    return new Integer(sign * found);
  }
  Object.assign(bigInt, {
    zero: new Integer(0n),
    one: new Integer(1n),
    minusOne: new Integer(-1n),
    isInstance: (value) => value instanceof Integer,
    max: (a, b) => new Integer(native(a) > native(b) ? native(a) : native(b)),
    min: (a, b) => new Integer(native(a) < native(b) ? native(a) : native(b)),
  });
  const big = (digits) => new Integer(integer(digits));

  // Geth's functions

  const NONCE_LIMIT = 2 ** 64;
  function nonceOf(value) {
    const found = number(value);
    if (!(found >= 0 && found < NONCE_LIMIT && found % 1 === 0)) throw new TracerError("invalid nonce: " + text(value));
    return digitsOf(integer(found));
  }

  let precompiles = Object.create(null);
  Object.assign(globalThis, {
    bigInt,
    toHex: (value) => "0x" + hexOf(read(value, false)),
    toWord: (value) => sized(read(value, true), 32),
    toAddress: (value) => sized(read(value, true), 20),
    toContract: (from, nonce) => bytes(query("toContract", addressOf(from, true), nonceOf(nonce))),
    toContract2: (from, salt, code) =>
      bytes(query("toContract2", addressOf(from, true), hexOf(sized(read(salt, true), 32)), hexOf(read(code, true)))),
    isPrecompiled: (value) => precompiles[addressOf(value, true)] === true,
    slice(value, start, end) {
      const buffer = read(value, false);
      if (!(start >= 0 && start <= end && end <= buffer.length))
        throw new TracerError(
          `Tracer accessed out of bound memory: available ${buffer.length}, offset ${start}, size ${end - start}`,
        );
      return part(buffer, start, end);
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
        begin = number(begin);
        end = number(end);
        if (begin === end) return new Bytes(0);
        if (!(begin >= 0 && begin < end))
          throw new TracerError(`tracer accessed out of bound memory: offset ${begin}, end ${end}`);
        if (end - memory.length / 2 > PADDING_LIMIT)
          throw new TracerError(
            `tracer reached limit for padding memory slice: end ${end}, memorySize ${memory.length / 2}`,
          );
        const found = new Bytes(end - begin);
        const size = memory.length / 2 - begin;
        for (let index = 0; index < found.length && index < size; index++)
          found[index] = BYTE_OF[cut(memory, 2 * (begin + index), 2 * (begin + index) + 2)];
        return found;
      },
      getUint(offset) {
        const memory = need("memory");
        offset = number(offset);
        if (!(offset >= 0 && offset + 32 <= memory.length / 2))
          throw new TracerError(
            `tracer accessed out of bound memory: available ${memory.length / 2}, offset ${offset}, size 32`,
          );
        return big("0x" + cut(memory, 2 * offset, 2 * offset + 64));
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

  const HANDLERS = ["result", "fault", "setup", "step", "enter", "exit", "hostio"];
  const evaluate = eval;

  function load(_, code, config) {
    const found = evaluate("(" + code + "\n)");
    if (found === null || found === undefined) throw new TypeError("Cannot convert undefined or null to object");
    const offers = Object.create(null);
    for (let index = 0; index < HANDLERS.length; index++)
      offers[HANDLERS[index]] = typeof found[HANDLERS[index]] === "function";
    if (!offers.result || !offers.fault)
      throw new TracerError(`trace object must expose a function ${offers.result ? "fault" : "result"}()`);
    if (offers.enter !== offers.exit)
      throw new TracerError("trace object must expose either both or none of enter() and exit()");
    tracer = found;
    sent = { stack: has(code, "stack"), memory: has(code, "memory"), contract: has(code, "contract") };
    const state = (offers.step && found.step.length >= 2) || found.fault.length >= 2;
    if (offers.setup) found.setup(config);
    return (
      `{"steps":${offers.step},"frames":${offers.enter},"hostio":${offers.hostio},"state":${state},` +
      `"stack":${sent.stack},"memory":${sent.memory},"contract":${sent.contract}}`
    );
  }

  function call(name, ...values) {
    place = name;
    const found = apply(tracer[name], tracer, values);
    place = null;
    return found;
  }

  // Each gets its own name first, then what the node tells, and returns JSON text or nothing
  const handlers = {
    load,
    begin(_, addresses, opcodes) {
      precompiles = Object.create(null);
      for (let index = 0; index < addresses.length; index++) precompiles[addresses[index]] = true;
      names = opcodes;
    },
    context(_, fields) {
      const told = keys(fields);
      for (let index = 0; index < told.length; index++) {
        const field = fields[told[index]];
        context[told[index]] = decoders[field[0]](field[1]);
      }
    },
    step(_, pc, op, gas, cost, depth, refund, error, stack, memory, contract) {
      assign(view, { pc, op, gas, cost, depth, refund, error, stack });
      if (memory !== null) view.memory = memory;
      if (contract !== null) view.contract = contract;
      // without a second parameter it is called late, when the state has moved on
      if (tracer.step.length >= 2) call("step", log, db);
      else call("step", log);
    },
    fault(_, error) {
      view.error = error;
      if (tracer.fault.length >= 2) call("fault", log, db);
      else call("fault", log);
    },
    enter(_, type, from, to, input, gas, value) {
      entered = { type, from, to, input, gas, value };
      call("enter", frame);
    },
    exit(_, gasUsed, output, error) {
      left = { gasUsed, output, error };
      call("exit", frameResult);
    },
    hostio(_, name, args, outs, startInk, endInk) {
      call("hostio", { name, args: bytes(args), outs: bytes(outs), startInk, endInk });
    },
    result() {
      const found = stringify(call("result", context, db));
      return stringify(found === undefined ? "null" : found);
    },
  };

  const ERROR_CHARACTERS = 4096;

  function describe(error) {
    let told;
    // the engine throws null where no memory is left for an error
    if (error === null) told = "null was thrown, as when the engine is out of memory";
    else if (instanceOf(TracerError, error)) told = text(error.message);
    else if (instanceOf(Error, error)) {
      told = errorOf(error);
      const where = search(/at (.*<input>:\d+:\d+\)?)/, text(error.stack));
      if (where !== null) told += " at " + replace(where[1], "<input>", "<eval>");
    } else told = text(error);
    if (told.length > ERROR_CHARACTERS)
      told = `${cut(told, 0, ERROR_CHARACTERS)}... (${told.length} characters)`;
    return place === null ? told : `${told}    in server-side tracer function '${place}'`;
  }

  return function (line) {
    try {
      const events = parse(line);
      let found;
      for (let index = 0; index < events.length; index++)
        found = apply(handlers[events[index][0]], handlers, events[index]);
      return `{"done":${found === undefined ? "null" : found}}`;
    } catch (error) {
      return `{"error":${stringify(describe(error))}}`;
    }
  };
})();
