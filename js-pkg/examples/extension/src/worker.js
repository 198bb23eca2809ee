// Signs in and out, and keeps the login alive. It lives as long as the browser likes, and may die at any moment: what
// counts is stored before anything is spent.
import { wakeByAlarms } from "twg-auth/extension";
import { auth, grants } from "./auth.js";

// Listeners first, before anything is waited for: what wakes the worker is only told to who listens then.
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

// A page that wants something keeps a port to the worker open, and hears by it if the worker dies. What was begun goes on
// without the page.
chrome.runtime.onConnect.addListener((port) => {
  const isOurs = port.sender?.url?.startsWith(chrome.runtime.getURL("")); // And no content script's.
  if (!isOurs) return port.disconnect();
  port.onMessage.addListener(() => cancelling?.abort());
  does[port.name]?.()
    .then(() => ({}), (error) => ({ error: told(error) }))
    .then((answer) => port.postMessage(answer))
    .catch(() => {}); // The page is gone.
});

/** What a page can show. An error loses its members on the way from one context to the other. */
function told({ code, message, hint, retryable }) {
  return { code, message, hint, retryable };
}
