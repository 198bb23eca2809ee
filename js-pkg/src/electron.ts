/**
 * Ports for Electron's main process. Electron is never imported: pass its modules. The interfaces here describe what is used
 * of them. The tests implement these interfaces; no test of this package runs in Electron.
 */
import { join } from "node:path";
import { nodePorts, type NodePortsOptions } from "./node.js";
import { StorageFailure, UserAgentFailure, type Clock, type Locks, type Ports, type Storage, type UserAgent } from "./ports.js";
import { LATE, queues, redirects } from "./waiting.js";

export { createAuth } from "./auth.js";

export interface ElectronApp {
  whenReady(): Promise<void>;
  getPath(name: "userData"): string;
  requestSingleInstanceLock(): boolean;
  on(event: "open-url", listener: (event: { preventDefault(): void }, url: string) => void): unknown;
  on(event: "second-instance", listener: (event: unknown, argv: string[]) => void): unknown;
  removeListener(event: "open-url" | "second-instance", listener: (...args: never[]) => void): unknown;
}

export interface ElectronSafeStorage {
  isEncryptionAvailable(): boolean;
  /** On Linux only. */
  getSelectedStorageBackend?(): string;
  encryptString(text: string): Buffer;
  decryptString(sealed: Buffer): string;
}

export interface ElectronShell {
  openExternal(url: string): Promise<void>;
}

export interface ElectronPortsOptions extends Omit<NodePortsOptions, "directory" | "open"> {
  app: ElectronApp;
  safeStorage: ElectronSafeStorage;
  shell: ElectronShell;
  /** `twg-auth` in the application's `userData` if absent. */
  directory?: string;
  /** Whether to store tokens that only file permissions protect, where the system has no keychain. If absent, signing in
   * fails there. */
  allowPlaintext?: boolean;
  /** A redirect URI of a scheme of your own, such as `com.example.app:/callback`, as registered at the provider.
   * The application must be the scheme's handler. Absent: a port on 127.0.0.1. */
  redirectUri?: string;
  /** Whether Electron's single-instance lock replaces the lock files, where `flock` may be missing. */
  singleInstance?: boolean;
}

/** Call it once; `createAuth` can be called at any time after that. */
export function electronPorts(options: ElectronPortsOptions): Ports {
  const { app, safeStorage, shell, allowPlaintext = false, redirectUri, singleInstance = false } = options;
  const directory = options.directory ?? join(app.getPath("userData"), "twg-auth");
  const ports = nodePorts({ ...options, directory, open: (url) => shell.openExternal(url) });
  return {
    ...ports,
    storage: sealed(ports.storage, app, safeStorage, allowPlaintext),
    ...(redirectUri !== undefined && { userAgent: protocolUserAgent(app, shell, ports.clock, redirectUri) }),
    ...(singleInstance && { locks: singleInstanceLocks(app, ports.clock, directory) }),
  };
}

/** The beginning of a sealed text, and of one that could not be sealed. */
const SEALED = "sealed:";
const PLAIN = "plain:";

/** A storage whose texts are sealed with a key of the system's keychain. */
function sealed(storage: Storage, app: ElectronApp, safe: ElectronSafeStorage, allowPlaintext: boolean): Storage {
  async function seal(name: string, text: string): Promise<string> {
    await app.whenReady();
    // `basic_text` is a well-known password.
    const hasKeychain = safe.isEncryptionAvailable() && safe.getSelectedStorageBackend?.() !== "basic_text";
    if (hasKeychain) return SEALED + safe.encryptString(text).toString("base64");
    if (allowPlaintext) return PLAIN + text;
    throw new StorageFailure("cannot_create", storage.place(name), "the system has no keychain to seal it; install one, or set allowPlaintext");
  }

  async function open(name: string, text: string): Promise<string> {
    // Reserved room may follow the text, or stand alone.
    const written = text.replace(/\0+$/, "");
    if (written === "") return "";
    if (written.startsWith(PLAIN)) return written.slice(PLAIN.length);
    await app.whenReady();
    try {
      if (!written.startsWith(SEALED)) throw new Error();
      return safe.decryptString(Buffer.from(written.slice(SEALED.length), "base64"));
    } catch {
      throw new StorageFailure("cannot_read", storage.place(name), "it cannot be unsealed with the keychain of this user");
    }
  }

  return {
    ...storage,
    async get(name) {
      const text = await storage.get(name);
      return text === undefined ? undefined : open(name, text);
    },
    set: async (name, value) => storage.set(name, await seal(name, value)),
    // Sealed texts are longer.
    ...(storage.reserve && { reserve: (name: string, bytes: number) => storage.reserve!(name, 2 * bytes) }),
    ...(storage.fill && { fill: async (name: string, value: string) => storage.fill!(name, await seal(name, value)) }),
  };
}

/** The locks of this process exclude every other, because there is no other. */
function singleInstanceLocks(app: ElectronApp, clock: Clock, directory: string): Locks {
  const enter = queues(clock);
  return {
    async acquire(name, deadline, signal) {
      if (!app.requestSingleInstanceLock()) {
        throw new StorageFailure("cannot_create", directory, "another instance of this application uses it");
      }
      const leave = await enter(name, deadline, signal);
      return leave === LATE ? { busy: true } : { release: leave };
    },
  };
}

/** Redirects to the application's own scheme, RFC 8252 section 7.1. */
function protocolUserAgent(app: ElectronApp, shell: ElectronShell, clock: Clock, redirectUri: string): UserAgent {
  let received = redirects(clock);
  let isListening = false;

  function take(url: string): boolean {
    const isOurs = url === redirectUri || url.startsWith(`${redirectUri}?`);
    if (isOurs) received.arrived(url);
    return isOurs;
  }
  /** macOS. */
  const onOpenUrl = (event: { preventDefault(): void }, url: string) => {
    if (take(url)) event.preventDefault();
  };
  /** Windows and Linux start the application again, and it passes its arguments to the first instance. */
  const onSecondInstance = (_event: unknown, argv: string[]) => void argv.some(take);

  function listen(): void {
    if (isListening) return;
    isListening = true;
    app.on("open-url", onOpenUrl);
    app.on("second-instance", onSecondInstance);
  }

  return {
    async redirectUri() {
      if (isListening) throw new UserAgentFailure("unavailable", undefined, "another sign-in waits for its redirect");
      listen();
      return redirectUri;
    },
    async authorize({ url, deadline, open, signal }) {
      listen();
      if (open) await shell.openExternal(url).catch(() => {});
      return received.next(deadline, signal);
    },
    next: (deadline, signal) => received.next(deadline, signal),
    open: (url) => shell.openExternal(url),
    async close() {
      isListening = false;
      received = redirects(clock);
      app.removeListener("open-url", onOpenUrl);
      app.removeListener("second-instance", onSecondInstance);
    },
  };
}
