// The environments that a script runs in, and how it must end in each.
// A verdict is `OK <libraries>` or `FAIL <libraries>: <step>: <reason>`.
import { wrongSecret } from './wrong-secret.mjs';

const GOOD = {
  name: 'good environment',
  change: (environment) => environment,
  exitCode: 0,
  verdict: /^OK /m,
};

// For scripts that ask for tokens.
const TOKEN_MODES = [
  GOOD,
  {
    name: 'wrong secret',
    change: (environment) => ({
      ...environment,
      CLIENT_SECRET: wrongSecret(environment.CLIENT_SECRET),
      TEST_CLIENT_SECRET: wrongSecret(environment.TEST_CLIENT_SECRET),
    }),
    exitCode: 1,
    verdict: /^FAIL [^:]+: token: .*invalid_client/m,
  },
  {
    // The same server under another name: every request is answered, only the issuer differs.
    name: 'wrong issuer',
    change: (environment) => ({
      ...environment,
      ROOT_ISSUER: otherLoopbackName(environment.ROOT_ISSUER),
      ISSUER: otherLoopbackName(environment.ISSUER),
      HTTPS_URL: otherLoopbackName(environment.HTTPS_URL),
    }),
    exitCode: 1,
    verdict: /^FAIL [^:]+: (discovery|valid token): .*\b(iss|issuer|required claims)\b/m,
  },
];

// For scripts that have a root key and nothing else.
const ROOT_KEY_MODES = [
  GOOD,
  {
    name: 'wrong root key',
    change: (environment) => ({ ...environment, UNKEY_ROOT_KEY: wrongSecret(environment.UNKEY_ROOT_KEY) }),
    exitCode: 1,
    verdict: /^FAIL [^:]+: root key: .*unknown, disabled, expired or revoked/m,
  },
];

export const modesOf = (script) => (script.startsWith('node/unkey') ? ROOT_KEY_MODES : TOKEN_MODES);

function otherLoopbackName(url) {
  const changed = url.replace('//localhost:', '//127.0.0.1:');
  if (changed === url) throw new Error(`expected a URL on localhost, not ${url}`);
  return changed;
}
