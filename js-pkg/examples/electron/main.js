import { fileURLToPath, pathToFileURL } from "node:url";
import { readFileSync } from "node:fs";
import { app, BrowserWindow, ipcMain, powerMonitor, safeStorage, shell } from "electron";
import { createAuth, electronPorts } from "twg-auth/electron";

const PAGE = fileURLToPath(new URL("window.html", import.meta.url));
const PRELOAD = fileURLToPath(new URL("preload.cjs", import.meta.url));
const TWELVE_MINUTES = 12 * 60_000;

const { CLIENT_ID: clientId, PROVIDER: profile } = process.env;
/** `PROVIDER` is the path of a provider's profile: for other providers, and for `twg sandbox`. */
const provider = profile ? JSON.parse(readFileSync(profile, "utf8")) : "atlassian";

/** Work to finish before this process may end: a refresh that was sent has spent its token. */
const running = new Set();
/** Ends a sign-in that waits for its user. */
let signingIn;
let window;

if (!app.requestSingleInstanceLock()) {
  // The first instance gets an event, and shows its window.
  app.quit();
} else {
  app.on("second-instance", showWindow);
  app.on("activate", showWindow);
  app.on("window-all-closed", () => process.platform === "darwin" || app.quit());
  app.on("before-quit", (event) => {
    signingIn?.abort();
    if (running.size === 0) return;
    event.preventDefault();
    void Promise.allSettled(running).then(() => app.quit());
  });
  void app.whenReady().then(start);
}

function start() {
  const auth = createAuth({ provider, clientId, ports: electronPorts({ app, safeStorage, shell }) });

  answer("state", () => stateOf(auth));
  answer("sign-in", () => signIn(auth));
  answer("cancel", () => signingIn?.abort());
  answer("sign-out", () => auth.logout().then(() => undefined));

  auth.on("change", () => void stateOf(auth).then((state) => tell("state", state), () => {}));
  keepAlive(auth);
  showWindow();
}

async function signIn(auth) {
  signingIn?.abort();
  const mine = (signingIn = new AbortController());
  try {
    await auth.login({ signal: mine.signal, onProgress: (step) => tell("progress", shown(step)) });
  } finally {
    if (signingIn === mine) signingIn = undefined;
  }
}

/** Refreshes on a timer, and when the machine wakes up. Also repairs an interrupted refresh. */
function keepAlive(auth) {
  // The next action of the user meets a failure again, and shows it.
  const wake = () => void track(auth.wake()).catch(() => {});
  setInterval(wake, TWELVE_MINUTES).unref();
  powerMonitor.on("resume", wake);
  wake();
}

/** What the window may know: no token. */
async function stateOf(auth) {
  const { signedIn, account, sites, ended } = await auth.status();
  return {
    signedIn,
    name: account?.name ?? account?.email ?? "",
    email: account?.email ?? "",
    sites: sites.map(({ name, url }) => ({ name, url })),
    hasEnded: ended !== undefined,
  };
}

/** The part of a sign-in's progress that the user sees. */
function shown(step) {
  if (step.type === "userCode") return { code: step.userCode, url: step.verificationUri };
  if (step.type === "authorize") return { url: step.url };
  return {};
}

/** Responds only to the page of our window. Errors of twg-auth hold no secrets; others are not passed on. */
function answer(channel, work) {
  ipcMain.handle(channel, async ({ senderFrame }) => {
    if (senderFrame?.url !== pathToFileURL(PAGE).href) return { error: { message: "This page may not do that." } };
    try {
      return { value: await track(work()) };
    } catch (error) {
      const isOurs = error instanceof Error && error.name === "TwgError";
      if (isOurs) return { error: { code: error.code, message: error.message, hint: error.hint ?? "" } };
      return { error: { message: "An unexpected error happened." } };
    }
  });
}

function track(work) {
  const promise = Promise.resolve(work);
  running.add(promise);
  promise.finally(() => running.delete(promise)).catch(() => {});
  return promise;
}

function tell(channel, value) {
  if (window && !window.isDestroyed()) window.webContents.send(channel, value);
}

function showWindow() {
  if (window && !window.isDestroyed()) {
    if (window.isMinimized()) window.restore();
    window.focus();
    return;
  }
  window = new BrowserWindow({
    width: 460,
    height: 520,
    title: "twg-auth in Electron",
    webPreferences: { preload: PRELOAD, contextIsolation: true, sandbox: true, nodeIntegration: false },
  });
  // This window only ever shows our page; the user's browser opens sites.
  window.webContents.on("will-navigate", (event) => event.preventDefault());
  window.webContents.setWindowOpenHandler(({ url }) => {
    if (url.startsWith("https://")) void shell.openExternal(url);
    return { action: "deny" };
  });
  void window.loadFile(PAGE);
}
