// What a test makes through the management API.
import assert from 'node:assert/strict';
import { env } from './environment.mjs';
import { requestOperatorToken } from './token.mjs';

// A client with these public keys that may have SCOPE of the API at AUDIENCE. Returns its id.
export async function createClientWithKeys(name, keys) {
  const { access_token: token } = await requestOperatorToken('clients:write grants:write resource_servers:read');
  const manage = (method, path, status, body) => call(token, method, path, status, body);

  const { items } = await manage('GET', '/resource-servers', 200);
  const api = items.find(({ audience }) => audience === env.AUDIENCE);
  const client = await manage('POST', '/clients', 201, {
    name,
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_method_enforced: true,
    jwks: { keys },
  });
  assert.equal(client.client_secret, undefined, 'a client with keys has no secret');
  const grant = { resource_server_id: api.id, scope: env.SCOPE };
  await manage('POST', `/clients/${client.client_id}/grants`, 201, grant);
  return client.client_id;
}

// An API whose tokens are opaque, with SCOPE granted to a client. Returns who may introspect for it.
export async function createOpaqueApi(audience, clientId) {
  const rights = 'clients:write grants:write resource_servers:write';
  const { access_token: token } = await requestOperatorToken(rights);
  const create = (path, body) => call(token, 'POST', path, 201, body);

  const scopes = [{ scope: env.SCOPE }];
  const api = await create('/resource-servers', { audience, name: audience, token_format: 'opaque', scopes });
  await create(`/clients/${clientId}/grants`, { resource_server_id: api.id, scope: env.SCOPE });
  const client = await create(`/resource-servers/${api.id}/introspection-clients`);
  return { id: client.client_id, secret: client.client_secret };
}

async function call(token, method, path, status, body) {
  const response = await fetch(env.MANAGEMENT_URL + path, {
    method,
    redirect: 'error',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(10_000),
  });
  const text = await response.text();
  assert.equal(response.status, status, `${method} ${path} answered ${response.status} ${text}`);
  return JSON.parse(text);
}
