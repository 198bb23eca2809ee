// Fails if a wasm module has imports: node wasm-imports.mjs MODULE
import { readFile } from 'node:fs/promises';

const bytes = await readFile(process.argv[2]);
const imports = WebAssembly.Module.imports(await WebAssembly.compile(bytes));
for (const { module, name, kind } of imports) console.log(`imports ${kind} ${module}.${name}`);
console.log(`${process.argv[2]}: ${bytes.length} bytes, ${imports.length} imports`);
process.exitCode = imports.length === 0 ? 0 : 1;
