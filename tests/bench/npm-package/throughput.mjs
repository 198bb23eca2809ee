// The core's time for one refresh, without its effects: node throughput.mjs
//
// The same transcript runs in turn through the core as a Rust program, as the plain module in
// wasmtime, and as the npm package's module in Node. All of them read and write the same JSON.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { scenarios } from '../../scenarios/files.mjs';
import { WASM, median, table } from './bundles.mjs';

const ROUNDS = 9;
const COUNT = 2000;
const SCENARIO = 'refresh-due';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const cargo = ['run', '--release', '--quiet', '--locked', '-p', 'twg-wasm-tests', '--example', 'throughput', '--'];
const inRust = (shell) =>
  Number(execFileSync('cargo', [...cargo, shell, SCENARIO, String(COUNT)], { cwd: root, encoding: 'utf8' }));

const { Flow, default: init } = await import('../../../js-pkg/wasm/twg_wasm.js');
await init({ module_or_path: WASM });
const scenario = scenarios[SCENARIO];
const entropy = Uint8Array.from(scenario.entropy.match(/../g), (digits) => parseInt(digits, 16));

function once() {
  const flow = new Flow(scenario.request, entropy);
  let step = flow.begin(scenario.now);
  for (const { outcome, now } of scenario.steps) step = flow.resume(step.perform.id, outcome, now);
  if (!step.done.ok) throw new Error('it did not refresh');
  flow.free();
}

function inNode() {
  for (let n = 0; n < COUNT / 10; n++) once();
  const start = performance.now();
  for (let n = 0; n < COUNT; n++) once();
  return ((performance.now() - start) * 1000) / COUNT;
}

const times = { native: [], wasmtime: [], Node: [] };
for (let round = 0; round < ROUNDS; round++) {
  times.native.push(inRust('native'));
  times.wasmtime.push(inRust('wasmtime'));
  times.Node.push(inNode());
}
const native = median(times.native);
table(
  ['shell', 'median µs for one refresh', 'of native'],
  Object.entries(times).map(([shell, all]) => [shell, median(all).toFixed(0), (median(all) / native).toFixed(2)]),
);
