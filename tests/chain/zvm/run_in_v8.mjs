// Runs instrumented modules in Node's own engine: a JSON document of runs on standard input, their ends on standard output.
// [{code: base64, imports: [[module, name, has a 64-bit result]], entry, arguments: [[kind, decimal]], ink, words}]
import { readFileSync } from "node:fs";

const FAULTS = ["", "out of ink", "out of stack"];
const TRAPS = [
  [/unreachable/, "unreachable"],
  [/divide by zero|remainder by zero/, "integer divide by zero"],
  [/unrepresentable/, "integer overflow"],
  [/memory access out of bounds/, "out of bounds memory access"],
  [/table index is out of bounds/, "out of bounds table access"],
  [/null function or function signature/, "no such function"],
];
const compiled = new Map();

function execute(request) {
  if (!compiled.has(request.code)) {
    compiled.set(request.code, new WebAssembly.Module(Buffer.from(request.code, "base64")));
  }
  const imports = {};
  for (const [module, name, result] of request.imports) {
    (imports[module] ??= {})[name] = result ? () => 5n : () => {};
  }
  const { exports } = new WebAssembly.Instance(compiled.get(request.code), imports);
  exports.zvm_ink.value = BigInt.asIntN(64, BigInt(request.ink));
  exports.zvm_stack.value = request.words;
  const values = request.arguments.map(([kind, text]) => (kind === "I" ? BigInt(text) : Number(text)));
  let end = "returned";
  let value = null;
  try {
    const result = exports[request.entry](...values);
    if (typeof result === "bigint") value = BigInt.asUintN(64, result).toString();
    else if (result !== undefined) value = String(result >>> 0);
  } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
    end = FAULTS[exports.zvm_fault.value] || TRAPS.find(([pattern]) => pattern.test(error.message))?.[1] || error.message;
  }
  return [end, value, BigInt.asUintN(64, exports.zvm_ink.value).toString()];
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(execute)));
