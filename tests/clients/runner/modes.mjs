// The three environments that every script runs in, and how it must end in each.
// A verdict is `OK <libraries>` or `FAIL <libraries>: <step>: <reason>`.
import { wrongSecret } from './wrong-secret.mjs';

export const MODES = [
  {
    name: 'good environment',
    change: (environment) => environment,
    exitCode: 0,
    verdict: /^OK /m,
  },
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

function otherLoopbackName(url) {
  const changed = url.replace('//localhost:', '//127.0.0.1:');
  if (changed === url) throw new Error(`expected a URL on localhost, not ${url}`);
  return changed;
}
