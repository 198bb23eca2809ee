/** The events of a connection. They follow from its record, so that every context gets the same ones. */
import { nameOf } from "./errors.js";
import type { TwgError } from "./errors.js";
import type { AuthStatus } from "./status.js";

export interface AuthEvents {
  /** The record changed. */
  change: AuthStatus;
  signedIn: AuthStatus;
  signedOut: AuthStatus;
  /** There is a new access token. */
  refreshed: AuthStatus;
  /** A refresh of this context was interrupted; the next one tries to repair it. */
  interrupted: TwgError;
}

export type Listener<E extends keyof AuthEvents> = (event: AuthEvents[E]) => void;

export interface Events {
  on<E extends keyof AuthEvents>(event: E, listener: Listener<E>): () => void;
  emit<E extends keyof AuthEvents>(event: E, detail: AuthEvents[E]): void;
  /** Reads the record again. Resolves once every listener was called. */
  look(): Promise<void>;
}

/** `read` returns the present status; `watch` calls back whenever any context may have changed it. */
export function events(read: () => Promise<AuthStatus>, watch: (changed: () => void) => () => void): Events {
  const listeners = new Map<keyof AuthEvents, Set<Listener<never>>>();
  let last: Promise<AuthStatus | undefined> | undefined;
  let unwatch: (() => void) | undefined;

  const count = () => [...listeners.values()].reduce((sum, set) => sum + set.size, 0);

  function emit<E extends keyof AuthEvents>(event: E, detail: AuthEvents[E]): void {
    for (const listener of [...(listeners.get(event) ?? [])] as Listener<E>[]) {
      try {
        listener(detail);
      } catch (error) {
        // As with an event target, the other listeners are called nevertheless. The error may hold anything.
        console.error(`twg-auth: a listener of '${event}' failed (${nameOf(error)})`);
      }
    }
  }

  const readable = () => read().catch(() => undefined);

  /** One after the other, so that no change is reported twice or in the wrong order. */
  function look(): Promise<void> {
    if (!last) return Promise.resolve();
    const before = last;
    const now = before.then(readable);
    last = now.then(async (status) => status ?? (await before));
    return Promise.all([before, now]).then(([old, status]) => {
      if (status) tell(old, status);
    });
  }

  function tell(old: AuthStatus | undefined, status: AuthStatus): void {
    if (fingerprint(old) === fingerprint(status)) return;
    emit("change", status);
    if (status.signedIn && (!old?.signedIn || old.signedInAt !== status.signedInAt)) emit("signedIn", status);
    else if (!status.signedIn && old?.signedIn) emit("signedOut", status);
    else if (status.signedIn && old?.expiresAt !== status.expiresAt) emit("refreshed", status);
  }

  function on<E extends keyof AuthEvents>(event: E, listener: Listener<E>): () => void {
    const set = listeners.get(event) ?? new Set();
    listeners.set(event, set);
    set.add(listener as Listener<never>);
    last ??= readable();
    unwatch ??= watch(() => void look());
    return () => {
      set.delete(listener as Listener<never>);
      if (count() > 0) return;
      unwatch?.();
      unwatch = last = undefined;
    };
  }

  return { on, emit, look };
}

/** A status without what changes on its own: time, and a refresh that is under way. */
function fingerprint(status: AuthStatus | undefined): string {
  return JSON.stringify({ ...status, state: 0, wakeAt: 0, interrupted: 0, loginEnds: 0 });
}
