// Okta's tutorial for securing a Node API with client credentials: a client that is given
// ISSUER, its id and secret and DEFAULT_SCOPE, and an Express API that is given ISSUER.
import assert from 'node:assert/strict';
import OktaJwtVerifier from 'okta-jwt-verifier-0';
import { bearerMiddleware } from './shared/bearer-middleware.mjs';
import { clientTest } from './shared/client-test.mjs';
import { env } from './shared/environment.mjs';
import { checkProtectedApi } from './shared/protected-api.mjs';
import { requestIssuerToken } from './shared/token.mjs';

await clientTest(['okta-jwt-verifier-0', 'express'], async (step) => {
  const { access_token: token } = await step('token', () =>
    requestIssuerToken({
      clientId: env.TEST_CLIENT_ID,
      clientSecret: env.TEST_CLIENT_SECRET,
      scope: env.DEFAULT_SCOPE,
    }),
  );
  await step('configuration', () => {
    assert.equal(new URL(env.ISSUER).pathname, `/oauth2/${env.OKTA_AS}`);
    assert.equal(env.OKTA_AUDIENCE, 'api://default');
    assert.equal(env.DEFAULT_SCOPE, env.SCOPE);
  });

  const protect = ({ audience, scope }) => {
    const verifier = new OktaJwtVerifier({
      issuer: env.ISSUER,
      assertClaims: { iss: env.ISSUER, aud: audience },
    });
    return [
      bearerMiddleware({
        verify: async (bearer) => (await verifier.verifyAccessToken(bearer)).claims,
        scopes: (claims) => claims.scp,
        scope,
      }),
    ];
  };

  await checkProtectedApi(step, {
    audience: env.OKTA_AUDIENCE,
    otherAudience: env.AUDIENCE,
    claims: {
      iss: env.ISSUER,
      aud: env.OKTA_AUDIENCE,
      cid: env.TEST_CLIENT_ID,
      scp: [env.DEFAULT_SCOPE],
      ver: 1,
    },
    protect,
    token,
    refusals: {
      none: [401, /no bearer token/],
      tampered: [401, /Signature verification failed/],
      audience: [401, /claim 'aud' value/],
      scope: [403, /insufficient scope/],
    },
  });
});
