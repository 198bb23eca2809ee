// A foreign page, with a content script of the extension. Both write everything that they can reach into the page.
import { createServer } from "node:http";

/** Runs as a content script and as a script of the page: writes everything that it finds into the page. */
const dump = (who) => `(async () => {
  const found = {};
  const look = async (what, get) => { try { found[what] = await get(); } catch (error) { found[what] = String(error); } };
  for (const area of ["local", "session", "sync", "managed"]) await look("chrome.storage." + area, () => chrome.storage[area].get(null));
  await look("indexedDB", async () => {
    const all = [];
    for (const { name } of await indexedDB.databases()) {
      const database = await new Promise((done, fail) => Object.assign(indexedDB.open(name), { onsuccess: (e) => done(e.target.result), onerror: fail }));
      for (const store of database.objectStoreNames) {
        const values = await new Promise((done) => database.transaction(store).objectStore(store).getAll().onsuccess = (e) => done(e.target.result));
        all.push([name, store, values]);
      }
    }
    return all;
  });
  await look("the extension's database by name", () => new Promise((done, fail) => {
    const opening = indexedDB.open("twg-auth");
    opening.onsuccess = () => { done([...opening.result.objectStoreNames]); opening.result.close(); indexedDB.deleteDatabase("twg-auth"); };
    opening.onerror = fail;
  }));
  await look("localStorage", () => ({ ...localStorage }));
  await look("sessionStorage", () => ({ ...sessionStorage }));
  await look("cookie", () => document.cookie);
  await look("caches", async () => (await caches.keys()).join());
  await look("locks", () => navigator.locks.query());
  await look("signed out by me", () => new Promise((done) => {
    const port = chrome.runtime.connect({ name: "sign out" });
    port.onMessage.addListener(done);
    port.onDisconnect.addListener(() => done("no answer"));
  }));
  document.documentElement.setAttribute("data-${who}", JSON.stringify(found));
})()`;

/** The entry in the extension's manifest, and the file. */
export const contentScript = {
  manifest: { content_scripts: [{ matches: ["http://127.0.0.1/*"], js: ["dump.js"] }] },
  files: { "dump.js": dump("script") },
};

export async function strangersSite() {
  const server = createServer((_request, response) => {
    response.setHeader("content-type", "text/html");
    response.end(`<!doctype html><script>localStorage.mine = "page canary"; ${dump("page")}</script>`);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

/** Runs in that page. Returns nothing until both scripts have run. */
export function seenByStrangers() {
  const { page, script } = document.documentElement.dataset;
  return page && script && page + script;
}
