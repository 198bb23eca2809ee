/** The one loop that performs effects, for every flow. It decides nothing. */
import { codeOf, type Flow } from "./core.js";
import { TwgError, cancelled, coreError, defect, nameOf } from "./errors.js";
import type { Held, HttpResponse, Ports } from "./ports.js";
import { lockName, recordStore } from "./record_store.js";
import type {
  Effect,
  HttpResponse as WireResponse,
  Key,
  LockError,
  Notice,
  Outcome,
  Output,
  TransportError,
  UserAgentError,
} from "./wire.js";

/** What a person should see while a flow runs. */
export type Progress =
  /** Enter this code at that address. Show both, whatever a browser does, and that only somebody should go on who
   * started this sign-in. */
  | {
      type: "userCode";
      verificationUri: string;
      /** The same address with the code filled in. */
      verificationUriComplete?: string;
      userCode: string;
      /** ms since 1970. */
      expiresAt: number;
    }
  /** Open this address in a browser on this machine. */
  | { type: "authorize"; url: string; deadline: number }
  /** Nothing happens until that time (ms since 1970). */
  | { type: "waiting"; until: number }
  | { type: "notice"; notice: Notice };

export interface Driving {
  ports: Ports;
  onProgress?: ((progress: Progress) => void) | undefined;
  /** Is given the flow as text before each effect that may last as long as its user takes; and nothing once there is nothing
   * to come back to, because its tokens are about to be saved. */
  suspended?: ((text: string | undefined) => Promise<void>) | undefined;
  /** Heard before and during effects that may be interrupted, and at the end; in between, nothing stops the flow. */
  signal?: AbortSignal | undefined;
  /** How to arrange for an interrupted refresh to be repaired. */
  arm?: ((key: Key, at: number) => Promise<void>) | undefined;
}

/** Runs a flow to its end, and frees it. Throws {@link TwgError} and nothing else. */
export async function drive(flow: Flow, driving: Driving): Promise<Output> {
  const { ports, signal } = driving;
  const performer = performerFor(driving, async () => driving.suspended?.(flow.suspend()));
  try {
    let step = flow.begin(ports.clock.now());
    while ("perform" in step) {
      const { id, interruptible, effect } = step.perform;
      if (interruptible && signal?.aborted) throw cancelled();
      const outcome = interruptible
        ? await unlessAborted(performer.perform(effect, signal), signal)
        : await performer.perform(effect);
      step = flow.resume(id, outcome, ports.clock.now());
    }
    if ("error" in step.done) throw coreError(step.done.error);
    if (signal?.aborted) throw cancelled();
    return step.done.ok;
  } catch (error) {
    throw asTwgError(error);
  } finally {
    performer.end();
    free(flow);
  }
}

function free(flow: Flow): void {
  try {
    flow.free();
  } catch {
    // Of a module that trapped. What it threw before is what matters.
  }
}

