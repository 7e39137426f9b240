// The variables that `countersign dev` writes into its env file. Nothing has a default.
export const env = new Proxy(process.env, {
  get(variables, name) {
    const value = variables[name];
    if (!value) throw new Error(`environment variable ${String(name)} is not set`);
    return value;
  },
});

// Endpoints of the root mount, whose issuer is ROOT_ISSUER.
export const rootTokenUrl = () => `${env.BASE_URL}/oauth/token`;
export const rootJwksUrl = () => `${env.BASE_URL}/.well-known/jwks.json`;

// The same mounts over https have issuers of their own.
export const httpsRootIssuer = () => `${env.HTTPS_URL}/`;
export const httpsIssuer = () => `${env.HTTPS_URL}/oauth2/${env.OKTA_AS}`;

// A scope that no client of the test has.
export const MISSING_SCOPE = 'admin:users';
