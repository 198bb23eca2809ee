/** Performs the effects of one flow, over the ports. It decides nothing. */
import { loadCore } from "./core.js";
import { defect, nameOf } from "./errors.js";
import type { Held, HttpRequest, HttpResponse, Ports } from "./ports.js";
import { lockName, recordStore, type RecordStore } from "./record_store.js";
import type {
  Effect,
  HttpResponse as WireResponse,
  Key,
  LockError,
  Notice,
  Outcome,
  TransportError,
  UserAgentError,
} from "./wire.js";

/** What a person should see while a flow runs. */
export type Progress =
  /** Enter this code at that URL. Show both, whether or not a browser opens, and say that only a person who started this
   * sign-in should continue. */
  | {
      type: "userCode";
      verificationUri: string;
      /** The same URL with the code filled in. */
      verificationUriComplete?: string;
      userCode: string;
      /** ms since 1970. */
      expiresAt: number;
    }
  /** Open this URL in a browser on this machine. */
  | { type: "authorize"; url: string; deadline: number }
  /** Nothing happens until that time (ms since 1970). */
  | { type: "waiting"; until: number }
  | { type: "notice"; notice: Notice };

/** What a flow needs beside its effects. */
export interface Driving {
  ports: Ports;
  onProgress?: ((progress: Progress) => void) | undefined;
  /** Gets the flow as text before each effect that may last as long as its user takes; and `undefined` once there is nothing
   * to come back to, because its tokens are about to be saved. */
  suspended?: ((text: string | undefined) => Promise<void>) | undefined;
  /** Stops the flow before and during effects that may be interrupted, and at the end; in between, nothing stops it. */
  signal?: AbortSignal | undefined;
  /** How to arrange the repair of an interrupted refresh. */
  arm?: ((key: Key, at: number) => Promise<void>) | undefined;
}

type Of<T extends Effect["type"]> = Extract<Effect, { type: T }>;

export class Performer {
  readonly #driving: Driving;
  readonly #ports: Ports;
  readonly #store: RecordStore;
  /** Suspends the flow. */
  readonly #beforeWaiting: () => Promise<void>;
  #lock: Held | undefined;
  #isOver = false;
  /** Where the user agent waits for this flow's redirects. */
  #redirectUri: string | undefined;

  constructor(driving: Driving, beforeWaiting: () => Promise<void>) {
    const { ports } = driving;
    this.#driving = driving;
    this.#ports = ports;
    this.#beforeWaiting = beforeWaiting;
    this.#store = recordStore(ports.storage, ports.clock, async (record) => (await loadCore(ports.wasm)).generationOf(record));
  }

