// The compared bundles, each built by esbuild in the same way.
import { build } from 'esbuild';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export const PEERS = ['oidc-client-ts', 'auth0-spa-js', 'msal-browser'];
export const WASM = readFileSync(here('../../../js-pkg/wasm/twg_wasm_bg.wasm'));

/** A bundle's text. */
export async function bundle(name) {
  const { outputFiles } = await build({
    entryPoints: [here(name.includes('/') ? name : `bundles/${name}.js`)],
    bundle: true,
    minify: true,
    format: 'iife',
    globalName: 'bundle',
    target: 'es2022',
    platform: 'browser',
    write: false,
    legalComments: 'none',
    logLevel: 'error',
    define: { 'process.env.NODE_ENV': '"production"', 'import.meta.url': '"https://app.example/"' },
  });
  return outputFiles[0].text;
}

/** Octets after `gzip -9`. */
export const zipped = (content) => gzipSync(content, { level: 9 }).length;

export const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

export function table(head, rows) {
  console.log(`\n| ${head.join(' | ')} |\n|${head.map(() => '---|').join('')}`);
  for (const row of rows) console.log(`| ${row.join(' | ')} |`);
}
