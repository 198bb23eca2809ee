import { PublicClientApplication } from '@azure/msal-browser';

const make = () =>
  PublicClientApplication.createPublicClientApplication({
    auth: { clientId: 'client', authority: 'https://login.example/common', redirectUri: 'https://app.example/callback' },
    cache: { cacheLocation: 'localStorage' },
  });
globalThis.signIn = async () => (await make()).loginRedirect({ scopes: ['openid', 'offline_access'] });
globalThis.signedIn = async () => (await make()).handleRedirectPromise();
globalThis.token = async () => (await (await make()).acquireTokenSilent({ scopes: ['openid'] })).accessToken;
