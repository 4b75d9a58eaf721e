// The interface of snappy 6, which Lodestar calls, on snappy 7. Version 6 would have to be compiled at installation.
const compiled = require("compiled-snappy");

/** @param {Promise<any>} promise @param {(error: Error | null, value?: any) => void} callback */
function settle(promise, callback) {
  promise.then(
    (value) => callback(null, value),
    (error) => callback(error),
  );
}

/** Text, where the caller asks for it; bytes else. */
function formOf(bytes, options) {
  return options && options.asBuffer === false ? bytes.toString("utf8") : bytes;
}

exports.compress = (input, callback) => settle(compiled.compress(input), callback);
exports.compressSync = (input) => compiled.compressSync(input);
exports.uncompress = (input, options, callback) =>
  settle(
    compiled.uncompress(input, { asBuffer: true }).then((bytes) => formOf(bytes, options)),
    callback,
  );
exports.uncompressSync = (input, options) => formOf(compiled.uncompressSync(input, { asBuffer: true }), options);
