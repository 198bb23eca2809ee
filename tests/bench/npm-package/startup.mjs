// The time until the code is ready: node startup.mjs
//
// Compiles and instantiates our WebAssembly, and does the same with wasm-bindgen's glue evaluated
// before and called. Compares that with evaluating the script of oidc-client-ts, in turn.
// Everything comes from memory and counts as new each time: each script begins with a new comment,
// so that no cached code is used.
import vm from 'node:vm';
import { chromium } from 'playwright-core';
import { WASM, bundle, median, table } from './bundles.mjs';

const ROUNDS = 100;
const script = await bundle('oidc-client-ts');
const glue = await bundle('../../../js-pkg/wasm/twg_wasm.js');

/** Runs in Node and, as text, in a page. */
async function measure(octets, glue, script, rounds, evaluate) {
  const bare = [];
  const ours = [];
  const theirs = [];
  const module = await WebAssembly.compile(octets);
  const imports = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    (imports[from] ??= {})[name] = () => {};
  }
  for (let round = 0; round < rounds + 10; round++) {
    const texts = [glue, script].map((text) => `/* ${round} */${text}`);
    const times = [performance.now()];
    const { instance } = await WebAssembly.instantiate(octets, imports);
    times.push(performance.now());
    evaluate(`${texts[0]}globalThis.glue = bundle;`);
    await globalThis.glue.default({ module_or_path: octets });
    times.push(performance.now());
    evaluate(texts[1]);
    times.push(performance.now());
    if (!instance.exports.memory || !globalThis.glue.version()) throw new Error('that is not our module');
    if (round < 10) continue; // Warming up.
    bare.push(times[1] - times[0]);
    ours.push(times[2] - times[1]);
    theirs.push(times[3] - times[2]);
  }
  return { bare, ours, theirs };
}

const store = new Map();
globalThis.store = { getItem: (k) => store.get(k), setItem: (k, v) => store.set(k, v), removeItem: (k) => store.delete(k) };
const inNode = await measure(new Uint8Array(WASM), glue, script, ROUNDS, (text) => new vm.Script(text).runInThisContext());

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--headless=new', '--no-sandbox'],
});
const page = await browser.newPage();
const inChromium = await page.evaluate(
  ({ measure, base64, glue, script, rounds }) => {
    const octets = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    globalThis.store = { getItem() {}, setItem() {}, removeItem() {} };
    Object.defineProperty(globalThis, 'localStorage', { value: globalThis.store, configurable: true });
    return (0, eval)(`(${measure})`)(octets, glue, script, rounds, (text) => (0, eval)(text));
  },
  { measure: String(measure), base64: WASM.toString('base64'), glue, script, rounds: ROUNDS },
);
await browser.close();

const row = (where, { bare, ours, theirs }) => {
  const all = [bare, ours, theirs].map(median);
  return [where, ...all.map((ms) => ms.toFixed(2)), ...all.slice(0, 2).map((ms) => (ms / all[2]).toFixed(2))];
};
table(
  ['median ms', 'compile and instantiate', 'the same, with the glue', 'oidc-client-ts: evaluate', 'ratio', 'ratio, with the glue'],
  [row('Node', inNode), row('Chromium', inChromium)],
);
