/** A separate process: gets many tokens of the connection in DIRECTORY at once, and prints them as JSON. */
import { createAuth } from "twg-auth";
import { nodePorts } from "twg-auth/node";

const { directory, provider, clientId, count } = JSON.parse(process.argv[2]!);
const auth = createAuth({ provider, clientId, ports: nodePorts({ directory }) });
process.stdout.write("ready\n");
process.stdin.once("data", async () => {
  const tokens = await Promise.all(Array.from({ length: count }, () => auth.getAccessToken()));
  process.stdout.write(`${JSON.stringify([...new Set(tokens)])}\n`);
  process.stdin.destroy();
});
