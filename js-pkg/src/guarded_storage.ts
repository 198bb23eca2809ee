/** A shell's storage, whose failures are typed results: none of these functions throws. */
import { nameOf } from "./errors.js";
import type { Clock, Storage } from "./ports.js";
import type { StoreError } from "./wire.js";

export type Result<T> = { ok: T } | { error: StoreError };

export type GuardedStorage = ReturnType<typeof guardedStorage>;

export function guardedStorage(storage: Storage, clock: Clock) {
  /** What the storage throws becomes the typed failure, without a message that could hold what was stored. */
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

  const load = (name: string) => attempt("cannot_read", name, async () => (await storage.get(name)) ?? null);

  const write = (name: string, work: () => Promise<void>) =>
    attempt("cannot_write", name, async () => (await work(), null));

  /** Writes, and says where the text is. */
  const keep = (name: string, work: () => Promise<void>) =>
    attempt("cannot_write", name, async () => (await work(), placeOf(name)));

  const setAside = (name: string) =>
    attempt("cannot_write", name, async () => {
      const text = await storage.get(name);
      const aside = await freeName(`${name}.damaged-${new Date(clock.now().wall).toISOString().replace(/[-:]|\.\d+/g, "")}`);
      if (text !== undefined) await storage.set(aside, text);
      await storage.remove(name);
      return placeOf(aside);
    });

  /** A text that is set aside never overwrites another. */
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

  /** Ends the `work` of a function above with this failure. */
  function refuse(kind: StoreError["kind"], name: string, detail: string): never {
    throw new Refused({ kind, place: placeOf(name), detail });
  }

  return { load, write, keep, setAside, refuse };
}

class Refused extends Error {
  constructor(readonly reason: StoreError) {
    super(reason.kind);
  }
}
