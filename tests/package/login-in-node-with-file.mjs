// For bundles that do not include the module's file: it is beside the program.
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { nodePorts } from "twg-auth/node";
import { login } from "./login.js";

const [origin, directory] = process.argv.slice(2);
const wasm = () => readFile(join(dirname(process.argv[1]), "twg_wasm_bg.wasm"));
console.log(JSON.stringify(await login(origin, nodePorts({ directory, wasm }))));