/** What was thrown on purpose as it is; anything else is a defect, and its message could hold a secret. */
export function asTwgError(error: unknown): TwgError {
  if (error instanceof TwgError) return error;
  return defect(`A defect of twg-auth or of a port (${codeOf(error) ?? nameOf(error)})`);
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  let onAbort!: () => void;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(cancelled());
    signal.addEventListener("abort", onAbort, { once: true });
  });
  if (signal.aborted) onAbort(); // The effect itself did it.
  work.catch(() => {}); // Once given up, nobody waits for it.
  try {
    return await Promise.race([aborted, work]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function performerFor({ ports, onProgress, suspended, arm }: Driving, beforeWaiting: () => Promise<void>) {
  const store = recordStore(ports.storage, ports.clock);
  let lock: Held | undefined;
  let over = false;
  /** Where the user agent waits for this flow's redirects. */
  let redirectUri: string | undefined;

  function release(): void {
    const held = lock;
    lock = undefined;
    try {
      held?.release();
    } catch {
      // Whoever implements locks cannot be told; the next one who waits will be.
    }
  }

  function tell(progress: Progress): void {
    try {
      onProgress?.(progress);
    } catch {
      // The listener's own affair.
    }
  }

  async function acquire(key: Key, deadline: number, signal?: AbortSignal): Promise<Outcome> {
    const name = lockName(key);
    try {
      const taken = await ports.locks.acquire(name, deadline, signal);
      if ("busy" in taken) {
        return { locked: { error: { timed_out: taken.holder === undefined ? {} : { holder: taken.holder } } } };
      }
      lock = taken;
      if (over) release(); // It was given up meanwhile.
      return { locked: { ok: null } };
    } catch (error) {
      return { locked: { error: unusable(name, error) } };
    }
  }

  async function perform(effect: Effect, signal?: AbortSignal): Promise<Outcome> {
    switch (effect.type) {
      case "send_http": {
        const { method, url, headers, body, timeout, max_response_bytes } = effect;
        const request = { method, url, headers, body, timeout, max_response_bytes };
        try {
          return { http: { ok: inJson(await ports.http.send(request, signal)) } };
        } catch (error) {
          return { http: { error: transportError(error) } };
        }
      }
      case "wait_until":
        await beforeWaiting();
        tell({ type: "waiting", until: effect.time });
        await ports.clock.wait(effect.time, signal);
        return "waited";
      case "show_user_code": {
        await beforeWaiting();
        const { verification_uri, verification_uri_complete, user_code, expires_at, open } = effect;
        tell({
          type: "userCode",
          verificationUri: verification_uri,
          ...(verification_uri_complete !== undefined && { verificationUriComplete: verification_uri_complete }),
          userCode: user_code,
          expiresAt: expires_at,
        });
        // The address is shown: a browser that cannot be opened is no failure.
        if (open) await ports.userAgent.open(verification_uri_complete ?? verification_uri).catch(() => {});
        return { shown: { ok: null } };
      }
      case "obtain_redirect_uri": {
        const target = { path: effect.path, ...(effect.port !== undefined && { port: effect.port }) };
        const obtained = await byUserAgent(() => ports.userAgent.redirectUri(target));
        if ("ok" in obtained) redirectUri = obtained.ok;
        if (over) close(); // It was given up meanwhile.
        return { redirect_uri: obtained };
      }
      case "open_user_agent": {
        await beforeWaiting();
        const { url, redirect_uri, deadline, open } = effect;
        redirectUri = redirect_uri;
        tell({ type: "authorize", url, deadline });
        const request = { url, redirectUri: redirect_uri, deadline, open, ...(signal && { signal }) };
        const redirected = await byUserAgent(() => ports.userAgent.authorize(request));
        if (over) close();
        return { redirected };
      }
      case "await_redirect":
        await beforeWaiting();
        return { redirected: await byUserAgent(() => ports.userAgent.next(effect.deadline, signal)) };
      case "notify":
        tell({ type: "notice", notice: effect.notice });
        return "notified";
      case "preflight_store":
        return { store: await store.preflight(effect.key) };
      case "acquire_lock":
        return acquire(effect.key, effect.deadline, signal);
      case "release_lock":
        release();
        return "notified";
      case "load_record":
        return { loaded: await store.load(effect.key) };
      case "replace_record":
        await suspended?.(undefined);
        return { store: await store.replace(effect.key, effect.expected, effect.record) };
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
      case "rescue_reply":
        return { kept: await store.rescueReply(effect.key, effect.attempt, effect.reply) };
      case "load_rescue":
        return { loaded: await store.loadRescue(effect.key, effect.attempt) };
      case "set_aside_stage":
        return { kept: await store.setAsideStage(effect.key) };
      case "discard_stage":
        return { store: await store.discardStage(effect.key, effect.attempt) };
      case "arm_recovery":
        await arm?.(effect.key, effect.at).catch(() => {});
        return "notified";
      default:
        return assertNever(effect);
    }
  }

  /** The flow is over, in whatever way. */
  function end(): void {
    over = true;
    release();
    close();
  }

  function close(): void {
    if (redirectUri !== undefined) ports.userAgent.close(redirectUri).catch(() => {});
  }

  return { perform, end };
}

function assertNever(effect: never): never {
  throw defect(`The core asks for an unknown effect (${(effect as Effect).type})`);
}

/** JSON has no octets: an answer is text, as every answer of an authorization server is, or else numbers. */
function inJson({ status, headers, body }: HttpResponse): WireResponse {
  if (typeof body === "string") return { status, headers, body };
  try {
    return { status, headers, body: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body) };
  } catch {
    return { status, headers, body: Array.from(body) };
  }
}

/** Anything but the typed failure may have come at any time: whether something was sent is unknown then. */
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
