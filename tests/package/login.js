// What a user of the package writes, in Node and in a page: signs in with the device grant at the server of world.mjs,
// and reads the account. `approve` plays the user.
import { createAuth } from "twg-auth";

export async function login(origin, ports) {
  const { provider, clientId } = await (await fetch(`${origin}/-/world`)).json();
  const auth = createAuth({ provider, clientId, ports });
  const login = auth.login({ grants: ["device_code"], open: false });
  for await (const progress of login) {
    if (progress.type !== "userCode") continue;
    const query = new URLSearchParams({ uri: progress.verificationUriComplete, code: progress.userCode });
    const approved = await fetch(`${origin}/-/approve?${query}`, { method: "POST" });
    if (!approved.ok) throw new Error(await approved.text());
  }
  const { grant, account } = await login;
  const me = await auth.fetch(`${origin}/me`);
  return { grant, account: account?.name, status: me.status, state: (await auth.status()).state };
}
