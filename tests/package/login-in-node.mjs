// Imported by Node itself, and by the bundles that include the module's file.
import { nodePorts } from "twg-auth/node";
import { login } from "./login.js";

const [origin, directory] = process.argv.slice(2);
console.log(JSON.stringify(await login(origin, nodePorts({ directory }))));
