// What the tests do inside the extension's pages and worker, with a special build.
import { fileURLToPath } from "node:url";

/** For build.mjs: puts halting.mjs into the bundle. */
export const open = { "twg-auth/extension": fileURLToPath(new URL("halting.mjs", import.meta.url)) };

/** Everything that is stored, by name. Holds secrets. */
export function texts(page) {
  return page.evaluate(async () => {
    const database = await new Promise((resolve) => (indexedDB.open("twg-auth").onsuccess = ({ target }) => resolve(target.result)));
    const store = database.transaction("texts").objectStore("texts");
    const all = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
    const [names, values] = await Promise.all([all(store.getAllKeys()), all(store.getAll())]);
    database.close();
    return Object.fromEntries(names.map((name, at) => [name, values[at]]));
  });
}

/** The one record, parsed. */
export async function recordOf(page) {
  const [, text] = Object.entries(await texts(page)).find(([name]) => name.startsWith("record/"));
  return JSON.parse(text);
}

/** Changes the tokens of the one record, without an event. */
async function changeTokens(page, change) {
  const [name, text] = Object.entries(await texts(page)).find(([name]) => name.startsWith("record/"));
  const record = JSON.parse(text);
  change(record.tokens);
  await page.evaluate(async ([name, text]) => {
    const database = await new Promise((resolve) => (indexedDB.open("twg-auth").onsuccess = ({ target }) => resolve(target.result)));
    const transaction = database.transaction("texts", "readwrite");
    transaction.objectStore("texts").put(text, name);
    await new Promise((resolve) => (transaction.oncomplete = resolve));
    database.close();
  }, [name, JSON.stringify(record)]);
}

/** Makes the token 70 minutes older. */
export const expireToken = (page) => changeTokens(page, (tokens) => {
  tokens.issued_at -= 70 * 60_000;
  tokens.expires_at -= 70 * 60_000;
});

/** Replaces the token with one that looks fresh and that no server accepts. */
export const spoilToken = (page) => changeTokens(page, (tokens) => (tokens.access_token = "spoiled"));

/** The account that the API returns, to `auth.fetch` in the page and in the worker. */
export async function fetchMe(page, server) {
  const me = `${server.url}/me`;
  return [await page.evaluate((me) => auth.fetch(me).then((response) => response.json()).then(({ email }) => email, String), me), (await order(page, { order: "fetch", name: me })).said];
}

/** Sends the worker an order of halting.mjs. Rejects if it dies. */
export function order(page, message) {
  return page.evaluate((message) => new Promise((resolve, reject) => {
    const port = chrome.runtime.connect({ name: "test" });
    port.onMessage.addListener(resolve);
    port.onDisconnect.addListener(() => reject(new Error("the worker died")));
    port.postMessage(message);
  }), message);
}

/** Makes the worker halt there. Resolves to a function that waits until it halts, and returns where. */
export async function haltAt(page, nth, when) {
  await page.evaluate((message) => new Promise((resolve) => {
    const port = chrome.runtime.connect({ name: "test" });
    window.reached = new Promise((reach) => {
      port.onMessage.addListener(({ ok, reached }) => (ok ? resolve() : reach(reached)));
    });
    port.postMessage(message);
  }), { order: "halt", nth, when });
  return () => page.evaluate(() => window.reached);
}

/** Fills the extension's quota completely. */
export function fillUp(page) {
  return page.evaluate(async () => {
    const opening = indexedDB.open("junk");
    opening.onupgradeneeded = () => opening.result.createObjectStore("junk", { autoIncrement: true });
    await new Promise((resolve) => (opening.onsuccess = resolve));
    const random = crypto.getRandomValues(new Uint8Array(65_536));
    const fits = (size) => new Promise((resolve) => {
      const transaction = opening.result.transaction("junk", "readwrite");
      transaction.oncomplete = () => resolve(true);
      transaction.onabort = () => resolve(false);
      const octets = new Uint8Array(size);
      for (let at = 0; at < size; at += random.length) octets.set(random.subarray(0, size - at), at);
      transaction.objectStore("junk").add(octets);
    });
    let size = 2 ** 20;
    for (let times = 0; times < 100 && size >= 1; times++) if (!(await fits(size))) size = Math.floor(size / 4);
    opening.result.close();
    if (size >= 1) throw new Error("the quota does not fill up");
  });
}
