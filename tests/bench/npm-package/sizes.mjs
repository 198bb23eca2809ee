// The size of the code that a browser loads to sign in with PKCE and to refresh: node sizes.mjs
import { PEERS, WASM, bundle, table, zipped } from './bundles.mjs';

const script = await bundle('twg-auth');
const ours = zipped(script) + zipped(WASM);
const rows = [
  ['**twg-auth**, all of it', script.length + WASM.length, ours, '1.00'],
  ['its WebAssembly', WASM.length, zipped(WASM), ''],
  ['its JavaScript, wasm-bindgen\'s glue included', script.length, zipped(script), ''],
];
for (const peer of PEERS) {
  const text = await bundle(peer);
  rows.push([peer, text.length, zipped(text), (zipped(text) / ours).toFixed(2)]);
}
table(['minimal bundle', 'octets', 'gzip -9', 'of twg-auth'], rows);
