// Builds dist/, which a browser loads unchanged:
//
//   node build.mjs --client-id ID [--profile FILE] [--out DIRECTORY]
//
// --profile: a provider profile as JSON, such as the one that `twg sandbox serve` writes; Atlassian's if absent.
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const ATLASSIAN = ["https://auth.atlassian.com/*", "https://api.atlassian.com/*"];

/** `alias` replaces modules: for tests. */
export async function build({ clientId, provider = "atlassian", grants = ["authorization_code"], out = here("dist"), alias = {}, manifest = (text) => text }) {
  await rm(out, { recursive: true, force: true });
  await mkdir(out, { recursive: true });
  await esbuild.build({
    entryPoints: [here("src/worker.js"), here("src/page.js")],
    outdir: out,
    bundle: true,
    format: "esm",
    target: ["chrome123", "firefox128"],
    minify: true,
    sourcemap: true,
    define: { CONFIGURATION: JSON.stringify({ clientId, provider, grants }) },
    alias,
    // Where the package would look for its WebAssembly; the extension passes the path.
    logOverride: { "empty-import-meta": "silent" },
  });
  for (const file of ["page.html", "page.css", "icon.png", "icon.svg"]) await copyFile(here(`src/${file}`), `${out}/${file}`);
  await copyFile(fileURLToPath(import.meta.resolve("twg-auth/twg_wasm_bg.wasm")), `${out}/twg_wasm_bg.wasm`);
  const written = { ...JSON.parse(await readFile(here("src/manifest.json"), "utf8")), host_permissions: hosts(provider) };
  await writeFile(`${out}/manifest.json`, JSON.stringify(manifest(written), null, 2));
  return out;
}

/** The hosts that get requests for tokens and accounts: all that the profile names. Firefox takes no ports here. */
function hosts(provider) {
  if (provider === "atlassian") return ATLASSIAN;
  const { issuer, endpoints, identity, sites } = provider;
  const named = JSON.stringify({ issuer, endpoints, identity, sites }).match(/https?:\/\/[^"/]+/g) ?? [];
  return [...new Set(named.map((url) => new URL(url)).map(({ protocol, hostname }) => `${protocol}//${hostname}/*`))];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { "client-id": { type: "string" }, profile: { type: "string" }, out: { type: "string" } } });
  if (!values["client-id"]) {
    console.error("node build.mjs --client-id ID: the client id of your app at the provider. None is shipped.");
    process.exit(2);
  }
  const out = await build({
    clientId: values["client-id"],
    ...(values.profile && { provider: JSON.parse(await readFile(values.profile, "utf8")) }),
    ...(values.out && { out: values.out }),
  });
  console.log(`Load ${out} as an unpacked extension.`);
}
