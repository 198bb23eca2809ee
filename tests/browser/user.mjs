// The user in front of the sign-in window: fills in the forms of the servers.

/** Presses a button, and waits for the page that it leads to, or for the window to close. */
async function press(window, name) {
  const gone = window.waitForEvent("close");
  const next = window.waitForEvent("domcontentloaded");
  gone.catch(() => {}); // Only one of them happens.
  next.catch(() => {});
  await window.getByRole("button", { name }).click();
  await Promise.race([gone, next]);
}

async function has(window, name) {
  return !window.isClosed() && (await window.getByRole("button", { name }).count()) > 0;
}

export async function approveAtSandbox(window) {
  // At most as often as there are pages.
  for (let pages = 0; pages < 4 && (await has(window, "Continue")); pages++) await press(window, "Continue");
  await press(window, "Accept");
}

export async function approveAtOidcProvider(window) {
  if (await has(window, "Sign-in")) {
    await window.getByPlaceholder("Enter any login").fill("ada");
    await window.getByPlaceholder("and password").fill("any");
    await press(window, "Sign-in");
  }
  if (await has(window, "Continue")) await press(window, "Continue");
}

/** Signs in with the page's button, even if signed in. If that fails, rejects with the text of the page. */
export async function signIn(context, page, server) {
  const window = await openWindow(context, page);
  await server.approve(window);
  await Promise.race([page.waitForSelector('main[data-state="signed-in"]'), trouble(page)]);
  await failIfTroubled(page);
}

/** The window in which the user signs in. */
export async function openWindow(context, page) {
  const opened = context.waitForEvent("page");
  opened.catch(() => {}); // It does not open if the page fails.
  await page.evaluate(() => document.getElementById("sign-in").click());
  const window = await Promise.race([opened, trouble(page)]);
  await failIfTroubled(page);
  await window.waitForLoadState();
  return window;
}

export const trouble = (page) => page.waitForSelector("#notice:not([hidden])");

async function failIfTroubled(page) {
  const notice = await page.$("#notice:not([hidden])");
  if (notice) throw new Error((await notice.innerText()).trim());
}
