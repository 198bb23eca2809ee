// This is not Electron. It implements the interfaces of Electron that examples/electron uses, in a process of Node. The test
// drives it over IPC: it gets what a user would see, and sends what a user would click.
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { EventEmitter } from "node:events";
import { rmSync } from "node:fs";
import { createRequire } from "node:module";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const userData = process.env.USER_DATA;
const say = (what) => process.send?.(what);

/** The first instance listens; a later one connects and hands over its arguments. */
const isFirst = await new Promise((resolve) => {
  const path = join(userData, "instance.sock");
  const socket = connect(path, () => socket.end(JSON.stringify(process.argv)));
  socket.on("close", (hadError) => hadError || resolve(false));
  socket.on("error", () => {
    rmSync(path, { force: true });
    const server = createServer((other) => {
      other.on("data", (argv) => app.emit("second-instance", {}, JSON.parse(argv)));
    });
    server.listen(path, () => resolve(true));
  });
});

export const app = Object.assign(new EventEmitter(), {
  whenReady: async () => {},
  getPath: () => userData,
  requestSingleInstanceLock: () => isFirst,
  quit() {
    let isPrevented = false;
    app.emit("before-quit", { preventDefault: () => (isPrevented = true) });
    if (isPrevented) return void say({ quitting: "prevented" });
    // Messages are sent before the process ends.
    process.send({ quitting: "now" }, () => process.exit(0));
  },
});

/** Like a keychain: the key is not with the application's data. */
const key = createHash("sha256").update(process.env.KEYCHAIN).digest();
export const safeStorage = {
  isEncryptionAvailable: () => true,
  getSelectedStorageBackend: () => "gnome_libsecret",
  encryptString(text) {
    const iv = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", key, iv);
    return Buffer.concat([iv, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
  },
  decryptString(sealed) {
    const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, 12)).setAuthTag(sealed.subarray(-16));
    return decipher.update(sealed.subarray(12, -16)) + decipher.final("utf8");
  },
};

export const shell = { openExternal: async (url) => void say({ opened: url }) };
export const powerMonitor = new EventEmitter();

const handlers = new Map();
export const ipcMain = { handle: (channel, handler) => handlers.set(channel, handler) };

/** The page and its preload script are in this process too, so everything between them and the main module is copied, as in
 * Electron. */
export class BrowserWindow {
  webContents = Object.assign(new EventEmitter(), {
    send: (channel, value) => this.renderer.emit(channel, {}, structuredClone(value)),
    setWindowOpenHandler: (handler) => (this.openHandler = handler),
  });
  renderer = new EventEmitter();
  isDestroyed = () => false;
  isMinimized = () => false;
  focus = () => say({ focused: true });

  constructor(options) {
    this.options = options;
  }

  async loadFile(path) {
    this.url = pathToFileURL(path).href;
    globalThis.renderer = {
      contextBridge: { exposeInMainWorld: (name, api) => runPage(name, api) },
      ipcRenderer: {
        on: (channel, listener) => this.renderer.on(channel, listener),
        invoke: (channel, ...args) => this.invoke(this.url, channel, args),
      },
    };
    createRequire(import.meta.url)(this.options.webPreferences.preload);
    process.on("message", ({ stranger }) => {
      if (stranger) void this.invoke("https://example.com/", stranger, []).then((answer) => say({ stranger: answer }));
    });
    say({ window: this.options });
  }

  async invoke(url, channel, args) {
    return structuredClone(await handlers.get(channel)({ senderFrame: { url } }, ...structuredClone(args)));
  }
}

/** Replaces the page's scripts: calls of the test go to the interface that the preload script exposes. */
function runPage(name, api) {
  say({ exposed: name, members: Object.keys(api) });
  api.onState((state) => say({ state }));
  api.onProgress((progress) => say({ progress }));
  process.on("message", async ({ id, call }) => {
    if (call) say({ id, answer: await api[call]() });
  });
}

process.on("message", ({ emit, quit }) => {
  if (quit) app.quit();
  if (emit) powerMonitor.emit(emit);
});
