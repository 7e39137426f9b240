// @okta/jwt-verifier 4: https only. Signature, expiry, audience and issuer by itself, cid and scp
// by assertClaims.
import assert from 'node:assert/strict';
import OktaJwtVerifier from '@okta/jwt-verifier';
import { clientTest } from './shared/client-test.mjs';
import { env, httpsIssuer, MISSING_SCOPE } from './shared/environment.mjs';
import { requestIssuerToken, tampered } from './shared/token.mjs';

await clientTest(['@okta/jwt-verifier'], async (step) => {
  const demoClient = { clientId: env.CLIENT_ID, clientSecret: env.CLIENT_SECRET, scope: env.SCOPE };
  const { access_token: token } = await step('token', () =>
    requestIssuerToken({ issuer: httpsIssuer(), ...demoClient }),
  );
  const verifierFor = (scope, clientId = env.CLIENT_ID) =>
    new OktaJwtVerifier({
      issuer: httpsIssuer(),
      assertClaims: { cid: clientId, 'scp.includes': [scope] },
    });
  const verifier = verifierFor(env.SCOPE);
  const refuses = (name, verify, explanation) => step(name, () => assert.rejects(verify, explanation));

  await step('valid token', async () => {
    const { claims } = await verifier.verifyAccessToken(token, env.OKTA_AUDIENCE);
    assert.equal(claims.iss, httpsIssuer());
    assert.equal(claims.sub, env.CLIENT_ID);
    assert.equal(claims.cid, env.CLIENT_ID);
    assert.deepEqual(claims.scp, [env.SCOPE]);
    assert.equal(claims.ver, 1);
  });
  for (const [name, forged] of Object.entries(tampered(token))) {
    await refuses(name, () => verifier.verifyAccessToken(forged, env.OKTA_AUDIENCE), /Signature verification failed/);
  }
  await refuses('wrong audience', () => verifier.verifyAccessToken(token, env.AUDIENCE), /does not match expected audience/);
  await refuses(
    'missing scope',
    () => verifierFor(MISSING_SCOPE).verifyAccessToken(token, env.OKTA_AUDIENCE),
    /claim 'scp' .* does not include expected value/,
  );
  await refuses(
    'another client',
    () => verifierFor(env.SCOPE, env.MGMT_CLIENT_ID).verifyAccessToken(token, env.OKTA_AUDIENCE),
    /claim 'cid' .* does not match expected value/,
  );
  await step('token of the plain issuer', async () => {
    const { access_token: plain } = await requestIssuerToken(demoClient);
    await assert.rejects(verifier.verifyAccessToken(plain, env.OKTA_AUDIENCE), /does not match expected issuer/);
  });
  await step('plain http', () =>
    assert.throws(() => new OktaJwtVerifier({ issuer: env.ISSUER }), /Your Okta URL must start with https/),
  );
});
