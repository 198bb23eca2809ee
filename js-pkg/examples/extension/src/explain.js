// What an error means to the user: what happened, what was kept, what to do next.
const NOTHING_LOST = "Nothing was lost.";

export function explain({ code, message, hint }) {
  switch (code) {
    case "CANCELLED":
    case "ACCESS_DENIED":
      return { title: "You are not signed in", text: "The sign-in window was closed, or access was refused.", next: "Press “Sign in” to try again." };
    case "NO_USER_AGENT":
      return { title: "The sign-in window did not open", text: sentence(message), next: "Then press “Sign in” again." };
    case "LOGIN_TIMED_OUT":
      return { title: "That took too long", text: "The sign-in was not finished in time.", next: "Press “Sign in” to begin again." };
    case "WORKER_STOPPED":
      return { title: "The sign-in was interrupted", text: `The browser stopped this extension’s worker. ${NOTHING_LOST}`, next: "Press the button again." };
    case "NETWORK":
    case "SERVER_UNAVAILABLE":
    case "REFRESH_INTERRUPTED":
      return { title: "The server cannot be reached", text: "You may be offline. You stay signed in; what you see was loaded earlier.", next: "This page tries again once you are online." };
    case "AUTH_EXPIRED":
    case "AUTH_REVOKED":
    case "AUTH_REQUIRED":
      return { title: "Your sign-in has ended", text: sentence(message), next: "Press “Sign in” to continue." };
    case "WASM_BLOCKED":
    case "WASM_UNAVAILABLE":
      return { title: "This extension is built wrongly", text: sentence(message), next: hint ?? "" };
    case "STORE_CANNOT_WRITE":
    case "STORE_CANNOT_CREATE":
    case "NOT_SAVED":
      return { title: "There is no room to store your sign-in", text: sentence(message), next: "Free some disk space, then press the button again." };
    default:
      return { title: "That did not work", text: sentence(message), next: hint ?? "Try again in a moment." };
  }
}

/** Messages of the core begin in lower case. */
const sentence = (text = "") => text && `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
