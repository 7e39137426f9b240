// Tokens for the page.
import { Buffer } from 'node:buffer';

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

// A token of the demo client.
export async function goodToken({ BASE_URL, CLIENT_ID, CLIENT_SECRET, AUDIENCE, SCOPE }) {
  const credentials = Buffer.from(`${CLIENT_ID}:${CLIENT_SECRET}`).toString('base64');
  const response = await fetch(`${BASE_URL}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${credentials}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', audience: AUDIENCE, scope: SCOPE }),
  });
  return (await response.json()).access_token;
}

// The same with other claims, so that the signature is none of it.
export function withClaims(token, change) {
  const [header, claims, signature] = token.split('.');
  return [header, encode({ ...JSON.parse(Buffer.from(claims, 'base64url')), ...change }), signature].join('.');
}

// What anybody can write.
export const unsigned = (header, claims) => `${encode(header)}.${encode(claims)}.AAAA`;
