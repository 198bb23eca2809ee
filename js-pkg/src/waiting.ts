/** Shared by the ports that wait. */
import type { Clock, UserAgent } from "./ports.js";
import { UserAgentFailure } from "./ports.js";

export const LATE = Symbol("late");

/** Timers stop while the machine sleeps, so the clock is read again after this time. */
const LONGEST_NAP = 30_000;

/** {@link Clock.wait} of every runtime. */
export async function waitOnWallClock(time: number, signal?: AbortSignal): Promise<void> {
  const begun = performance.now();
  const longest = time - Date.now();
  for (;;) {
    signal?.throwIfAborted();
    const left = Math.min(time - Date.now(), longest - (performance.now() - begun));
    if (left <= 0) return;
    await nap(Math.min(left, LONGEST_NAP), signal);
  }
}

function nap(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, Math.ceil(ms));
    signal?.addEventListener("abort", wake, { once: true });
  });
}

/** `work`, or {@link LATE} if the deadline (ms, wall clock) passes first. Rejects if the signal is aborted. */
export async function before<T>(clock: Clock, deadline: number, work: Promise<T>, signal?: AbortSignal): Promise<T | typeof LATE> {
  const over = new AbortController();
  const late = clock.wait(deadline, signal ? AbortSignal.any([signal, over.signal]) : over.signal).then((): typeof LATE => LATE);
  try {
    return await Promise.race([work, late]);
  } finally {
    late.catch(() => {});
    over.abort();
  }
}

/** Redirects that arrived, for the caller that waits for the next one. */
export function redirects(clock: Clock): { arrived(url: string): void; next: UserAgent["next"] } {
  const waiting: string[] = [];
  let wake: () => void = () => {};
  return {
    arrived(url) {
      waiting.push(url);
      wake();
    },
    async next(deadline, signal) {
      while (waiting.length === 0) {
        const arrival = new Promise<void>((resolve) => (wake = resolve));
        if ((await before(clock, deadline, arrival, signal)) === LATE) throw new UserAgentFailure("timed_out");
      }
      return waiting.shift()!;
    },
  };
}

/** One at a time for each name, in the order of the calls, within this process. */
export function queues(clock: Clock) {
  const last = new Map<string, Promise<void>>();

  /** Resolves to a function that leaves; to {@link LATE} if the turn does not come before the deadline. */
  return async function enter(name: string, deadline: number, signal?: AbortSignal): Promise<(() => void) | typeof LATE> {
    let leave!: () => void;
    const mine = new Promise<void>((resolve) => (leave = resolve));
    const predecessor = last.get(name) ?? Promise.resolve();
    const whole = predecessor.then(() => mine);
    last.set(name, whole);
    void whole.then(() => last.get(name) === whole && last.delete(name));
    try {
      const turn = await before(clock, deadline, predecessor, signal);
      if (turn !== LATE) return leave;
      leave();
      return LATE;
    } catch (error) {
      leave();
      throw error;
    }
  };
}
