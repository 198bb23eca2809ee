// Sign-in with PKCE, refresh, and a token on demand, in the ports of a small extension: the least that runs.
import { createAuth } from "twg-auth";

const area = new Map();
const clock = { now: () => ({ wall: Date.now() }), wait: (time) => new Promise((resolve) => setTimeout(resolve, time - Date.now())) };

export const auth = createAuth({
  provider: "atlassian",
  clientId: "client",
  ports: {
    clock,
    http: {
      async send({ url, method, headers, body }) {
        const response = await fetch(url, { method, headers, redirect: "manual", credentials: "omit", ...(body && { body }) });
        return { status: response.status, headers: [...response.headers], body: new Uint8Array(await response.arrayBuffer()) };
      },
    },
    storage: {
      get: async (name) => area.get(name),
      set: async (name, value) => void area.set(name, value),
      remove: async (name) => void area.delete(name),
      place: (name) => name,
    },
    locks: {
      acquire: (name) => new Promise((resolve) => navigator.locks.request(name, () => new Promise((release) => resolve({ release })))),
    },
    userAgent: {
      redirectUri: async () => chrome.identity.getRedirectURL(),
      authorize: ({ url }) => chrome.identity.launchWebAuthFlow({ url, interactive: true }),
      next: () => Promise.reject(new Error()),
      open: async () => {},
      close: async () => {},
    },
  },
});
export const signIn = () => auth.login();
export const token = () => auth.getAccessToken();
