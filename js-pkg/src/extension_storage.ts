/**
 * Where an extension keeps its connection.
 *
 * Not in `chrome.storage.local`: in Firefox every content script can read it, and nothing can forbid that; in Chromium
 * they can until the extension calls `setAccessLevel`, and no browser promises that a value is on the disk once it is set.
 * IndexedDB belongs to the extension's origin: web pages and content scripts, which have the origin of their page, get
 * another one; and a transaction of `strict` durability is complete when it is on the disk.
 *
 * Only a rescued reply, which the database could not take, goes to `chrome.storage.session`: in memory, out of reach of
 * content scripts, with its own quota. It outlives the worker, but not the browser.
 */
import { nameOf } from "./errors.js";
import type { Extensions } from "./extension_api.js";
import { StorageFailure, type Storage } from "./ports.js";

declare const chrome: Extensions;

const DATABASE = "twg-auth";
const TEXTS = "texts";

export function databaseStorage(): Storage {
  const listeners = new Set<(name: string) => void>();
  let channel: BroadcastChannel | undefined;
  let opening: Promise<IDBDatabase> | undefined;

  /** One database connection for each context, as long as the browser leaves it open. */
  function database(): Promise<IDBDatabase> {
    const forget = () => (opening = undefined);
    opening ??= open(forget).catch((error: unknown) => {
      forget();
      throw error;
    });
    return opening;
  }

  async function change(name: string, work: (texts: IDBObjectStore) => unknown): Promise<void> {
    await failing("cannot_write", name, async () => {
      const transaction = (await database()).transaction(TEXTS, "readwrite", { durability: "strict" });
      work(transaction.objectStore(TEXTS));
      await completed(transaction);
    });
    announce(name);
  }

  /** To the other contexts through a channel, which does not reach its own context. */
  function announce(name: string): void {
    for (const listener of listeners) queueMicrotask(() => listener(name));
    listen().postMessage(name);
  }

  function listen(): BroadcastChannel {
    if (channel) return channel;
    channel = new BroadcastChannel(DATABASE);
    channel.onmessage = ({ data }) => typeof data === "string" && listeners.forEach((listener) => listener(data));
    return channel;
  }

  async function get(name: string): Promise<string | undefined> {
    return failing("cannot_read", name, async () => {
      const text: unknown = await succeeded((await database()).transaction(TEXTS).objectStore(TEXTS).get(name));
      return text as string | undefined;
    });
  }

  return {
    async get(name) {
      return isRescued(name) ? ((await rescued.get(name)) ?? get(name)) : get(name);
    },
    async set(name, value) {
      try {
        await change(name, (texts) => texts.put(value, name));
      } catch (error) {
        // It is lost when the browser ends; without this, it would be lost when the worker ends.
        if (!isRescued(name) || !(await rescued.set(name, value))) throw error;
      }
    },
    async remove(name) {
      if (isRescued(name)) await rescued.remove(name);
      await change(name, (texts) => texts.delete(name));
    },
    onChange(listener) {
      listeners.add(listener);
      listen();
      return () => {
        listeners.delete(listener);
      };
    },
    place: placeOf,
  };
}

function placeOf(name: string): string {
  const database = `${name} in the IndexedDB database '${DATABASE}' of this extension`;
  return isRescued(name) ? `${database}, or in its session storage until the browser is closed` : database;
}

const isRescued = (name: string) => name.startsWith("rescue/");

/** Replies that the database could not take. Best effort. */
const rescued = {
  async get(name: string): Promise<string | undefined> {
    const found = await chrome.storage?.session?.get(name).catch(() => undefined);
    return found?.[name] as string | undefined;
  },
  async set(name: string, value: string): Promise<boolean> {
    const session = chrome.storage?.session;
    if (!session) return false;
    try {
      // Another part of the extension may have opened it to content scripts.
      await session.setAccessLevel?.({ accessLevel: "TRUSTED_CONTEXTS" });
      await session.set({ [name]: value });
      return true;
    } catch {
      return false;
    }
  },
  async remove(name: string): Promise<void> {
    await chrome.storage?.session?.remove(name).catch(() => {});
  },
};

/** `forget` is called when the database connection can no longer be used. */
function open(forget: () => void): Promise<IDBDatabase> {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(TEXTS);
  return succeeded(request).then((database) => {
    database.onclose = forget;
    database.onversionchange = () => {
      database.close();
      forget();
    };
    return database;
  });
}

function succeeded<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function completed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

async function failing<T>(kind: StorageFailure["kind"], name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const reason = nameOf(error);
    const detail = reason === "QuotaExceededError" ? "this extension has used up its storage quota" : `the database failed (${reason})`;
    throw new StorageFailure(kind, placeOf(name), detail);
  }
}
