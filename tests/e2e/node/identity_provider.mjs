// A certified OpenID provider, set up for the tests: `node identity_provider.mjs PORT GATEWAY_URL`. Any name signs in.
import { Provider } from "oidc-provider";

const [port, gateway] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;

const provider = new Provider(issuer, {
  clients: [
    { client_id: "octoroute", client_secret: "the-client-secret", redirect_uris: [`${gateway}/login/callback`], grant_types: ["authorization_code"] },
    { client_id: "public", token_endpoint_auth_method: "none", redirect_uris: [`${gateway}/login/callback`], grant_types: ["authorization_code"] },
    { client_id: "machine", client_secret: "the-secret+of/machine%", redirect_uris: [], response_types: [], grant_types: ["client_credentials"] },
    { client_id: "form", client_secret: "the-secret-of-form", token_endpoint_auth_method: "client_secret_post", redirect_uris: [], response_types: [], grant_types: ["client_credentials"] },
  ],
  pkce: { required: () => true },
  claims: { openid: ["sub"], profile: ["name", "roles"], email: ["email"] },
  conformIdTokenClaims: false,
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, name: `${id} of the tests`, email: `${id}@example.com`, roles: id === "boss" ? ["gw-admins"] : [] }) }),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => "https://octoroute.example.com",
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: "models", audience: "octoroute", accessTokenFormat: "jwt", accessTokenTTL: 60 }),
    },
  },
  cookies: { keys: ["only for tests"] },
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
