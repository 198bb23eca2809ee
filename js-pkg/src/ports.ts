/**
 * What a shell must bring: the ports through which `twg-auth` touches the world. Ready ones are in `twg-auth/extension`,
 * `twg-auth/node`, `twg-auth/electron` and `twg-auth/testing`; your own can replace any of them.
 *
 * A port performs and reports. It decides nothing: no retries, no fallbacks, no second thoughts.
 */
import type { Effect, Host, Now } from "./wire.js";

export interface Ports {
  clock: Clock;
  http: Http;
  storage: Storage;
  locks: Locks;
  userAgent: UserAgent;
  /** Who comes back to an interrupted refresh if this process does not. Absent: whoever asks for a token next. */
  alarms?: Alarms;
  /** Which machine this is, and which session its uptime counts in. Absent: the wall clock alone tells. */
  host?: () => Promise<Host>;
  /** `twg_wasm_bg.wasm` as an ArrayBuffer, a view of one, or a WebAssembly.Module, where they cannot be fetched from beside the package's own code: in Node, and in
   * bundles that do not carry the file along. Absent: fetched. */
  wasm?: () => Promise<object>;
  /** What `auth.fetch` sends with. Absent: the global `fetch`. */
  fetch?: typeof fetch;
}

export interface Clock {
  now(): Now;
  /**
   * Resolves once the wall clock shows `time` (ms), and no later than that seems to be now; looks at the clock at least
   * every 30 s. Rejects with the signal's reason if it is aborted.
   */
  wait(time: number, signal?: AbortSignal): Promise<void>;
}

/** `timeout` is in ms, from connecting to the last octet. */
export type HttpRequest = Omit<Extract<Effect, { type: "send_http" }>, "type" | "single_use">;

export interface HttpResponse {
  status: number;
  /** Names in lower case. */
  headers: [name: string, value: string][];
  body: string | Uint8Array;
}

export interface Http {
  /**
   * Sends once: no redirects followed, no retries, no cache, no cookies.
   * Throws {@link HttpFailure} and nothing else. The signal is only given where the request may be given up.
   */
  send(request: HttpRequest, signal?: AbortSignal): Promise<HttpResponse>;
}

export class HttpFailure extends Error {
  override readonly name = "HttpFailure";
  constructor(
    /** Whether not one octet can have reached the server. In doubt `unknown`, as in every browser. */
    readonly sent: "not_sent" | "unknown",
    readonly failure: "name_resolution" | "connect" | "tls" | "timeout" | "interrupted" | "too_large" | "other",
    /** For people; without query, header or body. */
    readonly detail?: string,
  ) {
    super(failure);
  }
}

/** Named texts. What `set` and `remove` did is durable once they resolve: it survives the process, and on disk a crash. */
export interface Storage {
  get(name: string): Promise<string | undefined>;
  /** Replaces the whole text, atomically: afterwards it is the old or the new one. Throws {@link StorageFailure}. */
  set(name: string, value: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** Reserves room for a text under this name, durably, so that {@link fill} cannot find the disk full. Whatever had the
   * name is gone. Absent (with `fill`): a filler of that size is `set`, and replaced by the text. */
  reserve?(name: string, bytes: number): Promise<void>;
  /** Writes the text into the reserved room, durably, in place. The rest of the room may follow it, as NULs. */
  fill?(name: string, value: string): Promise<void>;
  /** Calls back when a text was changed by anybody, in this context or another. */
  onChange?(listener: (name: string) => void): () => void;
  /** Where a name's text is, for people. */
  place(name: string): string;
}

export class StorageFailure extends Error {
  override readonly name = "StorageFailure";
  constructor(
    readonly kind: "cannot_create" | "cannot_write" | "cannot_read",
    readonly place: string,
    /** For people; never a value. */
    readonly detail: string,
  ) {
    super(`${kind} ${place}: ${detail}`);
  }
}

/** Locks that die with their holder, over everything that shares the storage. */
export interface Locks {
  /** Resolves to the release, or to who holds it past `deadline` (ms, wall clock). Throws {@link StorageFailure}. */
  acquire(name: string, deadline: number, signal?: AbortSignal): Promise<Held | Busy>;
}

export interface Held {
  release(): void;
}

export interface Busy {
  busy: true;
  /** For people, if known. */
  holder?: string;
}

export interface UserAgent {
  /** Where redirects will arrive, exactly as the server knows it. Gets ready to receive them. Throws {@link UserAgentFailure}. */
  redirectUri(target: { port?: number; path: string }): Promise<string>;
  /**
   * Opens the address if `open`, and resolves to the whole URL that the user agent was sent to. `next` waits for
   * another redirect, without opening anything, after one that was not ours. Throws {@link UserAgentFailure}.
   */
  authorize(request: { url: string; redirectUri: string; deadline: number; open: boolean; signal?: AbortSignal }): Promise<string>;
  next(deadline: number, signal?: AbortSignal): Promise<string>;
  /** Opens an address of a device login. Best effort. */
  open(url: string): Promise<void>;
  /** The login is over that waited there, one way or the other: close what was opened for it, and for it alone. */
  close(redirectUri: string): Promise<void>;
}

export class UserAgentFailure extends Error {
  override readonly name = "UserAgentFailure";
  constructor(
    readonly failure: "closed" | "timed_out" | "port_busy" | "unavailable",
    readonly port?: number,
    readonly detail?: string,
  ) {
    super(failure);
  }
}

export interface Alarms {
  /** Wakes somebody at that time (ms), whether or not this process lives then, to call `auth.wake()`. Replaces an
   * earlier one of that name. */
  set(name: string, time: number): Promise<void>;
  clear(name: string): Promise<void>;
}
