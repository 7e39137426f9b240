// A resource server for key rotation tests: verifies the tokens that arrive on stdin, one per
// line, with one remote JWK set for the life of the process, and answers each with a JSON line:
// {"n":1,"ok":true,"kid":"..."} or {"n":2,"ok":false,"code":"..."}. Ends with stdin.
//
// `@advance SECONDS` moves its clock. --cache-max-age and --cooldown are milliseconds.
//
//   node jose-checker.mjs --jwks-uri URL --issuer ISSUER --audience AUDIENCE [--cache-max-age N] [--cooldown N]
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const { values: options } = parseArgs({
  options: {
    'jwks-uri': { type: 'string' },
    issuer: { type: 'string' },
    audience: { type: 'string' },
    'cache-max-age': { type: 'string' },
    cooldown: { type: 'string' },
  },
});
for (const name of ['jwks-uri', 'issuer', 'audience']) {
  if (!options[name]) {
    console.error(`missing --${name}`);
    process.exit(2);
  }
}

// jose reads the time of tokens and of its cache from Date.
let ahead = 0;
const MachineDate = Date;
globalThis.Date = class extends MachineDate {
  constructor(...given) {
    super(...(given.length > 0 ? given : [MachineDate.now() + ahead]));
  }

  static now() {
    return MachineDate.now() + ahead;
  }
};

const cache = {};
if (options['cache-max-age']) cache.cacheMaxAge = Number(options['cache-max-age']);
if (options.cooldown) cache.cooldownDuration = Number(options.cooldown);
const keys = createRemoteJWKSet(new URL(options['jwks-uri']), cache);

let n = 0;
for await (const token of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const line = JSON.stringify(await answer(token));
  if (!process.stdout.write(`${line}\n`)) await once(process.stdout, 'drain');
}

async function answer(line) {
  if (line.startsWith('@advance ')) {
    const advanced = Number(line.slice('@advance '.length));
    ahead += advanced * 1000;
    return { advanced };
  }
  n += 1;
  return { n, ...(await check(line)) };
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
