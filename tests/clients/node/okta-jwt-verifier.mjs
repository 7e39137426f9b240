// @okta/jwt-verifier 0.0.12: signature and expiry by itself, iss, aud and cid by assertClaims;
// the scope is the caller's business.
import assert from 'node:assert/strict';
import OktaJwtVerifier from 'okta-jwt-verifier-0';
import { clientTest } from './shared/client-test.mjs';
import { env, MISSING_SCOPE } from './shared/environment.mjs';
import { requestIssuerToken, tampered } from './shared/token.mjs';

await clientTest(['okta-jwt-verifier-0'], async (step) => {
  const { access_token: token } = await step('token', () =>
    requestIssuerToken({ clientId: env.CLIENT_ID, clientSecret: env.CLIENT_SECRET, scope: env.SCOPE }),
  );
  const verifierFor = (audience) =>
    new OktaJwtVerifier({
      issuer: env.ISSUER,
      clientId: env.CLIENT_ID,
      assertClaims: { iss: env.ISSUER, aud: audience, cid: env.CLIENT_ID },
    });
  const verifier = verifierFor(env.OKTA_AUDIENCE);
  const verify = async (accessToken, scope) => {
    const { claims } = await verifier.verifyAccessToken(accessToken);
    if (!claims.scp.includes(scope)) throw new Error(`scope ${scope} is missing`);
    return claims;
  };

  await step('valid token', async () => {
    const claims = await verify(token, env.SCOPE);
    assert.equal(claims.iss, env.ISSUER);
    assert.equal(claims.cid, env.CLIENT_ID);
    assert.deepEqual(claims.scp, [env.SCOPE]);
    assert.equal(claims.ver, 1);
  });
  for (const [name, forged] of Object.entries(tampered(token))) {
    await step(name, () => assert.rejects(verify(forged, env.SCOPE), /Signature verification failed/));
  }
  await step('wrong audience', () =>
    assert.rejects(verifierFor(env.AUDIENCE).verifyAccessToken(token), /^Error: claim 'aud' value/),
  );
  await step('missing scope', () => assert.rejects(verify(token, MISSING_SCOPE), /scope admin:users is missing/));
});
