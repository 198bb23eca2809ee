/**
 * What a shell must provide: the ports through which `twg-auth` touches the world. Ready ones are in `twg-auth/extension`,
 * `twg-auth/node`, `twg-auth/electron` and `twg-auth/testing`; your own can replace any of them.
 *
 * A port performs and reports. It decides nothing: no retries, no fallbacks.
 */
import type { Effect, Host, Now } from "./wire.js";

export interface Ports {
  clock: Clock;
  http: Http;
  storage: Storage;
  locks: Locks;
  userAgent: UserAgent;
  /** Resumes an interrupted refresh if this process does not. Absent: the next call that needs a token does. */
  alarms?: Alarms;
  /** Which machine this is, and which boot session its uptime counts in. Absent: the wall clock alone decides. */
  host?: () => Promise<Host>;
  /** `twg_wasm_bg.wasm` as an ArrayBuffer, a view of one, or a WebAssembly.Module, where it cannot be fetched from beside the
   * package's own code: in Node, and in bundles that do not include the file. Absent: fetched. */
  wasm?: () => Promise<object>;
  /** What `auth.fetch` sends with. Absent: the global `fetch`. */
  fetch?: typeof fetch;
}

export interface Clock {
  now(): Now;
  /**
   * Resolves once the wall clock shows `time` (ms), and no later than that seems to be now; reads the clock at least every
   * 30 s. Rejects with the signal's reason if it is aborted.
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
   * Throws {@link HttpFailure} and nothing else. There is a signal only if the request may be aborted.
   */
  send(request: HttpRequest, signal?: AbortSignal): Promise<HttpResponse>;
}

export class HttpFailure extends Error {
  override readonly name = "HttpFailure";
  constructor(
    /** Whether no octet can have reached the server. In doubt `unknown`, as in every browser. */
    readonly sent: "not_sent" | "unknown",
    readonly failure: "name_resolution" | "connect" | "tls" | "timeout" | "interrupted" | "too_large" | "other",
    /** For people; without query, header or body. */
    readonly detail?: string,
  ) {
    super(failure);
  }
}

/** Named texts. A change is durable once `set` or `remove` resolves: it survives the process, and on disk a crash. */
export interface Storage {
  get(name: string): Promise<string | undefined>;
  /** Replaces the whole text, atomically: afterwards it is the old or the new one. Throws {@link StorageFailure}. */
  set(name: string, value: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** Reserves room for a text under this name, durably, so that {@link fill} cannot find the disk full. The text that had
   * the name is gone. Absent (with `fill`): a filler of that size is `set`, and replaced by the text. */
  reserve?(name: string, bytes: number): Promise<void>;
  /** Writes the text into the reserved room, durably, in place. The rest of the room may follow it as NULs. */
  fill?(name: string, value: string): Promise<void>;
  /** Calls back when this context or another one changed a text. */
  onChange?(listener: (name: string) => void): () => void;
  /** Where the text of a name is. For people. */
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

/** Locks that end with their holder, across everything that shares the storage. */
export interface Locks {
  /** Resolves to the lock, or to its holder after `deadline` (ms, wall clock). Throws {@link StorageFailure}. */
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
  /** The redirect URI, exactly as the server knows it. Gets ready to receive redirects. Throws {@link UserAgentFailure}. */
  redirectUri(target: { port?: number; path: string }): Promise<string>;
  /**
   * Opens the URL if `open`, and resolves to the whole URL of the redirect. `next` waits for another redirect, without
   * opening anything, after one that belonged to no login of ours. Throws {@link UserAgentFailure}.
   */
  authorize(request: { url: string; redirectUri: string; deadline: number; open: boolean; signal?: AbortSignal }): Promise<string>;
  next(deadline: number, signal?: AbortSignal): Promise<string>;
  /** Opens a URL of a device login. Best effort. */
  open(url: string): Promise<void>;
  /** The login that waited there has ended, in one way or another: closes what was opened for that login, and nothing else. */
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
  /** Arranges a call of `auth.wake()` at that time (ms), even if this process has ended by then. Replaces an earlier alarm
   * of that name. */
  set(name: string, time: number): Promise<void>;
  clear(name: string): Promise<void>;
}
