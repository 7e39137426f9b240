import assert from 'node:assert/strict';
import { env, rootTokenUrl } from './environment.mjs';

// The demo client asks for a token for AUDIENCE on the root mount, its secret in the form.
export function requestRootToken() {
  return requestToken(rootTokenUrl(), {
    form: {
      client_id: env.CLIENT_ID,
      client_secret: env.CLIENT_SECRET,
      audience: env.AUDIENCE,
      scope: env.SCOPE,
    },
  });
}

// A client asks for a token at an issuer of the mount of ISSUER by HTTP Basic. No audience: the
// mount's own is OKTA_AUDIENCE.
export function requestIssuerToken({ issuer = env.ISSUER, clientId, clientSecret, scope }) {
  const credentials = Buffer.from(`${clientId}:${clientSecret}`).toString('base64');
  return requestToken(`${issuer}/v1/token`, {
    headers: { authorization: `Basic ${credentials}` },
    form: { scope },
  });
}

// The operator asks for a token for the management API.
export function requestOperatorToken(scope) {
  return requestToken(rootTokenUrl(), {
    form: {
      client_id: env.MGMT_CLIENT_ID,
      client_secret: env.MGMT_CLIENT_SECRET,
      audience: env.MANAGEMENT_URL,
      scope,
    },
  });
}

async function requestToken(url, { headers = {}, form }) {
  const response = await fetch(url, {
    method: 'POST',
    redirect: 'error',
    headers,
    body: new URLSearchParams({ grant_type: 'client_credentials', ...form }),
    signal: AbortSignal.timeout(10_000),
  });
  const body = await response.json();
  assert.equal(response.status, 200, `${url} answered ${response.status} ${JSON.stringify(body)}`);
  assert.equal(body.token_type, 'Bearer');
  assert.equal(body.scope, form.scope);
  assert.ok(Number.isInteger(body.expires_in) && body.expires_in > 0, 'expires_in is a number');
  return body;
}

// What an attacker without the signing key can make of a token.
export function tampered(token) {
  const [header, payload, signature] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url'));
  const prolonged = JSON.stringify({ ...claims, exp: claims.exp + 86_400 });
  const firstCharacter = signature.startsWith('A') ? 'B' : 'A';
  return {
    'altered signature': [header, payload, firstCharacter + signature.slice(1)].join('.'),
    'altered claims': [header, Buffer.from(prolonged).toString('base64url'), signature].join('.'),
  };
}
