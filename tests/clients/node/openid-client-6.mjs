// openid-client 6: discovery, client credentials by Basic, post and private_key_jwt, introspection
// and revocation, over strict https and, by allowInsecureRequests, over http.
import assert from 'node:assert/strict';
import { exportJWK, generateKeyPair } from 'jose';
import * as client from 'openid-client';
import { clientTest } from './shared/client-test.mjs';
import { env, httpsIssuer, httpsRootIssuer, MISSING_SCOPE } from './shared/environment.mjs';
import { createClientWithKeys } from './shared/management.mjs';

const KEY_ID = 'openid-client-6';
const parameters = () => ({ audience: env.AUDIENCE, scope: env.SCOPE });
const post = () => client.ClientSecretPost(env.CLIENT_SECRET);
const basic = () => client.ClientSecretBasic(env.CLIENT_SECRET);

await clientTest(['openid-client'], async (step) => {
  const issuers = [httpsRootIssuer(), httpsIssuer(), env.ROOT_ISSUER, env.ISSUER];
  const servers = await step('discovery', async () => {
    const found = [];
    for (const issuer of issuers) {
      for (const algorithm of ['oidc', 'oauth2']) {
        const configuration = await discover(issuer, env.CLIENT_ID, post(), algorithm);
        const { token_endpoint, introspection_endpoint, revocation_endpoint } = configuration.serverMetadata();
        for (const url of [token_endpoint, introspection_endpoint, revocation_endpoint]) {
          assert.equal(new URL(url).origin, new URL(issuer).origin);
        }
        found.push(configuration);
      }
    }
    return found;
  });
  // First of all, so that a refusal of the secret is this step's.
  await step('token', () => grant(servers[0]));
  await step('plain http', () =>
    assert.rejects(client.discovery(new URL(env.ISSUER), env.CLIENT_ID), /only requests to HTTPS are allowed/),
  );

  for (const server of servers.slice(1)) {
    await step(`client_secret_post at ${server.serverMetadata().issuer}`, () => grant(server));
  }
  for (const issuer of issuers) {
    const server = await discover(issuer, env.CLIENT_ID, basic());
    await step(`client_secret_basic, introspection, revocation at ${issuer}`, () => revokeOne(server));
  }

  await step('wrong secret by client_secret_post', async () => {
    const server = await discover(httpsIssuer(), env.CLIENT_ID, client.ClientSecretPost('csec_wrong'));
    await refused(server, 'invalid_client', 401);
  });
  await step('wrong secret by client_secret_basic', async () => {
    const server = await discover(httpsIssuer(), env.CLIENT_ID, client.ClientSecretBasic('csec_wrong'));
    await assert.rejects(client.clientCredentialsGrant(server, parameters()), (error) => {
      assert.ok(error instanceof client.WWWAuthenticateChallengeError, error);
      assert.deepEqual([error.status, error.cause[0].scheme], [401, 'basic']);
      return true;
    });
  });
  await step('unknown scope', () => refused(servers[0], 'invalid_scope', 400, { scope: MISSING_SCOPE }));
  await privateKeyJwt(step, issuers);
});

async function privateKeyJwt(step, issuers) {
  const registered = await generateKeyPair('RS256');
  const stranger = await generateKeyPair('RS256');
  const keys = [{ ...(await exportJWK(registered.publicKey)), kid: KEY_ID, alg: 'RS256', use: 'sig' }];
  const id = await step('client with keys', () => createClientWithKeys('openid-client 6', keys));
  const signer = ({ privateKey }, kid) => client.PrivateKeyJwt(kid ? { key: privateKey, kid } : privateKey);

  for (const issuer of issuers) {
    await step(`private_key_jwt at ${issuer}`, async () => {
      await revokeOne(await discover(issuer, id, signer(registered, KEY_ID)));
      await grant(await discover(issuer, id, signer(registered)));
    });
  }
  await step('assertion by a key of somebody else', async () => {
    await refused(await discover(httpsIssuer(), id, signer(stranger, KEY_ID)), 'invalid_client', 401);
    await refused(await discover(httpsIssuer(), id, signer(stranger)), 'invalid_client', 401);
  });
  await step('assertion for another audience', async () => {
    const forAnother = client.PrivateKeyJwt(registered.privateKey, {
      [client.modifyAssertion]: (header, claims) => (claims.aud = 'https://other.example'),
    });
    await refused(await discover(httpsIssuer(), id, forAnother), 'invalid_client', 401);
  });
  await step('assertion sent twice', async () => {
    const server = await discover(httpsIssuer(), id, signer(registered));
    let assertion;
    server[client.customFetch] = (url, { body, ...options }) => {
      assertion ??= body.get('client_assertion');
      body.set('client_assertion', assertion);
      return fetch(url, { body, ...options });
    };
    await grant(server);
    await refused(server, 'invalid_client', 401);
  });
  await step("introspection of another client's token", async () => {
    const { access_token: token } = await grant(await discover(httpsIssuer(), env.CLIENT_ID, basic()));
    const server = await discover(httpsIssuer(), id, signer(registered));
    assert.deepEqual(await client.tokenIntrospection(server, token), { active: false });
  });
}

function discover(issuer, id, authentication, algorithm) {
  const execute = issuer.startsWith('https:') ? [] : [client.allowInsecureRequests];
  return client.discovery(new URL(issuer), id, undefined, authentication, { algorithm, execute });
}

async function grant(server) {
  try {
    const token = await client.clientCredentialsGrant(server, parameters());
    assert.equal(token.scope, env.SCOPE);
    assert.ok(token.expiresIn() > 0);
    return token;
  } catch (error) {
    // The message of the library's error has no room for the code.
    throw error.error ? new Error(error.error, { cause: error }) : error;
  }
}

// A token is active for its client until the client gives it back; another one stays active.
async function revokeOne(server) {
  const tokens = [await grant(server), await grant(server)].map(({ access_token: token }) => token);
  for (const token of tokens) {
    const { active, client_id, scope, aud } = await client.tokenIntrospection(server, token);
    assert.deepEqual(
      { active, client_id, scope, aud },
      { active: true, client_id: server.clientMetadata().client_id, scope: env.SCOPE, aud: env.AUDIENCE },
    );
  }
  await client.tokenRevocation(server, tokens[0]);
  assert.deepEqual(await client.tokenIntrospection(server, tokens[0]), { active: false });
  assert.equal((await client.tokenIntrospection(server, tokens[1])).active, true);
}

function refused(server, code, status, changed = {}) {
  return assert.rejects(client.clientCredentialsGrant(server, { ...parameters(), ...changed }), (error) => {
    assert.ok(error instanceof client.ResponseBodyError, error);
    assert.deepEqual([error.error, error.status], [code, status]);
    return true;
  });
}
