// Signs in and out, and keeps the connection alive. The browser may end it at any moment: everything important is stored
// before a token is spent.
import { wakeByAlarms } from "twg-auth/extension";
import { auth, grants } from "./auth.js";

// Listeners first, before anything is awaited: the event that wakes the worker reaches only listeners that exist then.
wakeByAlarms(auth);
chrome.action.onClicked.addListener(() => chrome.tabs.create({ url: chrome.runtime.getURL("page.html") }));

let cancelling;

async function signIn() {
  cancelling ??= new AbortController();
  try {
    await auth.login({ grants, signal: cancelling.signal });
  } finally {
    cancelling = undefined;
  }
}

const does = { "sign in": signIn, "sign out": () => auth.logout() };

// A page that wants something keeps a port to the worker open; the port closes if the worker dies. The work continues
// without the page.
chrome.runtime.onConnect.addListener((port) => {
  const isOurs = port.sender?.url?.startsWith(chrome.runtime.getURL("")); // Not a content script's.
  if (!isOurs) return port.disconnect();
  port.onMessage.addListener(() => cancelling?.abort());
  does[port.name]?.()
    .then(() => ({}), (error) => ({ error: plain(error) }))
    .then((result) => port.postMessage(result))
    .catch(() => {}); // The page is gone.
});

/** What a page can show. An error loses its members on the way to another context. */
function plain({ code, message, hint, retryable }) {
  return { code, message, hint, retryable };
}
