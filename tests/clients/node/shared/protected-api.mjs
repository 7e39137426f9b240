// An Express API protected by a library's middleware, and the requests every such API must
// accept or refuse.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import express from 'express';
import { env, MISSING_SCOPE } from './environment.mjs';
import { tampered } from './token.mjs';

// What an API that trusts ROOT_ISSUER expects of the demo client's token for AUDIENCE.
export const rootMount = () => ({
  audience: env.AUDIENCE,
  otherAudience: env.OKTA_AUDIENCE,
  claims: {
    iss: env.ROOT_ISSUER,
    aud: env.AUDIENCE,
    client_id: env.CLIENT_ID,
    sub: env.CLIENT_ID,
    scope: env.SCOPE,
  },
});

// `protect({ audience, scope })` returns the middlewares under test; they leave the claims in
// `request.claims`, or in `request.auth` as express-jwt does. `refusals` gives, for `none`,
// `tampered`, `audience` and `scope`, the status and a pattern for the library's explanation.
export async function checkProtectedApi(step, expectations) {
  const { audience, otherAudience, claims, protect, token, refusals } = expectations;
  const scope = env.SCOPE;
  const api = await startApi({
    '/users': protect({ audience, scope }),
    '/other-api': protect({ audience: otherAudience, scope }),
    '/admin': protect({ audience, scope: MISSING_SCOPE }),
  });

  await step('valid token', async () => {
    const answer = await api.get('/users', token);
    assert.equal(answer.status, 200, describe(answer));
    const seen = JSON.parse(answer.text);
    for (const [name, value] of Object.entries(claims)) assert.deepEqual(seen[name], value);
  });
  const refuses = (name, path, sent, [status, explanation]) =>
    step(name, async () => {
      const answer = await api.get(path, sent);
      assert.equal(answer.status, status, describe(answer));
      assert.match(describe(answer), explanation);
    });
  await refuses('no token', '/users', undefined, refusals.none);
  for (const [name, forged] of Object.entries(tampered(token))) {
    await refuses(name, '/users', forged, refusals.tampered);
  }
  await refuses('wrong audience', '/other-api', token, refusals.audience);
  await refuses('missing scope', '/admin', token, refusals.scope);
}

const describe = ({ status, challenge, text }) => `answered ${status} ${challenge} ${text}`;

async function startApi(routes) {
  const app = express();
  for (const [path, middlewares] of Object.entries(routes)) {
    app.get(path, ...middlewares, (request, response) => response.json(request.claims ?? request.auth));
  }
  app.use((error, request, response, next) => {
    response.status(error.status ?? error.statusCode ?? 500).send(error.message);
  });
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${server.address().port}`;

  return {
    async get(path, token) {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const response = await fetch(origin + path, { headers, signal: AbortSignal.timeout(10_000) });
      return {
        status: response.status,
        challenge: response.headers.get('www-authenticate') ?? '',
        text: await response.text(),
      };
    },
  };
}
