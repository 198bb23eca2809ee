/** The alarms of one connection. All of it is best effort: without an alarm, the next call that needs a token refreshes. */
import type { Alarms } from "./ports.js";
import type { AuthStatus } from "./status.js";
import type { Key } from "./wire.js";

export function alarmsOf(key: Key, alarms: Alarms | undefined) {
  const due = nameOf(key, "due");
  const recovery = nameOf(key, "recovery");

  return {
    /** The next refresh happens in time although no call asks for a token. */
    async set(status: () => Promise<AuthStatus>): Promise<void> {
      if (!alarms) return;
      try {
        const { signedIn, wakeAt } = await status();
        if (signedIn && wakeAt !== undefined) await alarms.set(due, wakeAt);
        else await alarms.clear(due);
      } catch {
        // See above.
      }
    },

    /** An interrupted refresh is repaired at that time. */
    async arm(_key: Key, at: number): Promise<void> {
      await alarms?.set(recovery, at);
    },

    async clear(): Promise<void> {
      for (const name of [due, recovery]) await alarms?.clear(name).catch(() => {});
    },
  };
}

const nameOf = (key: Key, what: string) => `twg-auth/${key.provider}/${key.connection}/${what}`;
