import { UserManager } from "oidc-client-ts";

const manager = new UserManager({ authority: "https://auth.example", client_id: "client", redirect_uri: "https://app.example/callback", scope: "openid offline_access" });
export const signIn = () => manager.signinRedirect();
export const callback = () => manager.signinRedirectCallback();
export const refresh = () => manager.signinSilent();
export const token = async () => (await manager.getUser())?.access_token;