  /** Never throws what a port threw: that is an outcome. */
  async perform(effect: Effect, signal?: AbortSignal): Promise<Outcome> {
    switch (effect.type) {
      case "send_http":
        return this.#send(effect, signal);
      case "wait_until":
        return this.#wait(effect.time, signal);
      case "show_user_code":
        return this.#showUserCode(effect);
      case "obtain_redirect_uri":
        return this.#obtainRedirectUri(effect);
      case "open_user_agent":
        return this.#openUserAgent(effect, signal);
      case "await_redirect":
        await this.#beforeWaiting();
        return { redirected: await byUserAgent(() => this.#ports.userAgent.next(effect.deadline, signal)) };
      case "notify":
        this.#tell({ type: "notice", notice: effect.notice });
        return "notified";
      case "acquire_lock":
        return this.#acquire(effect.key, effect.deadline, signal);
      case "release_lock":
        this.#release();
        return "notified";
      case "arm_recovery":
        await this.#driving.arm?.(effect.key, effect.at).catch(() => {});
        return "notified";
      case "replace_record":
        await this.#driving.suspended?.(undefined);
        return { store: await this.#store.replace(effect.key, effect.expected, effect.record) };
      default:
        return performInStore(this.#store, effect);
    }
  }

  /** The flow is over, in one way or another. */
  end(): void {
    this.#isOver = true;
    this.#release();
    this.#close();
  }

  async #send({ method, url, headers, body, timeout, max_response_bytes }: Of<"send_http">, signal?: AbortSignal): Promise<Outcome> {
    const request: HttpRequest = { method, url, headers, body, timeout, max_response_bytes };
    try {
      return { http: { ok: inJson(await this.#ports.http.send(request, signal)) } };
    } catch (error) {
      return { http: { error: transportError(error) } };
    }
  }

  async #wait(time: number, signal?: AbortSignal): Promise<Outcome> {
    await this.#beforeWaiting();
    this.#tell({ type: "waiting", until: time });
    await this.#ports.clock.wait(time, signal);
    return "waited";
  }

  async #showUserCode(effect: Of<"show_user_code">): Promise<Outcome> {
    await this.#beforeWaiting();
    const { verification_uri, verification_uri_complete, user_code, expires_at, open } = effect;
    this.#tell({
      type: "userCode",
      verificationUri: verification_uri,
      ...(verification_uri_complete !== undefined && { verificationUriComplete: verification_uri_complete }),
      userCode: user_code,
      expiresAt: expires_at,
    });
    // The URL is shown: a browser that does not open is no failure.
    if (open) await this.#ports.userAgent.open(verification_uri_complete ?? verification_uri).catch(() => {});
    return { shown: { ok: null } };
  }

  async #obtainRedirectUri({ path, port }: Of<"obtain_redirect_uri">): Promise<Outcome> {
    const target = { path, ...(port !== undefined && { port }) };
    const obtained = await byUserAgent(() => this.#ports.userAgent.redirectUri(target));
    if ("ok" in obtained) this.#redirectUri = obtained.ok;
    if (this.#isOver) this.#close(); // The caller gave up in the meantime.
    return { redirect_uri: obtained };
  }

  async #openUserAgent(effect: Of<"open_user_agent">, signal?: AbortSignal): Promise<Outcome> {
    await this.#beforeWaiting();
    const { url, redirect_uri, deadline, open } = effect;
    this.#redirectUri = redirect_uri;
    this.#tell({ type: "authorize", url, deadline });
    const request = { url, redirectUri: redirect_uri, deadline, open, ...(signal && { signal }) };
    const redirected = await byUserAgent(() => this.#ports.userAgent.authorize(request));
    if (this.#isOver) this.#close();
    return { redirected };
  }

  async #acquire(key: Key, deadline: number, signal?: AbortSignal): Promise<Outcome> {
    const name = lockName(key);
    try {
      const taken = await this.#ports.locks.acquire(name, deadline, signal);
      if ("busy" in taken) {
        return { locked: { error: { timed_out: taken.holder === undefined ? {} : { holder: taken.holder } } } };
      }
      this.#lock = taken;
      if (this.#isOver) this.#release(); // The caller gave up in the meantime.
      return { locked: { ok: null } };
    } catch (error) {
      return { locked: { error: unusable(name, error) } };
    }
  }

  #release(): void {
    const held = this.#lock;
    this.#lock = undefined;
    try {
      held?.release();
    } catch {
      // This flow can do nothing about it; the next one that waits for the lock reports it.
    }
  }

  #close(): void {
    if (this.#redirectUri !== undefined) this.#ports.userAgent.close(this.#redirectUri).catch(() => {});
  }

  #tell(progress: Progress): void {
    try {
      this.#driving.onProgress?.(progress);
    } catch {
      // A listener that fails does not stop the flow.
    }
  }
}

type InStore = Of<
  | "preflight_store"
  | "load_record"
  | "set_aside_record"
  | "remove_record"
  | "open_stage"
  | "stage_reply"
  | "load_stage"
  | "set_aside_stage"
  | "discard_stage"
  | "rescue_reply"
  | "load_rescue"
>;

async function performInStore(store: RecordStore, effect: InStore): Promise<Outcome> {
  switch (effect.type) {
    case "preflight_store":
      return { store: await store.preflight(effect.key) };
    case "load_record":
      return { loaded: await store.load(effect.key) };
    case "set_aside_record":
      return { kept: await store.setAside(effect.key) };
    case "remove_record":
      return { store: await store.remove(effect.key) };
    case "open_stage":
      return { store: await store.openStage(effect.key) };
    case "stage_reply":
      return { kept: await store.stageReply(effect.key, effect.reply) };
    case "load_stage":
      return { loaded: await store.loadStage(effect.key) };
    case "set_aside_stage":
      return { kept: await store.setAsideStage(effect.key) };
    case "discard_stage":
      return { store: await store.discardStage(effect.key, effect.attempt) };
    case "rescue_reply":
      return { kept: await store.rescueReply(effect.key, effect.attempt, effect.reply) };
    case "load_rescue":
      return { loaded: await store.loadRescue(effect.key, effect.attempt) };
    default:
      return assertNever(effect);
  }
}

function assertNever(effect: never): never {
  throw defect(`The core asks for an unknown effect (${(effect as Effect).type})`);
}

/** JSON has no octets: a body is text, as every body of an authorization server is, or else numbers. */
function inJson({ status, headers, body }: HttpResponse): WireResponse {
  if (typeof body === "string") return { status, headers, body };
  try {
    return { status, headers, body: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body) };
  } catch {
    return { status, headers, body: Array.from(body) };
  }
}

/** Any error but the typed failure may have come at any time: whether something was sent is unknown then. */
function transportError(error: unknown): TransportError {
  if (error instanceof Error && error.name === "HttpFailure") {
    const { sent, failure, detail } = error as unknown as TransportError;
    return { sent, failure, ...(detail !== undefined && { detail }) };
  }
  return { sent: "unknown", failure: "other", detail: `the request failed (${nameOf(error)})` };
}

function unusable(name: string, error: unknown): LockError {
  if (error instanceof Error && error.name === "StorageFailure") {
    const { kind, place, detail } = error as Error & { kind: "cannot_create"; place: string; detail: string };
    return { unusable: { kind, place, detail } };
  }
  return { unusable: { kind: "cannot_create", place: name, detail: `the lock failed (${nameOf(error)})` } };
}

async function byUserAgent(work: () => Promise<string>): Promise<{ ok: string } | { error: UserAgentError }> {
  try {
    return { ok: await work() };
  } catch (error) {
    if (error instanceof Error && error.name === "UserAgentFailure") {
      const { failure, port, detail } = error as unknown as UserAgentError;
      return { error: { failure, ...(port !== undefined && { port }), ...(detail !== undefined && { detail }) } };
    }
    return { error: { failure: "unavailable", detail: `the user agent failed (${nameOf(error)})` } };
  }
}
