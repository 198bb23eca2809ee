// Signs in and out, and keeps the login alive. It lives as long as the browser likes, and may die at any moment: what
// counts is stored before anything is spent.
import { wakeByAlarms } from "twg-auth/extension";
import { auth, grants } from "./auth.js";

// Listeners first, before anything is waited for: what wakes the worker is only told to who listens then.
wakeByAlarms(auth);
chrome.action.onClicked.addListener(() => chrome.tabs.create({ url: chrome.runtime.getURL("page.html") }));

// A page that asks for a login keeps a port to the worker open, and so hears if the worker dies.
chrome.runtime.onConnect.addListener((port) => {
  const gone = new AbortController();
  port.onDisconnect.addListener(() => gone.abort());
  const [what, answer] = port.name === "sign in" ? ["sign in", signIn] : ["sign out", signOut];
  answer(gone.signal).then(
    () => port.postMessage({ done: what }),
    (error) => port.postMessage({ error: told(error) }),
  ).catch(() => {}); // The page is gone.
});

const signIn = (signal) => auth.login({ grants, signal });
const signOut = () => auth.logout();

/** What a page can show. An error loses its members on the way from one context to the other. */
function told({ code, message, hint, retryable }) {
  return { code, message, hint, retryable };
}
