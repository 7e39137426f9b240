// jose: verification with a remote JWK set.
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { bearerMiddleware } from './shared/bearer-middleware.mjs';
import { clientTest } from './shared/client-test.mjs';
import { env, rootJwksUrl } from './shared/environment.mjs';
import { checkProtectedApi, rootMount } from './shared/protected-api.mjs';
import { requestRootToken } from './shared/token.mjs';

await clientTest(['jose'], async (step) => {
  const { access_token: token } = await step('token', requestRootToken);
  const keys = createRemoteJWKSet(new URL(rootJwksUrl()));

  const protect = ({ audience, scope }) => [
    bearerMiddleware({
      verify: async (bearer) => (await jwtVerify(bearer, keys, { issuer: env.ROOT_ISSUER, audience })).payload,
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
      tampered: [401, /ERR_JWS_SIGNATURE_VERIFICATION_FAILED/],
      audience: [401, /ERR_JWT_CLAIM_VALIDATION_FAILED.*"aud"/],
      scope: [403, /insufficient scope/],
    },
  });
});
