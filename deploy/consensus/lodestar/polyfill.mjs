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
