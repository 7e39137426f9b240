// express-oauth-jwt 2: keys from jose; `claims` is its only way to check iss and aud; every
// token error is a 403.
import expressOauthJwt from 'express-oauth-jwt-2';
import { createRemoteJWKSet } from 'jose';
import { clientTest } from './shared/client-test.mjs';
import { env, rootJwksUrl } from './shared/environment.mjs';
import { checkProtectedApi, rootMount } from './shared/protected-api.mjs';
import { requestRootToken } from './shared/token.mjs';

const { secure } = expressOauthJwt;

await clientTest(['express-oauth-jwt-2', 'jose'], async (step) => {
  const { access_token: token } = await step('token', requestRootToken);
  const keys = createRemoteJWKSet(new URL(rootJwksUrl()));

  const protect = ({ audience, scope }) => [
    secure(keys, {
      realm: 'api',
      scope: [scope],
      // It stops after the first claim that is an array, so aud, which may be one, stands last.
      claims: [
        { name: 'iss', value: env.ROOT_ISSUER },
        { name: 'aud', value: audience },
      ],
    }),
  ];

  await checkProtectedApi(step, {
    ...rootMount(),
    protect,
    token,
    refusals: {
      none: [401, /Bearer realm="api"/],
      tampered: [403, /signature verification failed/],
      audience: [403, /missing some required claims/],
      scope: [403, /insufficient_scope/],
    },
  });
});
