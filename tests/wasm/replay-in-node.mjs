// Replays every scenario in Node, through the plain module and through the npm package's: node replay-in-node.mjs
// (Through the package's driver: js-pkg/tests/scenarios.test.ts, because the driver has to be built.)
// Also fails if the npm package's module imports anything else than functions of wasm-bindgen.
import { readFile } from 'node:fs/promises';
import { scenarios } from '../scenarios/files.mjs';
import { replay } from '../scenarios/replay.mjs';
import { load } from './plugin.mjs';

const built = new URL('../../js-pkg/wasm/', import.meta.url);
let failures = 0;
const fail = (text) => {
  failures += 1;
  console.error(text);
};

const plugin = await WebAssembly.compile(await readFile(new URL('twg_plugin.wasm', built)));
const npm = await WebAssembly.compile(await readFile(new URL('twg_wasm_bg.wasm', built)));
const glue = await import(new URL('twg_wasm.js', built));
await glue.default({ module_or_path: npm });

for (const { module, name, kind } of WebAssembly.Module.imports(plugin)) {
  fail(`the plain module imports ${kind} ${module}.${name}`);
}
for (const { module, name, kind } of WebAssembly.Module.imports(npm)) {
  if (module !== './twg_wasm_bg.js' || kind !== 'function' || !name.startsWith('__wb')) {
    fail(`the npm package's module imports ${kind} ${module}.${name}`);
  }
}

const flows = { 'the plain module': await load(plugin), "the npm package's module": glue.Flow };
for (const [name, scenario] of Object.entries(scenarios)) {
  for (const [where, Flow] of Object.entries(flows)) {
    const wrong = replay(Flow, scenario);
    if (wrong) fail(`${name}, in ${where}: ${wrong}\n`);
  }
  const spoiled = structuredClone(scenario);
  spoiled.steps.push({ perform: {}, outcome: 'waited', now: scenario.now });
  if (!replay(glue.Flow, spoiled)) fail(`${name}: it does not fail with a step that is left over`);
}

const count = Object.keys(scenarios).length;
console.log(`${count} scenarios through ${Object.keys(flows).length} modules in Node, ${failures} failures`);
process.exitCode = failures === 0 && count >= 60 ? 0 : 1;
