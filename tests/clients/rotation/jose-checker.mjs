// A resource server for key rotation tests: verifies the tokens that arrive on stdin, one per
// line, with one remote JWK set for the life of the process, and answers each with a JSON line:
// {"n":1,"ok":true,"kid":"..."} or {"n":2,"ok":false,"code":"..."}. Ends with stdin.
//
//   node jose-checker.mjs --jwks-uri URL --issuer ISSUER --audience AUDIENCE
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const { values: options } = parseArgs({
  options: { 'jwks-uri': { type: 'string' }, issuer: { type: 'string' }, audience: { type: 'string' } },
});
for (const name of ['jwks-uri', 'issuer', 'audience']) {
  if (!options[name]) {
    console.error(`missing --${name}`);
    process.exit(2);
  }
}

const keys = createRemoteJWKSet(new URL(options['jwks-uri']));

let n = 0;
for await (const token of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  n += 1;
  const line = JSON.stringify({ n, ...(await check(token)) });
  if (!process.stdout.write(`${line}\n`)) await once(process.stdout, 'drain');
}

async function check(token) {
  try {
    const { issuer, audience } = options;
    const { protectedHeader } = await jwtVerify(token, keys, { issuer, audience });
    return { ok: true, kid: protectedHeader.kid };
  } catch (error) {
    return { ok: false, code: error.code ?? error.cause?.code ?? error.name };
  }
}
