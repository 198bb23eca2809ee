import { Auth0Client } from '@auth0/auth0-spa-js';

const make = () =>
  new Auth0Client({
    domain: 'as.example',
    clientId: 'client',
    useRefreshTokens: true,
    cacheLocation: 'localstorage',
    authorizationParams: { redirect_uri: 'https://app.example/callback' },
  });
globalThis.signIn = () => make().loginWithRedirect();
globalThis.signedIn = () => make().handleRedirectCallback();
globalThis.token = () => make().getTokenSilently();
