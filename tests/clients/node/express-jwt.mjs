// express-jwt with jwks-rsa for the keys and express-jwt-authz for the scopes: Auth0's Express stack.
import { expressjwt } from 'express-jwt';
import requireScopes from 'express-jwt-authz';
import { expressJwtSecret } from 'jwks-rsa';
import { clientTest } from './shared/client-test.mjs';
import { env, rootJwksUrl } from './shared/environment.mjs';
import { checkProtectedApi, rootMount } from './shared/protected-api.mjs';
import { requestRootToken } from './shared/token.mjs';

await clientTest(['express-jwt', 'jwks-rsa', 'express-jwt-authz'], async (step) => {
  const { access_token: token } = await step('token', requestRootToken);
  const secret = expressJwtSecret({
    jwksUri: rootJwksUrl(),
    cache: true,
    rateLimit: true,
    jwksRequestsPerMinute: 5,
  });

  const protect = ({ audience, scope }) => [
    expressjwt({ secret, audience, issuer: env.ROOT_ISSUER, algorithms: ['RS256'] }),
    requireScopes([scope], { customUserKey: 'auth', failWithError: true }),
  ];

  await checkProtectedApi(step, {
    ...rootMount(),
    protect,
    token,
    refusals: {
      none: [401, /No authorization token was found/],
      tampered: [401, /invalid signature/],
      audience: [401, /jwt audience invalid/],
      scope: [403, /Insufficient scope/],
    },
  });
});
