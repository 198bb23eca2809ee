// The code that an extension needs to sign in and to keep a live access token.
import { createAuth, extensionPorts, wakeByAlarms } from '../../../../js-pkg/dist/extension.js';

const auth = createAuth({ provider: 'atlassian', clientId: 'client', ports: extensionPorts() });
wakeByAlarms(auth);
globalThis.signIn = () => auth.login();
globalThis.token = () => auth.getAccessToken();
