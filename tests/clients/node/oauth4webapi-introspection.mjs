// oauth4webapi: introspection responses as JWTs (RFC 9701), and phantom tokens, which it and jose
// validate as the access tokens (RFC 9068) that they are.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as oauth from 'oauth4webapi';
import { clientTest } from './shared/client-test.mjs';
import { env } from './shared/environment.mjs';
import { createOpaqueApi } from './shared/management.mjs';
import { tampered } from './shared/token.mjs';

const SIGNED = 'application/token-introspection+jwt';
const http = { [oauth.allowInsecureRequests]: true };
const demo = { id: env.CLIENT_ID, secret: env.CLIENT_SECRET };

await clientTest(['oauth4webapi', 'jose'], async (step) => {
  const [root, nested] = await step('discovery', () =>
    Promise.all([env.ROOT_ISSUER, env.ISSUER].map((issuer) => discover(new URL(issuer)))),
  );
  const token = await step('token', () => tokenFor(root, env.AUDIENCE));
  // Each introspects for an API of its own.
  const audience = `https://${randomUUID()}.example`;
  const gateway = await step('API with opaque tokens', () => createOpaqueApi(audience, demo.id));
  const stranger = await step('another API', () => createOpaqueApi(`https://${randomUUID()}.example`, demo.id));

  for (const server of [root, nested]) {
    await step(`signed answer of ${server.issuer}`, async () => {
      const { active, client_id, aud, iss, scope } = await introspect(server, demo, token);
      assert.deepEqual(
        { active, client_id, aud, iss, scope },
        { active: true, client_id: demo.id, aud: env.AUDIENCE, iss: env.ROOT_ISSUER, scope: env.SCOPE },
      );
    });
  }
  await step('signed answer about a foreign token', async () =>
    assert.deepEqual(await introspect(root, stranger, token), { active: false }),
  );
  for (const [name, forged] of Object.entries(tampered(token))) {
    await step(`signed answer about ${name}`, async () =>
      assert.deepEqual(await introspect(root, demo, forged), { active: false }),
    );
  }
  await step('signed answer that was altered', async () => {
    const signed = await (await ask(root, demo, token)).text();
    for (const forged of [tampered(signed)['altered signature'], widened(signed)]) {
      const answer = new Response(forged, { headers: { 'content-type': SIGNED } });
      await assert.rejects(processed(root, demo, answer), /JWT signature verification failed/);
    }
  });
  await step('signed answer for somebody else', async () =>
    assert.rejects(processed(root, stranger, await ask(root, demo, token)), /unexpected JWT "aud"/),
  );
  await step('signed answer as an access token', async () => {
    const signed = await (await ask(root, demo, token)).text();
    await assert.rejects(validate(root, signed, env.AUDIENCE), /unexpected JWT "typ"/);
    await assert.rejects(validate(root, signed, demo.id), /unexpected JWT "typ"/);
  });
  await step('signed answer about a revoked token', async () => {
    const client = { client_id: demo.id };
    await oauth.processRevocationResponse(
      await oauth.revocationRequest(root, client, oauth.ClientSecretBasic(demo.secret), token, http),
    );
    assert.deepEqual(await introspect(root, demo, token), { active: false });
  });

  const opaque = await step('opaque token', () => tokenFor(root, audience));
  assert.match(opaque, /^cst_[^.]+$/);
  await step('phantom token', async () => {
    const answer = await askForPhantom(root, gateway, opaque);
    assert.deepEqual([answer.status, answer.headers.get('content-type')], [200, 'application/jwt']);
    const phantom = await answer.text();
    const keys = createRemoteJWKSet(new URL(root.jwks_uri));
    const { payload } = await jwtVerify(phantom, keys, { issuer: root.issuer, audience, typ: 'at+jwt' });
    const { active, token_type, ...said } = await introspect(root, gateway, opaque);
    assert.deepEqual([active, token_type, said], [true, 'Bearer', payload]);
    assert.equal((await validate(root, phantom, audience)).jti, payload.jti);
  });
  await step('no phantom token', async () => {
    for (const [caller, text] of [[gateway, 'nonsense'], [gateway, `${opaque}A`], [demo, opaque], [stranger, opaque]]) {
      const answer = await askForPhantom(root, caller, text);
      assert.deepEqual([answer.status, await answer.text()], [204, '']);
    }
  });
});

async function discover(issuer) {
  return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, http));
}

async function tokenFor(server, audience) {
  const client = { client_id: demo.id };
  const parameters = { audience, scope: env.SCOPE };
  const authentication = oauth.ClientSecretBasic(demo.secret);
  const response = await oauth.clientCredentialsGrantRequest(server, client, authentication, parameters, http);
  const body = await response.clone().text();
  try {
    return (await oauth.processClientCredentialsResponse(server, client, response)).access_token;
  } catch (error) {
    // A challenge in the headers hides the error code of the body.
    throw new Error(body, { cause: error });
  }
}

async function ask(server, { id, secret }, token) {
  const options = { ...http, requestJwtResponse: true };
  const authentication = oauth.ClientSecretBasic(secret);
  const response = await oauth.introspectionRequest(server, { client_id: id }, authentication, token, options);
  assert.equal(response.headers.get('content-type'), SIGNED);
  assert.equal(response.headers.get('cache-control'), 'no-store');
  return response;
}

// What a signed answer says, once its claims and its signature are checked.
async function processed(server, { id }, response) {
  const said = await oauth.processIntrospectionResponse(server, { client_id: id }, response);
  await oauth.validateApplicationLevelSignature(server, response, http);
  return said;
}

async function introspect(server, caller, token) {
  return processed(server, caller, await ask(server, caller, token));
}

// The same answer with more to it.
function widened(signed) {
  const [header, payload, signature] = signed.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url'));
  claims.token_introspection.scope += ' admin:users';
  return [header, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.');
}

// As a gateway does: the library asks for no such thing.
function askForPhantom(server, { id, secret }, token) {
  return fetch(server.introspection_endpoint, {
    method: 'POST',
    redirect: 'error',
    headers: {
      accept: 'application/jwt',
      authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
    },
    body: new URLSearchParams({ token }),
    signal: AbortSignal.timeout(10_000),
  });
}

function validate(server, token, audience) {
  const request = new Request('https://api.example.com/users', { headers: { authorization: `Bearer ${token}` } });
  return oauth.validateJwtAccessToken(server, request, audience, http);
}
