// oauth4webapi: discovery, client credentials, and RFC 9068 validation as a resource server.
import assert from 'node:assert/strict';
import * as oauth from 'oauth4webapi';
import { clientTest } from './shared/client-test.mjs';
import { env, MISSING_SCOPE } from './shared/environment.mjs';
import { tampered } from './shared/token.mjs';

const http = { [oauth.allowInsecureRequests]: true };

await clientTest(['oauth4webapi'], async (step) => {
  const client = { client_id: env.CLIENT_ID };
  const [root, okta] = await step('discovery', async () => {
    const documents = [await discover(env.ROOT_ISSUER, 'oidc'), await discover(env.ISSUER, 'oidc')];
    const rfc8414 = await discover(env.ROOT_ISSUER, 'oauth2');
    assert.equal(rfc8414.token_endpoint, documents[0].token_endpoint);
    assert.equal(rfc8414.jwks_uri, documents[0].jwks_uri);
    return documents;
  });

  const tokenFrom = async (server, authentication, audience) => {
    const parameters = { audience, scope: env.SCOPE };
    const response = await oauth.clientCredentialsGrantRequest(server, client, authentication, parameters, http);
    const body = await response.clone().text();
    try {
      return (await oauth.processClientCredentialsResponse(server, client, response)).access_token;
    } catch (error) {
      // A challenge in the headers hides the error code of the body.
      throw new Error(body, { cause: error });
    }
  };
  const basic = oauth.ClientSecretBasic(env.CLIENT_SECRET);
  const token = await step('token', () => tokenFrom(root, basic, env.AUDIENCE));
  await step('token by client_secret_post', () =>
    tokenFrom(root, oauth.ClientSecretPost(env.CLIENT_SECRET), env.AUDIENCE),
  );

  await step('valid token', async () => {
    const claims = await validate(root, token, env.AUDIENCE, env.SCOPE);
    assert.equal(claims.client_id, env.CLIENT_ID);
    assert.equal(claims.sub, env.CLIENT_ID);
    assert.equal(claims.scope, env.SCOPE);
  });
  for (const [name, forged] of Object.entries(tampered(token))) {
    await step(name, () =>
      assert.rejects(validate(root, forged, env.AUDIENCE, env.SCOPE), /JWT signature verification failed/),
    );
  }
  await step('wrong audience', () =>
    assert.rejects(validate(root, token, env.OKTA_AUDIENCE, env.SCOPE), /unexpected JWT "aud"/),
  );
  await step('missing scope', () =>
    assert.rejects(validate(root, token, env.AUDIENCE, MISSING_SCOPE), /scope admin:users is missing/),
  );
  await step('token of the other mount', async () => {
    const foreign = await tokenFrom(okta, basic, env.OKTA_AUDIENCE);
    await validate(okta, foreign, env.OKTA_AUDIENCE, env.SCOPE);
    await assert.rejects(validate(root, foreign, env.OKTA_AUDIENCE, env.SCOPE), /unexpected JWT "iss"/);
  });
});

async function discover(issuer, algorithm) {
  const url = new URL(issuer);
  return oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm, ...http }));
}

async function validate(server, token, audience, scope) {
  const request = new Request('https://api.example.com/users', { headers: { authorization: `Bearer ${token}` } });
  const claims = await oauth.validateJwtAccessToken(server, request, audience, http);
  if (!claims.scope.split(' ').includes(scope)) throw new Error(`scope ${scope} is missing`);
  return claims;
}
