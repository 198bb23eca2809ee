// code-server hashes passwords with a native module, and loads it even without a password. It is not compiled here.
const Module = require("node:module");

const load = Module._load;
Module._load = (request, ...rest) => (request === "argon2" ? {} : load(request, ...rest));
