// An identity provider on this machine: prints its address, and lets anybody be whoever they say.
import { createServer } from "node:http";
import Provider from "oidc-provider";

const ROLES = { "officer@example.com": ["staff", "admin"], "visitor@example.com": ["staff"] };

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: "bellwire",
      client_secret: "a secret between the two",
      redirect_uris: ["http://127.0.0.1/console/sign-in/callback"],
      grant_types: ["authorization_code"],
      response_types: ["code"],
    }],
    claims: { openid: ["sub"], email: ["email"], profile: ["roles"] },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: id, roles: ROLES[id] }) }),
  });
  // The server under test listens at a port that is not known before.
  provider.Client.prototype.redirectUriAllowed = (uri) => /^http:\/\/127\.0\.0\.1:\d+\/console\/sign-in\/callback$/.test(uri);
  server.on("request", provider.callback());
  console.log(issuer);
});
