import vm from "node:vm";

// Promise.withResolvers of ECMAScript 2024, which libraries of Lodestar call and Node.js has from version 22 on.
if (Promise.withResolvers === undefined) {
  Object.defineProperty(Promise, "withResolvers", {
    configurable: true,
    writable: true,
    value() {
      const parts = {};
      parts.promise = new this((resolve, reject) => Object.assign(parts, { resolve, reject }));
      return parts;
    },
  });
}

// is-ip matches each address in a context of its own within 0.4 s. On a busy machine that is too short, and Lodestar ends
// with "invalid ip address". The limit guards against long texts, and an address has at most 45 characters.
const { runInNewContext } = vm.Script.prototype;
vm.Script.prototype.runInNewContext = function (contextObject, options) {
  return runInNewContext.call(this, contextObject, { ...options, timeout: undefined });
};
