/**
 * What the core stores, as named texts. A connection has one record, and beside it one stage and the replies that were
 * rescued. Only the holder of the connection's lock writes them.
 */
import { guardedStorage, type GuardedStorage } from "./guarded_storage.js";
import type { Clock, Storage } from "./ports.js";
import type { Key } from "./wire.js";

/** Enough for the largest tokens seen; as the core's `STAGE_BYTES`. */
const ROOM_BYTES = 64 * 1024;

export const recordName = (key: Key) => nameIn("record", key);
export const lockName = (key: Key) => nameIn("lock", key);
/** Where a login is kept that waits for its user. */
export const loginName = (key: Key) => nameIn("login", key);
const stageName = (key: Key) => nameIn("stage", key);
const probeName = (key: Key) => nameIn("probe", key);
const rescueName = (key: Key, attempt: string) => `${nameIn("rescue", key)}/${attempt}`;

function nameIn(kind: string, key: Key): string {
  return `${kind}/${key.provider}/${key.connection}`;
}

/** The generation that a record names, as the core reads it. */
export type GenerationOf = (record: string) => Promise<string | undefined>;

export type RecordStore = ReturnType<typeof recordStore>;

/** The store effects, one function each. None of them throws. */
export function recordStore(storage: Storage, clock: Clock, generationOf: GenerationOf) {
  const guarded = guardedStorage(storage, clock);
  return { ...records(storage, guarded, generationOf), ...stages(storage, guarded) };
}

function records(storage: Storage, { load, write, setAside, refuse }: GuardedStorage, generationOf: GenerationOf) {
  return {
    load: (key: Key) => load(recordName(key)),

    replace: (key: Key, expected: string | undefined, record: string) => {
      const name = recordName(key);
      return write(name, async () => {
        const there = await storage.get(name);
        const found = there === undefined ? undefined : await generationOf(there);
        if (found !== expected) refuse("changed", name, `it holds ${shown(found)}, not ${shown(expected)}`);
        await storage.set(name, record);
      });
    },

    remove: (key: Key) => {
      const name = recordName(key);
      return write(name, async () => {
        await storage.remove(stageName(key));
        await storage.remove(name);
      });
    },

    setAside: (key: Key) => setAside(recordName(key)),

    /** Proves that a record could be stored, by the calls that will store it. */
    preflight: (key: Key) => {
      const name = probeName(key);
      return write(name, async () => {
        // Another process may be doing the same, and remove the probe before it is read here.
        let read: string | undefined;
        for (let tries = 0; tries < 3 && read === undefined; tries++) {
          await storage.set(name, filler());
          read = await storage.get(name);
        }
        await storage.remove(name);
        if (read !== filler()) refuse("cannot_write", name, "what was written cannot be read back");
      });
    },
  };
}

function stages(storage: Storage, { load, write, keep, setAside }: GuardedStorage) {
  return {
    openStage: (key: Key) => {
      const name = stageName(key);
      return write(name, () => (storage.reserve ? storage.reserve(name, ROOM_BYTES) : storage.set(name, filler())));
    },

    stageReply: (key: Key, reply: string) => {
      const name = stageName(key);
      return keep(name, () => (storage.fill ? storage.fill(name, reply) : storage.set(name, reply)));
    },

    /** The reply itself names its attempt. */
    loadStage: async (key: Key) => {
      const loaded = await load(stageName(key));
      return "ok" in loaded && loaded.ok !== null ? { ok: loaded.ok.replace(/[\0 ]+$/, "") } : loaded;
    },

    setAsideStage: (key: Key) => setAside(stageName(key)),

    rescueReply: (key: Key, attempt: string, reply: string) => {
      const name = rescueName(key, attempt);
      return keep(name, () => storage.set(name, reply));
    },

    loadRescue: (key: Key, attempt: string) => load(rescueName(key, attempt)),

    discardStage: (key: Key, attempt: string) => {
      const name = stageName(key);
      return write(name, async () => {
        await storage.remove(name);
        await storage.remove(rescueName(key, attempt));
      });
    },
  };
}

const filler = () => " ".repeat(ROOM_BYTES);

const shown = (generation: string | undefined) =>
  generation === undefined ? "no record" : `generation ${generation}`;
