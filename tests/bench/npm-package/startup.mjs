// How long it takes until the code is there: node startup.mjs
//
// Compiling and instantiating our WebAssembly, against evaluating the script of oidc-client-ts, in turn. Both from memory, and
// each time as if never seen before: the script has a new comment in front, so that no cached code is used.
import vm from 'node:vm';
import { chromium } from 'playwright-core';
import { WASM, bundle, median, table } from './bundles.mjs';

const ROUNDS = 100;
const script = await bundle('oidc-client-ts');

/** Runs in Node and, as text, in a page. */
async function measure(octets, script, rounds, evaluate) {
  const ours = [];
  const theirs = [];
  const module = await WebAssembly.compile(octets);
  const imports = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    (imports[from] ??= {})[name] = () => {};
  }
  for (let round = 0; round < rounds + 10; round++) {
    const text = `/* ${round} */${script}`;
    const start = performance.now();
    const { instance } = await WebAssembly.instantiate(octets, imports);
    const between = performance.now();
    evaluate(text);
    const end = performance.now();
    if (!instance.exports.memory) throw new Error('that is not our module');
    if (round < 10) continue; // Warming up.
    ours.push(between - start);
    theirs.push(end - between);
  }
  return { ours, theirs };
}

const store = new Map();
globalThis.store = { getItem: (k) => store.get(k), setItem: (k, v) => store.set(k, v), removeItem: (k) => store.delete(k) };
const inNode = await measure(new Uint8Array(WASM), script, ROUNDS, (text) => new vm.Script(text).runInThisContext());

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--headless=new', '--no-sandbox'],
});
const page = await browser.newPage();
const inChromium = await page.evaluate(
  ({ measure, base64, script, rounds }) => {
    const octets = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    globalThis.store = { getItem() {}, setItem() {}, removeItem() {} };
    Object.defineProperty(globalThis, 'localStorage', { value: globalThis.store, configurable: true });
    return (0, eval)(`(${measure})`)(octets, script, rounds, (text) => (0, eval)(text));
  },
  { measure: String(measure), base64: WASM.toString('base64'), script, rounds: ROUNDS },
);
await browser.close();

const row = (where, { ours, theirs }) => [
  where,
  median(ours).toFixed(2),
  median(theirs).toFixed(2),
  (median(ours) / median(theirs)).toFixed(2),
];
table(
  ['median ms', 'twg-auth: compile and instantiate', 'oidc-client-ts: evaluate', 'ratio'],
  [row('Node', inNode), row('Chromium', inChromium)],
);
