// The token endpoint and introspection of oidc-provider, as its documentation sets them up.
// Prints its port, then serves until it is killed.
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

const [clientId, clientSecret] = ['demo-client', process.env.CLIENT_SECRET];
const jwk = (type, options, alg) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), use: 'sig', alg, kid: alg,
});

const formats = {
  'http://rs256.test': { accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } },
  'http://es256.test': { accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } },
  'http://opaque.test': { accessTokenFormat: 'opaque' },
};

const provider = new Provider('http://localhost', {
  clients: [{
    client_id: clientId, client_secret: clientSecret, grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
    token_endpoint_auth_method: 'client_secret_post', scope: 'list:users',
  }],
  jwks: { keys: [jwk('rsa', { modulusLength: 2048 }, 'RS256'), jwk('ec', { namedCurve: 'P-256' }, 'ES256')] },
  scopes: ['list:users'],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource) => ({ scope: 'list:users', accessTokenTTL: 600, ...formats[resource] }),
    },
  },
  ttl: { ClientCredentials: 600 },
});

const server = provider.listen(0, '127.0.0.1', () => console.log(server.address().port));
