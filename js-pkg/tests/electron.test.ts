/** The ports for Electron, in Node, with implementations of the parts of Electron that they use. */
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { isTwgError } from "twg-auth";
import { createAuth, electronPorts, type ElectronApp, type ElectronPortsOptions, type ElectronSafeStorage } from "twg-auth/electron";
import { sandbox, temporaryDirectory, type Sandbox } from "./servers.js";

/** Seals with its own key: the result is unlike the input. */
function safe(backend = "gnome_libsecret", key = 7): ElectronSafeStorage {
  const mask = (bytes: Buffer) => bytes.map((byte) => byte ^ key);
  return {
    isEncryptionAvailable: () => true,
    getSelectedStorageBackend: () => backend,
    encryptString: (text) => Buffer.from(mask(Buffer.from(`v${key}${text}`))),
    decryptString(sealed) {
      const text = Buffer.from(mask(sealed)).toString();
      if (!text.startsWith(`v${key}`)) throw new Error(`cannot decrypt ${text}`);
      return text.slice(`v${key}`.length);
    },
  };
}

class App extends EventEmitter {
  readonly userData = temporaryDirectory();
  whenReady = async () => {};
  getPath = () => this.userData;
  isFirst = true;
  requestSingleInstanceLock = () => this.isFirst;
}

describe("twg-auth/electron", () => {
  let server: Sandbox;
  before(async () => {
    server = await sandbox("redirect-uris=com.example.app:/callback");
  });

  /** An application whose user approves in the system's browser. */
  function application(more: Partial<ElectronPortsOptions> = {}, deliver: (url: string) => Promise<void> = async (url) => void (await fetch(url))) {
    const app = new App();
    const shell = {
      async openExternal(url: string) {
        const redirectUri = new URL(url).searchParams.get("redirect_uri")!;
        void server.authorize(url, redirectUri).then(deliver);
      },
    };
    const ports = electronPorts({ app: app as unknown as ElectronApp, safeStorage: safe(), shell, ...more });
    const auth = createAuth({ provider: server.provider, clientId: server.clientId, ports });
    const files = () => readdirSync(join(app.userData, "twg-auth")).map((file) => readFileSync(join(app.userData, "twg-auth", file), "utf8")).join("\n");
    return { app, ports, auth, files };
  }
  const login = { grants: ["authorization_code" as const] };

  test("a login through loopback; everything stored is sealed", async () => {
    const { auth, files } = application();
    await auth.login(login);
    const token = await auth.getAccessToken();
    assert.ok(await server.accepts(token));
    assert.ok(!files().includes(token) && !files().includes("refresh_token") && files().includes("sealed:"));
  });

  test("a stage is sealed too, and can be read again", async () => {
    const { ports, files } = application();
    await ports.storage.reserve!("stage/a/b", 65_536);
    assert.equal(await ports.storage.get("stage/a/b"), "");
    await ports.storage.fill!("stage/a/b", "the reply");
    assert.equal(await ports.storage.get("stage/a/b"), "the reply");
    assert.ok(!files().includes("the reply"));
    await ports.storage.remove("stage/a/b");
  });

  test("without a keychain nothing is stored, unless plain text is allowed", async () => {
    for (const safeStorage of [safe("basic_text"), { ...safe(), isEncryptionAvailable: () => false }]) {
      await assert.rejects(application({ safeStorage }).auth.login(login), (error) => isTwgError(error, "STORE_CANNOT_CREATE") && /keychain/.test(error.message));
      const { auth, files } = application({ safeStorage, allowPlaintext: true });
      await auth.login(login);
      assert.ok(files().includes("plain:"));
      assert.ok(await server.accepts(await auth.getAccessToken()));
    }
  });

  test("another user's keychain: an error without the sealed text", async () => {
    const { app, auth } = application();
    await auth.login(login);
    const other = electronPorts({ app: app as unknown as ElectronApp, safeStorage: safe("kwallet", 9), shell: { openExternal: async () => {} } });
    const stranger = createAuth({ provider: server.provider, clientId: server.clientId, ports: other });
    await assert.rejects(stranger.getAccessToken(), (error) => isTwgError(error, "STORE_CANNOT_READ") && !error.message.includes("decrypt"));
  });

  for (const event of ["open-url", "second-instance"] as const) {
    test(`a login through the application's own scheme, by ${event}`, async () => {
      let prevented = 0;
      const deliver = async (url: string) => {
        const emit = (url: string) => event === "open-url" ? app.emit(event, { preventDefault: () => prevented++ }, url) : app.emit(event, {}, ["electron", ".", url]);
        emit("com.example.app:/other?code=1");
        emit("com.example.app:/callback?code=forged&state=wrong");
        emit(url);
      };
      const { app, auth } = application({ redirectUri: "com.example.app:/callback" }, deliver);
      const heard: string[] = [];
      await auth.login({ ...login, onProgress: (progress) => heard.push(progress.type === "notice" ? progress.notice.type : progress.type) });
      assert.deepEqual(heard, ["authorize", "redirect_ignored"]);
      assert.equal(prevented, event === "open-url" ? 2 : 0);
      assert.equal(app.listenerCount(event), 0, "it listens no longer");
    });
  }

  test("a second instance gets no lock; the locks of the first one exclude each other", async () => {
    const { app, ports } = application({ singleInstance: true });
    const held = await ports.locks.acquire("x", Date.now() + 5000);
    assert.ok("release" in held);
    assert.deepEqual(await ports.locks.acquire("x", Date.now() + 20), { busy: true });
    const waiting = ports.locks.acquire("x", Date.now() + 5000);
    held.release();
    assert.ok("release" in (await waiting));
    app.isFirst = false;
    await assert.rejects(ports.locks.acquire("y", Date.now() + 5000), /another instance/);
  });
});
