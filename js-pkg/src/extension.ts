/**
 * Ports for Manifest V3 extensions in Chromium and Firefox: for the service worker (in Firefox, the background script) and
 * for the extension's own pages. All of them share the connection. Not for content scripts.
 */
import type { Auth } from "./auth.js";
import type { Extensions } from "./extension_api.js";
import { browserHttp } from "./extension_http.js";
import { databaseStorage } from "./extension_storage.js";
import { UserAgentFailure, type Alarms, type Busy, type Clock, type Held, type Locks, type Ports, type UserAgent } from "./ports.js";
import { LATE, before, waitOnWallClock } from "./waiting.js";

export { createAuth } from "./auth.js";

declare const chrome: Extensions;

export interface ExtensionPortsOptions {
  /** Where `twg_wasm_bg.wasm` is in the extension; at its root if absent. */
  wasm?: string;
}

/** Everything that `createAuth` needs in an extension. Permissions: `identity`, `alarms`, `storage`, preferably
 * `unlimitedStorage`, and host permissions for the provider's hosts. */
export function extensionPorts({ wasm = "twg_wasm_bg.wasm" }: ExtensionPortsOptions = {}): Ports {
  return {
    clock,
    http: browserHttp,
    storage: databaseStorage(),
    locks: webLocks,
    userAgent,
    alarms,
    wasm: async () => (await fetch(chrome.runtime.getURL(wasm))).arrayBuffer(),
  };
}

/**
 * Lets the browser's alarms refresh the connection and repair interrupted refreshes, even if no part of the extension runs
 * at that time. Call it once for each `auth`, in the worker, before its script first awaits anything: a worker that wakes up
 * gets the alarm only if it listens by then.
 */
export function wakeByAlarms(auth: Pick<Auth, "wake">): void {
  // The next call that needs a token reports what went wrong, and repairs it.
  const wake = () => void auth.wake().catch(() => {});
  chrome.alarms.onAlarm.addListener(({ name }) => name.startsWith(ALARMS) && wake());
  // A restart of the browser or an update of the extension may delete alarms; waking sets them again.
  chrome.runtime.onStartup.addListener(wake);
  chrome.runtime.onInstalled.addListener(wake);
}

/** The beginning of the names of all alarms of this package. */
const ALARMS = "twg-auth/";

/** When the machine is offline, waking does nothing, and the next alarm is for a time that has passed. Firefox would fire it
 * at once, again and again. */
const SOONEST = 60_000;

const alarms: Alarms = {
  set: async (name, time) => chrome.alarms.create(name, { when: Math.max(time, Date.now() + SOONEST) }),
  clear: async (name) => void (await chrome.alarms.clear(name)),
};

/** No uptime: a browser counts it from the start of each worker and page, so the counts cannot be compared. */
const clock: Clock = {
  now: () => ({ wall: Date.now() }),
  wait: waitOnWallClock,
};

/** Web Locks, which all contexts of the extension share, and which die with the context that holds them. */
const webLocks: Locks = {
  async acquire(name, deadline, signal): Promise<Held | Busy> {
    const queued = new AbortController();
    const granted = new Promise<Held>((resolve, reject) => {
      const hold = () => new Promise<void>((release) => resolve({ release }));
      navigator.locks.request(`twg-auth/${name}`, { signal: queued.signal }, hold).catch(reject);
    });
    let taken: Held | typeof LATE = LATE;
    try {
      taken = await before(clock, deadline, granted, signal);
    } finally {
      if (taken === LATE) {
        queued.abort();
        // Granted in the moment in which the caller stopped waiting.
        granted.then((held) => held.release(), () => {});
      }
    }
    return taken === LATE ? { busy: true, holder: "another page, or the worker, of this extension" } : taken;
  },
};

/** The browser opens its own window, and returns the redirect without sending it anywhere. */
const userAgent: UserAgent = {
  // https://ID.chromiumapp.org/PATH, in Firefox https://HASH.extensions.allizom.org/PATH.
  redirectUri: async ({ path }) => chrome.identity.getRedirectURL(path.replace(/^\//, "")),

  async authorize({ url, deadline, open, signal }) {
    if (!open) throw new UserAgentFailure("unavailable", undefined, "the browser can only report redirects in windows that it opened");
    const flow = chrome.identity.launchWebAuthFlow({ url, interactive: true }).catch(failed);
    // An extension cannot close the window after the deadline: it is the user's.
    const redirected = await before(clock, deadline, flow, signal);
    if (redirected === LATE) throw new UserAgentFailure("timed_out");
    if (redirected === undefined) throw new UserAgentFailure("closed");
    return redirected;
  },

  // The window closes with the first redirect.
  next: async () => {
    throw new UserAgentFailure("closed");
  },

  open: async (url) => void (await chrome.tabs.create({ url })),
  close: async () => {},
};

/** Browsers describe the failure in words alone. The words are not passed on: they could hold anything. */
function failed(error: unknown): never {
  const words = error instanceof Error ? error.message : "";
  if (/did not approve|cancell?ed or denied/i.test(words)) throw new UserAgentFailure("closed");
  let detail = "the browser could not open its sign-in window";
  if (/could not be loaded/i.test(words)) detail = "the browser could not load the sign-in page";
  // The window belongs to a worker that died: only the user can close it.
  if (/only one/i.test(words)) detail = "an earlier sign-in window is still open: close it first";
  throw new UserAgentFailure("unavailable", undefined, detail);
}
