/** A process that takes a lock and holds it until it is killed. */
import { nodePorts } from "twg-auth/node";

const [directory, name] = process.argv.slice(2) as [string, string];
const held = await nodePorts({ directory }).locks.acquire(name, Date.now() + 10_000);
process.stdout.write("busy" in held ? "busy\n" : "held\n");
setInterval(() => {}, 1000);
