// Takes the screenshots in js-pkg/examples/extension/screenshots: npm run screenshots
import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { browserWithExtension, redirectUri } from "./chromium.mjs";
import { sandboxFor } from "./servers.mjs";
import { openWindow, signIn } from "./user.mjs";

const directory = fileURLToPath(new URL("../../js-pkg/examples/extension/screenshots/", import.meta.url));
await mkdir(directory, { recursive: true });

const server = await sandboxFor(redirectUri);
// The button should not show the sandbox's name.
const provider = { ...server.provider, display_name: "Atlassian" };

async function withExample(options, work) {
  const browser = await browserWithExtension({ clientId: server.clientId, provider, ...options });
  try {
    const page = await browser.open();
    await page.setViewportSize({ width: 640, height: 480 });
    const shoot = async (name, ...schemes) => {
      for (const colorScheme of schemes) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        await page.mouse.move(0, 0);
        await page.screenshot({ path: `${directory}${name}-${colorScheme}.png`, animations: "disabled", fullPage: true });
      }
    };
    await work(browser, page, shoot);
  } finally {
    await browser.close();
  }
}

await withExample({}, async ({ context }, page, shoot) => {
  await page.waitForSelector('main[data-state="signed-out"]');
  await shoot("signed-out", "light", "dark");

  const window = await openWindow(context, page);
  await shoot("signing-in", "light");
  await window.close();
  await page.waitForSelector("#notice:not([hidden])");
  await page.evaluate(() => document.activeElement.blur());
  await shoot("window-closed", "light");

  await signIn(context, page, server);
  const another = await openWindow(context, page);
  await another.getByText("krystof-support").click();
  await server.approve(another);
  await page.waitForSelector('#badge[data-kind="ok"]');
  await page.evaluate(() => document.activeElement.blur());
  await shoot("signed-in", "light", "dark");

  await context.setOffline(true);
  await page.reload();
  await page.waitForSelector("#notice:not([hidden])");
  await shoot("offline", "dark");
});

const manifest = (all) => ({ ...all, content_security_policy: { extension_pages: "script-src 'self'" } });
await withExample({ manifest }, async (_browser, page, shoot) => {
  await page.click("#sign-in");
  await page.waitForSelector("#notice:not([hidden])");
  await page.evaluate(() => document.activeElement.blur());
  await shoot("wasm-blocked", "light");
});
