// Replaces `twg-auth/extension` in bundles for tests: the same ports, which halt where the test says so, and the globals `auth`
// and `ports` for the test.
import * as real from "../../js-pkg/dist/extension.js";

export const { wakeByAlarms } = real;

export function createAuth(options) {
  globalThis.auth = real.createAuth(options);
  return globalThis.auth;
}

/** The calls since the last order to halt, and the call at which everything stops: 1 is the next. */
let trace = [];
let halt = { nth: Infinity };

// Orders to the worker. It replies through the same port.
chrome.runtime.onConnect.addListener((port) => {
  if (port.name !== "test") return;
  port.onMessage.addListener(async ({ order, nth, when, name }) => {
    if (order === "halt") {
      trace = [];
      halt = { nth: nth ?? Infinity, when, reached: (call) => port.postMessage({ reached: call }) };
      port.postMessage({ ok: true });
    } else if (order === "calls") {
      port.postMessage({ calls: trace });
    } else if (order === "say") {
      console.log(name);
      port.postMessage({ ok: true });
    } else if (order === "store") {
      await ports.storage.set(name, "anything");
      port.postMessage({ ok: true });
    } else if (order === "fetch") {
      port.postMessage({ said: await auth.fetch(name).then((response) => response.json()).then(({ email }) => email, String) });
    } else if (order === "token") {
      port.postMessage(await auth.getAccessToken().then((token) => ({ token }), ({ code }) => ({ code })));
    }
  });
});

const forever = new Promise(() => {});

function halting(name, port) {
  return async (...args) => {
    const nth = trace.push(name);
    const stop = (when) => {
      if (nth > halt.nth || (nth === halt.nth && when === halt.when)) {
        // Every later call halts, too.
        if (nth === halt.nth) halt.reached(name);
        return forever;
      }
    };
    await stop("before");
    const result = await Promise.allSettled([port(...args)]);
    await stop("after");
    const [{ value, reason, status }] = result;
    if (status === "rejected") throw reason;
    return value;
  };
}

/** How far this context's clock is ahead: a wait moves it forward. */
globalThis.ahead = 0;

const hurriedClock = {
  now: () => ({ wall: Date.now() + ahead }),
  wait: async (time) => void (ahead += Math.max(0, time - hurriedClock.now().wall)),
};

export function extensionPorts(options) {
  const ports = real.extensionPorts(options);
  globalThis.ports = { ...ports };
  // Only in pages: the worker really waits for its user.
  if (globalThis.document) ports.clock = hurriedClock;
  for (const name of ["http", "storage", "locks", "userAgent", "alarms"]) {
    ports[name] = { ...ports[name] };
    for (const [member, port] of Object.entries(ports[name])) {
      const isAsynchronous = !["place", "onChange"].includes(member);
      if (isAsynchronous) ports[name][member] = halting(`${name}.${member}`, port.bind(ports[name]));
    }
  }
  return ports;
}
