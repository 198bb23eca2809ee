/**
 * What the core stores, as named texts. A connection has one record, and beside it one stage and whatever was rescued.
 * Whoever writes them holds the connection's lock.
 */
import { nameOf } from "./errors.js";
import type { Clock, Storage } from "./ports.js";
import type { Key, StoreError } from "./wire.js";

type Result<T> = { ok: T } | { error: StoreError };

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

/** The store effects, one function each. None of them throws. */
export function recordStore(storage: Storage, clock: Clock) {
  /** Whatever the storage throws becomes the typed failure, without a message that could hold what was stored. */
  async function attempt<T>(kind: StoreError["kind"], name: string, work: () => Promise<T>): Promise<Result<T>> {
    try {
      return { ok: await work() };
    } catch (error) {
      if (error instanceof Refused) return { error: error.reason };
      if (error instanceof Error && error.name === "StorageFailure") {
        const { kind, place, detail } = error as unknown as StoreError;
        return { error: { kind, place, detail } };
      }
      return { error: { kind, place: placeOf(name), detail: `the storage failed (${nameOf(error)})` } };
    }
  }

  const write = (name: string, work: () => Promise<void>) =>
    attempt("cannot_write", name, async () => (await work(), null));

  const load = (name: string) => attempt("cannot_read", name, async () => (await storage.get(name)) ?? null);

  /** Written, and where it is now. */
  const keep = (name: string, work: () => Promise<void>) =>
    attempt("cannot_write", name, async () => (await work(), placeOf(name)));

  const setAside = (name: string) => {
    return attempt("cannot_write", name, async () => {
      const text = await storage.get(name);
      const aside = await freeName(`${name}.damaged-${new Date(clock.now().wall).toISOString().replace(/[-:]|\.\d+/g, "")}`);
      if (text !== undefined) await storage.set(aside, text);
      await storage.remove(name);
      return placeOf(aside);
    });
  };

  /** Nothing is ever overwritten by what is set aside. */
  async function freeName(stem: string): Promise<string> {
    let name = stem;
    for (let n = 2; (await storage.get(name)) !== undefined; n++) name = `${stem}-${n}`;
    return name;
  }

  function placeOf(name: string): string {
    try {
      return storage.place(name);
    } catch {
      return name;
    }
  }

  function refuse(kind: StoreError["kind"], name: string, detail: string): never {
    throw new Refused({ kind, place: placeOf(name), detail });
  }

  return {
    load: (key: Key) => load(recordName(key)),

    replace: (key: Key, expected: string | undefined, record: string) => {
      const name = recordName(key);
      return write(name, async () => {
        const found = generationOf(await storage.get(name));
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

    openStage: (key: Key) => {
      const name = stageName(key);
      return write(name, () => (storage.reserve ? storage.reserve(name, ROOM_BYTES) : storage.set(name, filler())));
    },

    stageReply: (key: Key, reply: string) => {
      const name = stageName(key);
      return keep(name, () => (storage.fill ? storage.fill(name, reply) : storage.set(name, reply)));
    },

    /** The reply names its attempt itself. */
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

export type RecordStore = ReturnType<typeof recordStore>;

class Refused extends Error {
  constructor(readonly reason: StoreError) {
    super(reason.kind);
  }
}

const filler = () => " ".repeat(ROOM_BYTES);

const shown = (generation: string | undefined) =>
  generation === undefined ? "no record" : `generation ${generation}`;

/**
 * The generation that a record says it is of; undefined if there is no record or none that can be read. It is read as
 * text, because a number above 2^53 would not survive `JSON.parse`.
 */
export function generationOf(record: string | undefined): string | undefined {
  if (record === undefined) return undefined;
  try {
    JSON.parse(record);
  } catch {
    return undefined;
  }
  let depth = 0;
  let isNext = false;
  for (const [token] of record.matchAll(/"(?:[^"\\]|\\.)*"(?:\s*:)?|[{}[\]]|[^\s{}[\]",:]+/g)) {
    if (isNext) return /^(?:0|[1-9]\d*)$/.test(token) ? token : undefined;
    if (token === "{" || token === "[") depth++;
    else if (token === "}" || token === "]") depth--;
    else isNext = depth === 1 && /^"generation"\s*:$/.test(token);
  }
  return undefined;
}
