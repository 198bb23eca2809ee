// The one connection of this extension. Its worker and each of its pages have an object for it, and share what is stored.
import { createAuth, extensionPorts } from "twg-auth/extension";

// The options of build.mjs.
export const { clientId, provider, grants } = CONFIGURATION;

export const auth = createAuth({ provider, clientId, ports: extensionPorts() });
