import { PublicClientApplication } from "@azure/msal-browser";

const client = new PublicClientApplication({ auth: { clientId: "client", authority: "https://auth.example/common", redirectUri: "https://app.example/callback" } });
export const signIn = () => client.initialize().then(() => client.loginRedirect({ scopes: ["openid"] }));
export const callback = () => client.handleRedirectPromise();
export const token = () => client.acquireTokenSilent({ scopes: ["openid"] });
