// The bundlers, each configured as its documentation says, without settings for WebAssembly unless they are necessary.
import { build as esbuildBuild } from "esbuild";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build as viteBuild } from "vite";
import webpack from "webpack";
import { installed, project } from "./project.mjs";

const page = (script) => `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>twg-auth</title><script type="module" src="./${script}"></script>`;
const carryFileAlong = (out) => copyFileSync(join(installed, "wasm/twg_wasm_bg.wasm"), join(out, "twg_wasm_bg.wasm"));

/** Bundles a file of the project into a directory, for `node` or the `browser`, as `bundle.mjs` with `index.html`. */
export const bundlers = {
  /** It leaves `new URL(..., import.meta.url)` unchanged: the file must be beside the bundle. */
  async esbuild(entry, out, platform) {
    await esbuildBuild({
      absWorkingDir: project, entryPoints: [entry], outfile: join(out, "bundle.mjs"),
      bundle: true, minify: true, format: "esm", platform, logLevel: "error",
    });
    carryFileAlong(out);
    writeFileSync(join(out, "index.html"), page("bundle.mjs"));
  },

  async vite(entry, out, platform) {
    const forNode = platform === "node";
    await viteBuild({
      root: project, configFile: false, logLevel: "error", base: "./",
      ...(forNode && { ssr: { noExternal: true } }),
      build: {
        outDir: out, assetsInlineLimit: 0, ssr: forNode, emptyOutDir: true,
        rolldownOptions: { input: join(project, entry), output: { entryFileNames: "bundle.mjs" } },
      },
    });
    if (forNode) carryFileAlong(out);
    writeFileSync(join(out, "index.html"), page("bundle.mjs"));
  },

  async webpack(entry, out, platform) {
    const compiler = webpack({
      context: project, entry: `./${entry}`, mode: "production", devtool: false,
      target: platform === "node" ? "node20" : "web",
      experiments: { outputModule: true },
      output: { path: out, filename: "bundle.mjs", module: true, chunkFormat: "module", publicPath: "auto" },
    });
    const stats = await new Promise((resolve, reject) => compiler.run((error, result) => (error ? reject(error) : resolve(result))));
    await new Promise((resolve) => compiler.close(resolve));
    if (stats.hasErrors()) throw new Error(stats.toString("errors-only"));
    writeFileSync(join(out, "index.html"), page("bundle.mjs"));
  },
};
