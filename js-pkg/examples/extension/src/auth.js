// The one login of this extension. Its worker and its pages each have an object for it, and share what is stored.
import { createAuth, extensionPorts } from "twg-auth/extension";

// What build.mjs was told.
export const { clientId, provider, grants } = CONFIGURATION;

export const auth = createAuth({ provider, clientId, ports: extensionPorts() });
