/**
 * Ports for tests: a clock that the test moves, storage in memory that can fail, a scripted server, and processes that die at
 * a chosen moment. No test needs to sleep.
 */
import { HttpFailure, StorageFailure, UserAgentFailure } from "./ports.js";
import type { Busy, Clock, Held, Http, HttpRequest, HttpResponse, Locks, Ports, Storage, UserAgent } from "./ports.js";
import type { Now } from "./wire.js";

export interface TestingOptions {
  /** Responds to every request of the core. Throw an {@link HttpFailure} for a request that does not arrive. */
  server?: (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;
  /** Plays the user in front of a browser: the URL of the redirect. */
  user?: (url: string, redirectUri: string) => string | Promise<string>;
  /** Responds to `auth.fetch`. */
  fetch?: typeof fetch;
  /** The wall clock at the beginning; ms since 1970. */
  now?: number;
  wasm?: Ports["wasm"];
}

export interface Testing {
  /** The ports of one process. */
  ports: Ports;
  /** The ports of another process on the same machine. */
  another(): Ports;
  clock: TestingClock;
  storage: TestingStorage;
  locks: TestingLocks;
  /** The alarms that are set. */
  alarms: Map<string, number>;
  /** Every request of the core so far. Holds secrets. */
  requests: HttpRequest[];
}

export function testingPorts(options: TestingOptions = {}): Testing {
  const clock = testingClock(options.now);
  const storage = testingStorage();
  const locks = testingLocks(clock);
  const alarms = new Map<string, number>();
  const requests: HttpRequest[] = [];

  const http: Http = {
    async send(request) {
      requests.push(request);
      if (!options.server) throw new HttpFailure("not_sent", "connect");
      return options.server(request);
    },
  };

  const another = (): Ports => ({
    clock,
    http,
    storage,
    locks,
    userAgent: testingUserAgent(options.user),
    alarms: {
      set: async (name, time) => void alarms.set(name, time),
      clear: async (name) => void alarms.delete(name),
    },
    host: async () => ({ machine: "a test", boot: "its only session" }),
    ...(options.wasm && { wasm: options.wasm }),
    ...(options.fetch && { fetch: options.fetch }),
  });

  return { ports: another(), another, clock, storage, locks, alarms, requests };
}

export interface TestingClock extends Clock {
  /** Moves the clock, and wakes every call that waited for it. */
  advance(ms: number): void;
  /** Whether waiting moves the clock; no if not set. Waiting for a lock never does. */
  hurry: boolean;
  /** Resolves once the clock was moved to that time. */
  reaches(time: number, signal?: AbortSignal): Promise<void>;
  /** How many calls wait. */
  waiting(): number;
}

export function testingClock(start = 1_800_000_000_000): TestingClock {
  let wall = start;
  const waiting = new Set<{ time: number; wake: () => void }>();

  function wake(): void {
    for (const waiter of waiting) {
      if (waiter.time > wall) continue;
      waiting.delete(waiter);
      waiter.wake();
    }
  }

  const clock: TestingClock = {
    hurry: false,
    now: (): Now => ({ wall, uptime: wall - start }),
    waiting: () => waiting.size,
    advance(ms) {
      wall += ms;
      wake();
    },
    wait(time, signal) {
      if (clock.hurry) clock.advance(Math.max(0, time - wall));
      return clock.reaches(time, signal);
    },
    reaches(time, signal) {
      return new Promise<void>((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        waiting.add({ time, wake: resolve });
        signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
        wake();
      });
    },
  };
  return clock;
}

export type StorageCall = "get" | "set" | "remove";

export interface TestingStorage extends Storage {
  /** What is stored. Holds secrets. */
  texts: Map<string, string>;
  /** The nth call from now on (1 is the next) of these kinds fails, and so do `times - 1` after it. */
  fail(nth: number, error?: Error, calls?: StorageCall[], times?: number): void;
  /** Ends all faults. */
  heal(): void;
  /** How many calls there were. */
  calls: number;
}

export function testingStorage(): TestingStorage {
  const texts = new Map<string, string>();
  const listeners = new Set<(name: string) => void>();
  const healthy = { from: Infinity, to: Infinity, seen: 0, calls: [] as StorageCall[], error: undefined as Error | undefined };
  let fault = { ...healthy };

  function called(call: StorageCall, name: string): void {
    storage.calls++;
    if (!fault.calls.includes(call)) return;
    fault.seen++;
    if (fault.seen < fault.from || fault.seen >= fault.to) return;
    throw fault.error ?? new StorageFailure(call === "get" ? "cannot_read" : "cannot_write", name, "the test says so");
  }

  const changed = (name: string) => listeners.forEach((listener) => queueMicrotask(() => listener(name)));

  const storage: TestingStorage = {
    texts,
    calls: 0,
    async get(name) {
      called("get", name);
      return texts.get(name);
    },
    async set(name, value) {
      called("set", name);
      texts.set(name, value);
      changed(name);
    },
    async remove(name) {
      called("remove", name);
      if (texts.delete(name)) changed(name);
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    place: (name) => `memory:${name}`,
    fail(nth, error, calls = ["set"], times = 1) {
      fault = { from: nth, to: nth + times, seen: 0, calls, error };
    },
    heal() {
      fault = { ...healthy };
    },
  };
  return storage;
}

export interface TestingLocks extends Locks {
  /** The names that are locked. */
  held(): string[];
}

export function testingLocks(clock: TestingClock): TestingLocks {
  const queues = new Map<string, (() => void)[]>();

  function release(name: string): void {
    const next = queues.get(name)?.shift();
    if (next) next();
    else queues.delete(name);
  }

  function held(name: string): Held {
    let isHeld = true;
    return {
      release() {
        if (isHeld) release(name);
        isHeld = false;
      },
    };
  }

  return {
    held: () => [...queues.keys()],
    async acquire(name, deadline, signal): Promise<Held | Busy> {
      const queue = queues.get(name);
      if (!queue) {
        queues.set(name, []);
        return held(name);
      }
      let mine!: () => void;
      const turn = new Promise<Held>((resolve) => (mine = () => resolve(held(name))));
      queue.push(mine);
      const late = clock.reaches(deadline, signal).then((): Busy => {
        const place = queue.indexOf(mine);
        if (place >= 0) queue.splice(place, 1);
        return { busy: true, holder: "a test" };
      });
      late.catch(() => {});
      return Promise.race([turn, late]);
    },
  };
}

function testingUserAgent(user: TestingOptions["user"]): UserAgent {
  const redirectUri = (path: string) => `http://127.0.0.1:7998${path}`;
  let last: { url: string; redirectUri: string } | undefined;
  const visit = async () => {
    if (!user || !last) throw new UserAgentFailure("closed");
    return user(last.url, last.redirectUri);
  };
  return {
    redirectUri: async ({ path }) => redirectUri(path),
    authorize: (request) => ((last = request), visit()),
    next: visit,
    open: async () => {},
    close: async () => {},
  };
}

export interface Mortal {
  ports: Ports;
  /** How many calls of ports there were: the moments at which it can die. */
  calls(): number;
  /** What was called, in order: `storage.set` and the like. */
  trace: string[];
  /** Resolves once the process is dead: it does nothing more, and its locks are free. */
  died: Promise<void>;
  kill(): void;
}

/**
 * A process over these ports that dies at its nth call of a port (1 is the first): `before` the port performed it, or `after`,
 * so that the result is lost. Its calls never settle then, like those of a dead process.
 */
export function mortal(ports: Ports, nth = Infinity, when: "before" | "after" = "before"): Mortal {
  const locks = new Set<Held>();
  const trace: string[] = [];
  const forever = new Promise<never>(() => {});
  let isDead = false;
  let pronounceDead!: () => void;
  const died = new Promise<void>((resolve) => (pronounceDead = resolve));

  function kill(): void {
    isDead = true;
    for (const lock of locks) lock.release();
    locks.clear();
    pronounceDead();
  }

  function call<A extends unknown[], T>(name: string, port: (...args: A) => Promise<T>): (...args: A) => Promise<T> {
    return async (...args) => {
      if (isDead) return forever;
      trace.push(name);
      const isLast = trace.length === nth;
      if (isLast && when === "before") kill();
      if (isDead) return forever;
      try {
        const result = await port(...args);
        if (name === "locks.acquire" && !("busy" in (result as Held | Busy))) locks.add(result as Held);
        if (isLast) kill();
        return isDead ? (release(name, result), forever) : result;
      } catch (error) {
        if (isLast) kill();
        if (isDead) return forever;
        throw error;
      }
    };
  }

  /** A lock that a dead process gets is free. */
  function release(name: string, result: unknown): void {
    if (name === "locks.acquire" && !("busy" in (result as Held | Busy))) (result as Held).release();
  }

  const { storage, userAgent } = ports;
  return {
    trace,
    died,
    kill,
    calls: () => trace.length,
    ports: {
      ...ports,
      clock: { now: () => ports.clock.now(), wait: call("clock.wait", (...args) => ports.clock.wait(...args)) },
      http: { send: call("http.send", (...args) => ports.http.send(...args)) },
      locks: { acquire: call("locks.acquire", (...args) => ports.locks.acquire(...args)) },
      storage: {
        get: call("storage.get", (...args) => storage.get(...args)),
        set: call("storage.set", (...args) => storage.set(...args)),
        remove: call("storage.remove", (...args) => storage.remove(...args)),
        ...(storage.reserve && { reserve: call("storage.reserve", storage.reserve.bind(storage)) }),
        ...(storage.fill && { fill: call("storage.fill", storage.fill.bind(storage)) }),
        ...(storage.onChange && { onChange: storage.onChange.bind(storage) }),
        place: (name) => storage.place(name),
      },
      userAgent: {
        redirectUri: call("userAgent.redirectUri", (...args) => userAgent.redirectUri(...args)),
        authorize: call("userAgent.authorize", (...args) => userAgent.authorize(...args)),
        next: call("userAgent.next", (...args) => userAgent.next(...args)),
        open: call("userAgent.open", (...args) => userAgent.open(...args)),
        close: call("userAgent.close", (...args) => userAgent.close(...args)),
      },
    },
  };
}
