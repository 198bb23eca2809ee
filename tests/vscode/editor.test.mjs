// The sample extension for VS Code: in code-server, in Chromium, against the sandbox, with the built twg.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { chromium } from "playwright-core";
import { sandbox, twg } from "../../js-pkg/tests/dist/servers.js";
import { codeServer } from "./code_server.mjs";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** How long a slow machine may take for what the editor does at once. */
const PATIENCE = 60_000;

let browser;
const directories = [];
const children = [];
before(async () => {
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
});
after(async () => {
  await browser?.close();
  await Promise.all(children.map(stop));
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return undefined;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill();
  return ended;
}

/** A separate editor with a new user; `path` is where it finds programs. */
async function editor(path, env = {}) {
  const home = mkdtempSync(join(tmpdir(), "twg-vscode-"));
  directories.push(home);
  const server = await codeServer(home, { PATH: path, ...env }, (child) => children.push(child));
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1 });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const console = [];
  page.on("console", (message) => console.push(message.text()));
  await page.goto(server.url);
  await page.locator(".monaco-workbench").waitFor();
  return {
    home,
    context,
    page,
    account: page.locator("[id='twg-examples.twg-atlassian.twg.account']"),
    dialog: page.locator(".monaco-dialog-box"),
    notification: (text) => page.locator(".notification-toast").filter({ hasText: text }),
    /** Everything that the editor printed or stored. */
    traces: () => [server.output(), ...console, ...textsIn(join(home, "data"))].join("\n"),
    async command(title) {
      await page.keyboard.press("F1");
      const input = page.locator(".quick-input-widget input");
      await input.fill(`>${title}`);
      await page.locator(".quick-input-list .monaco-list-row").filter({ hasText: title }).first().click();
    },
  };
}

/** The user, in the browser tab that the editor opened. */
async function approve(page, code) {
  await page.locator(`input[value="${code}"]`).waitFor();
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByRole("heading", { name: "Select a site" }).waitFor();
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByRole("button", { name: "Accept" }).click();
}

function textsIn(directory) {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map((file) => readFileSync(join(file.parentPath, file.name), "latin1"));
}

describe("the sample extension in code-server", () => {
  let server;
  before(async () => (server = await sandbox()));

  test("signs in, shows the account, serves other extensions, and signs out in the Accounts menu", async () => {
    const path = [dirname(twg), process.env.PATH].join(delimiter);
    const { page, context, account, dialog, notification, command, traces } = await editor(path, { TWG_CONFIG_DIR: server.configDirectory, API: server.url });
    const signedOut = account.filter({ hasText: "Sign in to Atlassian" });
    await signedOut.waitFor();

    // Cancelled: nothing is stored, and no failure is shown.
    await command("twg: Sign in to Atlassian");
    await dialog.getByText("Cancel").click();
    await notification("Signing in to Atlassian").waitFor({ state: "detached" });
    assert.equal(await page.locator(".notification-toast").count(), 0);
    assert.ok(!existsSync(join(server.configDirectory, "auth.conf")));

    await command("twg: Sign in to Atlassian");
    await dialog.filter({ hasText: "Only continue if you started this sign-in yourself" }).waitFor();
    const code = /[A-Z]{4}-[A-Z]{4}/.exec(await dialog.innerText())[0];
    const opened = context.waitForEvent("page");
    await dialog.getByText("Open Browser").click();
    const consent = await opened;
    await notification(`until the code ${code} is approved`).waitFor();
    await approve(consent, code);
    await notification("Signed in to Atlassian as Mia Krystof.").waitFor();
    await account.filter({ hasText: "Mia Krystof" }).waitFor();
    await consent.close();

    await command("twg: Show who is signed in");
    await page.locator(".quick-input-widget").filter({ hasText: "Mia Krystof (mia@example.com)" }).filter({ hasText: "krystof-design" }).waitFor();
    if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT });
    await page.keyboard.press("Escape");

    await command("Ask the provider who I am");
    await dialog.filter({ hasText: "consumer" }).getByText("Allow", { exact: true }).click();
    await notification("The API says 200 to Mia Krystof, and Mia Krystof").waitFor();

    const { access_token, refresh_token } = JSON.parse(readFileSync(join(server.configDirectory, "auth.conf"), "utf8")).tokens;
    const everything = `${traces()}${await page.content()}${await page.evaluate(() => JSON.stringify(localStorage))}`;
    assert.ok(everything.includes("twg-atlassian"), "the check finds text");
    for (const token of [access_token, refresh_token]) assert.ok(!everything.includes(token), "a token is printed or stored");

    await page.getByRole("button", { name: "Accounts" }).click();
    // With the keyboard: a new menu ignores the mouse for a moment.
    await page.getByRole("menuitem", { name: "Mia Krystof (Atlassian)" }).press("ArrowRight");
    await page.locator(".action-item.focused", { hasText: "Manage Trusted Extensions" }).press("ArrowDown");
    await page.locator(".action-item.focused", { hasText: "Sign Out" }).press("Enter");
    await dialog.getByText("Sign Out", { exact: true }).click();
    await notification("Signed out of Atlassian, here and in the twg command line.").waitFor();
    await signedOut.waitFor();
    assert.deepEqual((await server.grants()).map(({ ended }) => ended), ["revoked"]);
  });

  test("without twg, it says what to do", async () => {
    const { page, account, notification, command } = await editor("/nonexistent", { TWG_CONFIG_DIR: server.configDirectory });
    await account.filter({ hasText: "twg not found" }).waitFor();
    await command("twg: Sign in to Atlassian");
    const failure = notification("Could not sign in to Atlassian. The program 'twg' cannot be started. Install twg, or set the path to it. Then try again.");
    await failure.getByText("Set Path to twg").click();
    await page.locator(".settings-editor .setting-item-contents", { hasText: "Path" }).getByRole("textbox").fill(twg);
    await account.filter({ hasText: "Sign in to Atlassian" }).waitFor();
  });
});
