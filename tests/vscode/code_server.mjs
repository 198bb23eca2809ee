// code-server on a free port of 127.0.0.1, with the sample extension, another one that uses it, and no files of the user of this
// machine.
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const here = import.meta.dirname;
const program = join(here, "node_modules/code-server/out/node/entry.js");
export const sample = resolve(here, "../../js-pkg/examples/vscode");

/** What must be built or installed first. */
const NEEDED = {
  [join(here, "node_modules/code-server/lib/vscode/node_modules")]: "npm ci && npm run setup, in tests/vscode",
  [join(sample, "dist/extension.js")]: "npm ci && npm run build, in js-pkg/examples/vscode",
};

const SETTINGS = {
  "security.workspace.trust.enabled": false,
  "telemetry.telemetryLevel": "off",
  "workbench.startupEditor": "none",
  "workbench.tips.enabled": false,
  "chat.commandCenter.enabled": false,
};

const ENVIRONMENT = {
  LANG: "C.UTF-8",
  // The test decides which programs are found, not the login shell of this user.
  VSCODE_CLI: "1",
  // code-server would proxy the sandbox under another name, because it is on this machine.
  VSCODE_PROXY_URI: "",
};

/** `home` is an empty directory; `env` is the rest of the environment. */
export async function codeServer(home, env, started) {
  for (const [path, how] of Object.entries(NEEDED)) {
    if (!existsSync(path)) throw new Error(`${path} is missing: run ${how}`);
  }
  const extension = join(home, "extensions/twg-examples.twg-atlassian-0.1.0");
  for (const part of ["package.json", "dist"]) cpSync(join(sample, part), join(extension, part), { recursive: true });
  cpSync(join(here, "consumer"), join(home, "extensions/twg-tests.consumer-1.0.0"), { recursive: true });
  mkdirSync(join(home, "data/User"), { recursive: true });
  writeFileSync(join(home, "data/User/settings.json"), JSON.stringify(SETTINGS));
  const folder = join(home, "my-project");
  mkdirSync(folder);
  writeFileSync(join(folder, "README.md"), "# My project\n");

  const options = {
    auth: "none", "bind-addr": "127.0.0.1:0", config: join(home, "config.yaml"),
    "user-data-dir": join(home, "data"), "extensions-dir": join(home, "extensions"),
  };
    const flags = ["--disable-telemetry", "--disable-update-check", "--disable-getting-started-override"];
  const args = ["--require", join(here, "without-argon2.cjs"), program, ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]), ...flags];
  const child = spawn(process.execPath, args, { env: { ...env, ...ENVIRONMENT, HOME: home }, stdio: ["ignore", "pipe", "pipe"] });
  started(child);
  const lines = [];
  return new Promise((resolve, reject) => {
    const hear = (line) => {
      lines.push(line);
      const url = /HTTP server listening on (http:\S+)/.exec(line)?.[1];
      if (url) resolve({ url: `${url}?folder=${encodeURIComponent(folder)}`, output: () => lines.join("\n") });
    };
    createInterface({ input: child.stdout }).on("line", hear);
    createInterface({ input: child.stderr }).on("line", hear);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`code-server ended with ${code}: ${lines.join("\n")}`)));
  });
}
