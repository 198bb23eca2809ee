import { Auth0Client } from "@auth0/auth0-spa-js";

const client = new Auth0Client({ domain: "auth.example", clientId: "client", useRefreshTokens: true, authorizationParams: { redirect_uri: "https://app.example/callback" } });
export const signIn = () => client.loginWithRedirect();
export const callback = () => client.handleRedirectCallback();
export const token = () => client.getTokenSilently();
