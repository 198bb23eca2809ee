// Firefox with the example extension, over WebDriver BiDi.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { WebSocket } from "ws";
import { build } from "../../js-pkg/examples/extension/build.mjs";
import { until } from "./chromium.mjs";

const EXECUTABLE = process.env.FIREFOX ?? "/usr/bin/firefox-esr";

const ADDON = "twg-auth-example@example.com";
/** Firefox chooses one for each installation; here it is set. */
const UUID = "6f0f7a52-9d5c-4a1e-8f63-2b1c5d7e9a40";

const digest = createHash("sha1").update(ADDON).digest("hex");
export const redirectUri = (path) => `https://${digest}.extensions.allizom.org${path}`;

export async function firefoxWithExtension(options) {
  const directory = await mkdtemp(join(tmpdir(), "twg-firefox-"));
  // WebDriver cannot open an extension's page: the extension opens it.
  const { manifest = (all) => all, files = {}, ...rest } = options;
  const opening = ({ background, ...all }) => manifest({ ...all, background: { ...background, scripts: [...background.scripts, "open.js"] } });
  const extension = await build({ out: join(directory, "extension"), manifest: opening, ...rest });
  const all = { ...files, "open.js": `chrome.tabs.create({ url: chrome.runtime.getURL("page.html") });` };
  for (const [name, text] of Object.entries(all)) await writeFile(join(extension, name), text);
  const preferences = { "extensions.webextensions.uuids": JSON.stringify({ [ADDON]: UUID }), "remote.active-protocols": 1, "devtools.console.stdout.content": true };
  const lines = Object.entries(preferences).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`);
  await writeFile(join(directory, "user.js"), lines.join("\n"));

  const firefox = spawn(EXECUTABLE, ["--headless", "--no-remote", "--profile", directory, "--remote-debugging-port", "0"], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, HOME: directory },
  });
  process.on("exit", () => firefox.kill("SIGKILL"));
  // WebDriver does not report what extensions write to consoles.
  const said = [];
  createInterface({ input: firefox.stdout }).on("line", (line) => said.push(line));
  const address = await listening(firefox);
  const { send, close: hangUp } = await session(`${address}/session`);
  await send("webExtension.install", { extensionData: { type: "path", path: extension } });

  const contexts = async () => (await send("browsingContext.getTree", {})).contexts;

  /** A tab, with the parts of playwright's `Page` that the tests need. Functions return JSON. */
  const tab = (context) => ({
    async evaluate(work, ...args) {
      const { result, exceptionDetails } = await send("script.callFunction", {
        functionDeclaration: `async (args) => JSON.stringify((await (${work})(...JSON.parse(args))) ?? null)`,
        arguments: [{ type: "string", value: JSON.stringify(args) }],
        target: { context },
        awaitPromise: true,
        userActivation: true,
      });
      if (exceptionDetails) throw new Error(exceptionDetails.text);
      return JSON.parse(result.value);
    },
    async isClosed() {
      return !(await contexts()).some((open) => open.context === context);
    },
    close: () => send("browsingContext.close", { context }),
  });

  /** The tab that matches, once its page is complete. */
  async function complete(found) {
    const page = tab((await contexts()).find(found)?.context);
    return (await page.evaluate(() => document.readyState).catch(() => "")) === "complete" && page;
  }

  return {
    /** Everything that was written to any console. */
    said,
    /** The extension's page. */
    page: await until("the extension opens its page", () => complete(({ url }) => url.startsWith(`moz-extension://${UUID}/`))),
    async open(url) {
      const { context } = await send("browsingContext.create", { type: "tab" });
      await send("browsingContext.navigate", { context, url, wait: "complete" });
      return tab(context);
    },
    /** The window that opens during `open`, once its page is there. */
    async opened(act) {
      const known = new Set((await contexts()).map(({ context }) => context));
      await act();
      return until("a window opens", () => complete(({ context, url }) => !known.has(context) && url.startsWith("http")));
    },
    async close() {
      await hangUp();
      if (firefox.exitCode === null) {
        firefox.kill();
        await once(firefox, "exit", { signal: AbortSignal.timeout(10_000) }).catch(() => firefox.kill("SIGKILL"));
      }
      await rm(directory, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

async function listening(firefox) {
  for await (const line of createInterface({ input: firefox.stderr })) {
    const [, address] = /WebDriver BiDi listening on (ws:\S+)/.exec(line) ?? [];
    if (!address) continue;
    firefox.stderr.resume();
    return address;
  }
  throw new Error("Firefox ended before it listened");
}

/** A minimal client with numbered commands. */
async function session(address) {
  const socket = new WebSocket(address);
  await once(socket, "open", { signal: AbortSignal.timeout(20_000) });
  const waiting = new Map();
  let last = 0;
  socket.on("message", (data) => {
    const message = JSON.parse(data);
    const command = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.type === "error") command?.reject(new Error(`${message.error}: ${message.message}`));
    else command?.resolve(message.result);
  });
  socket.on("close", () => waiting.forEach(({ reject }) => reject(new Error("Firefox is gone"))));
  const send = (method, params) => new Promise((resolve, reject) => {
    last += 1;
    waiting.set(last, { resolve, reject });
    socket.send(JSON.stringify({ id: last, method, params }));
  });
  await send("session.new", { capabilities: {} });
  const close = async () => {
    await Promise.race([send("browser.close", {}).catch(() => {}), once(socket, "close")]);
    socket.close();
  };
  return { send, close };
}
