// Shows one of three states: signed out, signing in, signed in. Above it: what went wrong, and what to do next.
import { auth, provider } from "./auth.js";
import { explain } from "./explain.js";

const $ = (id) => document.getElementById(id);
const main = document.querySelector("main");

let worker; // The port to it, while it signs in or out.

function show(state) {
  main.dataset.state = state;
  for (const section of ["signed-out", "signing-in", "signed-in"]) $(section).hidden = section !== state;
}

function warn(error) {
  const notice = $("notice");
  notice.hidden = !error;
  notice.dataset.code = error?.code ?? "";
  if (!error) return;
  const { title, text, next } = explain(error);
  $("notice-title").textContent = title;
  $("notice-text").textContent = text;
  $("notice-next").textContent = next;
  $("again").hidden = main.dataset.state !== "signed-in" || !error.retryable;
}

function showAccount({ account, sites, signedInAt }) {
  const name = account?.name ?? account?.email ?? account?.id ?? "Signed in";
  $("initials").textContent = initialsOf(name);
  $("name").textContent = name;
  $("email").textContent = account?.email ?? "";
  $("sites").replaceChildren(...sites.map(siteItem));
  $("sites-card").hidden = sites.length === 0;
  $("sites-title").textContent = sites.length === 1 ? "Your site" : `Your ${sites.length} sites`;
  $("since").textContent = signedInAt ? `Signed in since ${new Date(signedInAt).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" })}` : "";
}

const initialsOf = (name) => name.split(/\s+/).filter(Boolean).map((word) => [...word][0]).filter((_, at, all) => at === 0 || at === all.length - 1).join("").toUpperCase();

function siteItem({ name, url }) {
  const link = Object.assign(document.createElement("a"), { href: url, target: "_blank", rel: "noreferrer" });
  const tile = Object.assign(document.createElement("span"), { className: "tile", textContent: initialsOf(name).slice(0, 1) });
  tile.ariaHidden = "true";
  const text = document.createElement("span");
  text.append(Object.assign(document.createElement("b"), { textContent: name }), Object.assign(document.createElement("small"), { textContent: new URL(url).host }));
  link.append(tile, text);
  const item = document.createElement("li");
  item.append(link);
  return item;
}

function badge(kind, text) {
  $("badge").dataset.kind = kind;
  $("badge-text").textContent = text;
}

/** Shows what is stored, with an earlier failure, and then checks it with the server. */
async function look(trouble) {
  if (worker) return;
  const status = await auth.status();
  if (worker) return;
  warn(trouble);
  if (!status.signedIn) return show("signed-out");
  showAccount(status);
  show("signed-in");
  badge("checking", "Checking");
  try {
    await auth.whoami();
    badge("ok", "Connected");
  } catch (error) {
    badge("off", "Not connected");
    if (!(await auth.status()).signedIn) show("signed-out");
    warn(trouble ?? error);
  }
}

const update = (trouble) => look(trouble).catch((error) => (show("signed-out"), warn(error)));

/** Lets the worker sign in or out. If the worker dies, the port closes. */
function ask(what) {
  warn(undefined);
  const port = chrome.runtime.connect({ name: what });
  worker = port;
  const over = (trouble) => {
    if (worker !== port) return;
    worker = undefined;
    void update(trouble);
  };
  port.onMessage.addListener(({ error }) => (over(error), port.disconnect()));
  port.onDisconnect.addListener(() => over({ code: "WORKER_STOPPED" }));
}

$("sign-in").addEventListener("click", () => {
  ask("sign in");
  show("signing-in");
  $("cancel").focus();
});
$("cancel").addEventListener("click", () => worker?.postMessage("cancel"));
$("sign-out").addEventListener("click", () => ask("sign out"));
$("again").addEventListener("click", () => update());
addEventListener("online", () => update());
for (const element of document.querySelectorAll(".provider")) {
  element.textContent = provider.display_name ?? "Atlassian";
}

auth.on("change", () => update());
void update();
