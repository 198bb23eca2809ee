/**
 * Calls that want the same thing at the same time share one run of it. A caller that gives up does not affect the others;
 * once all have given up, the run is aborted.
 */
import { cancelled } from "./errors.js";

interface Flight<T> {
  result: Promise<T>;
  callers: number;
  controller: AbortController;
}

export function singleFlight<T>() {
  const flights = new Map<string, Flight<T>>();

  function takeOff(what: string, run: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const controller = new AbortController();
    const flight: Flight<T> = { result: run(controller.signal), callers: 0, controller };
    flights.set(what, flight);
    const land = () => {
      if (flights.get(what) === flight) flights.delete(what);
    };
    flight.result.then(land, land);
    return flight;
  }

  return async function join(what: string, run: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (signal?.aborted) throw cancelled();
    const flight = flights.get(what) ?? takeOff(what, run);
    flight.callers++;
    return new Promise<T>((resolve, reject) => {
      const leave = () => {
        signal?.removeEventListener("abort", giveUp);
        flight.callers--;
      };
      const giveUp = () => {
        leave();
        if (flight.callers === 0) {
          flights.delete(what); // A new caller needs a new run.
          flight.controller.abort();
        }
        reject(cancelled());
      };
      signal?.addEventListener("abort", giveUp, { once: true });
      flight.result.then(
        (value) => (leave(), resolve(value)),
        (error: unknown) => (leave(), reject(error)),
      );
    });
  };
}
