"use strict";

const element = (id) => document.getElementById(id);

function show(section) {
  for (const id of ["signed-out", "signing-in", "signed-in"]) element(id).hidden = id !== section;
}

function showState({ signedIn, name, email, sites, hasEnded }) {
  element("name").textContent = name;
  element("email").textContent = email;
  element("sites").replaceChildren(...sites.map(siteLine));
  if (hasEnded) element("why").textContent = "Your login has ended. Sign in again to continue.";
  show(signedIn ? "signed-in" : "signed-out");
}

function siteLine({ name, url }) {
  const link = Object.assign(document.createElement("a"), { textContent: name, href: url, target: "_blank" });
  const item = document.createElement("li");
  item.append(link);
  return item;
}

function showError(error) {
  element("error").hidden = !error || error.code === "CANCELLED";
  if (error) element("error").textContent = [error.message, error.hint].filter(Boolean).join(". ");
}

/** The page always shows the state of the main process, whether or not the action succeeded. */
async function run(action) {
  showError();
  const { error } = await action();
  showError(error);
  const { value, error: unreadable } = await login.state();
  if (value) showState(value);
  else showError(unreadable);
}

element("sign-in").addEventListener("click", () => {
  element("code-line").hidden = element("url-line").hidden = true;
  show("signing-in");
  void run(login.signIn);
});
element("cancel").addEventListener("click", () => void login.cancel());
element("sign-out").addEventListener("click", () => void run(login.signOut));

login.onProgress((progress) => {
  for (const part of ["code", "url"]) {
    if (progress[part] === undefined) continue;
    element(part).textContent = progress[part];
    element(`${part}-line`).hidden = false;
  }
});
login.onState((state) => {
  if (element("signing-in").hidden) showState(state);
});
void run(async () => ({}));
