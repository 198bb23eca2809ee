import { UserManager, WebStorageStateStore } from 'oidc-client-ts';

const manager = new UserManager({
  authority: 'https://as.example',
  client_id: 'client',
  redirect_uri: 'https://app.example/callback',
  scope: 'openid offline_access',
  userStore: new WebStorageStateStore({ store: globalThis.localStorage ?? globalThis.store }),
});
globalThis.signIn = () => manager.signinRedirect();
globalThis.signedIn = () => manager.signinRedirectCallback();
globalThis.token = async () => (await manager.signinSilent())?.access_token;
