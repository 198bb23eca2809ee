// The bundles: all made the same way.
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const here = import.meta.dirname;
export const work = join(here, ".build");
export const packageDirectory = join(here, "../../../js-pkg");
export const wasmFile = join(packageDirectory, "wasm/twg_wasm_bg.wasm");
export const others = ["oidc-client-ts", "auth0-spa-js", "msal-browser"];

export async function bundle(name, format = "esm") {
  if (!existsSync(join(packageDirectory, "dist/index.js"))) throw new Error("js-pkg/dist is missing: run `npm run build` in js-pkg first");
  mkdirSync(work, { recursive: true });
  const outfile = join(work, `${name}.${format}.js`);
  await build({
    entryPoints: [join(here, `entries/${name}.js`)], outfile, bundle: true, minify: true, format, platform: "browser", target: "es2022",
    globalName: format === "iife" ? "bundle" : undefined, alias: { "twg-auth": join(packageDirectory, "dist/index.js") }, logLevel: "error",
  });
  return outfile;
}

/** A bundle of the glue alone, which compiles and instantiates the module that it is given. */
export async function glue() {
  mkdirSync(work, { recursive: true });
  const outfile = join(work, "glue.js");
  await build({ entryPoints: [join(packageDirectory, "wasm/twg_wasm.js")], outfile, bundle: true, minify: true, format: "iife", globalName: "glue", define: { "import.meta.url": '"http://localhost/"' }, logLevel: "error" });
  return outfile;
}

export function gzipped(...files) {
  return files.map((file) => spawnSync("gzip", ["-9nc", file], { maxBuffer: 1 << 26 }).stdout.length).reduce((sum, length) => sum + length, 0);
}

export const sizeOf = (...files) => files.map((file) => readFileSync(file).length).reduce((sum, length) => sum + length, 0);
