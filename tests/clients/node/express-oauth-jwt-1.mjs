// express-oauth-jwt 1: `claims` is its only way to check iss and aud; every token error is a 403.
import http from 'node:http';
import expressOauthJwt from 'express-oauth-jwt-1';
import { clientTest } from './shared/client-test.mjs';
import { env, rootJwksUrl } from './shared/environment.mjs';
import { checkProtectedApi, rootMount } from './shared/protected-api.mjs';
import { requestRootToken } from './shared/token.mjs';

const { InMemoryCache, jwksService, secure } = expressOauthJwt;

await clientTest(['express-oauth-jwt-1'], async (step) => {
  const { access_token: token } = await step('token', requestRootToken);
  // The third argument replaces its https client: the server under test speaks http.
  const keys = jwksService(new InMemoryCache(), rootJwksUrl(), http);

  const protect = ({ audience, scope }) => [
    secure(keys, {
      realm: 'api',
      scope: [scope],
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
