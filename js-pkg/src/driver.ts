/** The one loop that performs effects, for every flow. */
import { codeOf, type Flow } from "./core.js";
import { TwgError, cancelled, coreError, defect, nameOf } from "./errors.js";
import { Performer, type Driving } from "./performer.js";
import type { Output } from "./wire.js";

/** Runs a flow to its end, and frees it. Throws {@link TwgError} and nothing else. */
export async function drive(flow: Flow, driving: Driving): Promise<Output> {
  const { ports, signal } = driving;
  const performer = new Performer(driving, async () => driving.suspended?.(flow.suspend()));
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
    // The module trapped earlier. What it threw then is what matters.
  }
}

/** A TwgError as it is; any other error is a defect, and its message could hold a secret. */
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
  work.catch(() => {}); // After an abort, its failure has no listener.
  try {
    return await Promise.race([aborted, work]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
