// jwks-rsa: the key source of jsonwebtoken, as its documentation combines them.
import assert from 'node:assert/strict';
import jwt from 'jsonwebtoken';
import { JwksClient, SigningKeyNotFoundError } from 'jwks-rsa';
import { bearerMiddleware } from './shared/bearer-middleware.mjs';
import { clientTest } from './shared/client-test.mjs';
import { env, rootJwksUrl } from './shared/environment.mjs';
import { checkProtectedApi, rootMount } from './shared/protected-api.mjs';
import { requestRootToken } from './shared/token.mjs';

const kidOf = (token) => jwt.decode(token, { complete: true }).header.kid;

await clientTest(['jwks-rsa', 'jsonwebtoken'], async (step) => {
  const { access_token: token } = await step('token', requestRootToken);
  const client = new JwksClient({ jwksUri: rootJwksUrl() });

  await step('keys', async () => {
    const key = await client.getSigningKey(kidOf(token));
    assert.match(key.getPublicKey(), /^-----BEGIN PUBLIC KEY-----/);
    const listed = await client.getSigningKeys();
    assert.ok(listed.some(({ kid }) => kid === kidOf(token)), 'the set lists the key of the token');
    await assert.rejects(client.getSigningKey('no-such-kid'), SigningKeyNotFoundError);
  });

  const verify = async (bearer, audience) => {
    const key = await client.getSigningKey(kidOf(bearer));
    return jwt.verify(bearer, key.getPublicKey(), { algorithms: ['RS256'], issuer: env.ROOT_ISSUER, audience });
  };
  const protect = ({ audience, scope }) => [
    bearerMiddleware({
      verify: (bearer) => verify(bearer, audience),
      scopes: (claims) => claims.scope.split(' '),
      scope,
    }),
  ];

  await checkProtectedApi(step, {
    ...rootMount(),
    protect,
    token,
    refusals: {
      none: [401, /no bearer token/],
      tampered: [401, /invalid signature/],
      audience: [401, /jwt audience invalid/],
      scope: [403, /insufficient scope/],
    },
  });
});
