// A page has no launchWebAuthFlow and no durable storage of this package: everything is in memory, except the requests and the
// module's file, which are the browser's.
import { testingPorts } from "twg-auth/testing";
import { login } from "./login.js";

const testing = testingPorts({
  now: Date.now(),
  async server({ url, method, headers, body }) {
    const response = await fetch(url, { method, headers, redirect: "manual", cache: "no-store", credentials: "omit", ...(body && { body }) });
    return { status: response.status, headers: [...response.headers], body: new Uint8Array(await response.arrayBuffer()) };
  },
});
const clock = { now: () => ({ wall: Date.now() }), wait: (time) => new Promise((resolve) => setTimeout(resolve, time - Date.now())) };

globalThis.result = login(location.origin, { ...testing.ports, clock });
