// Unkey's library: keys from creation to deletion, verification, identities, permissions and
// roles, APIs, and the errors that it makes classes of.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Unkey } from '@unkey/api';
import { clientTest } from './shared/client-test.mjs';
import { env } from './shared/environment.mjs';
import { wrongSecret } from '../runner/wrong-secret.mjs';

await clientTest(['@unkey/api'], async (step) => {
  // Nothing is tried twice: what fails once is a failure.
  const connect = (rootKey) =>
    new Unkey({ rootKey, serverURL: env.BASE_URL, retryConfig: { strategy: 'none' } });
  const unkey = connect(env.UNKEY_ROOT_KEY);
  const run = Date.now().toString(36);

  const { apiId } = await step('root key', async () => {
    const made = await unkey.apis.createApi({ name: `orders-${run}` });
    assert.match(made.meta.requestId, /^[\w-]{16}$/);
    return made.data;
  });
  await step('api', async () => {
    assert.deepEqual((await unkey.apis.getApi({ apiId })).data, { id: apiId, name: `orders-${run}` });
  });

  const created = await step('create', async () => {
    const { data } = await unkey.keys.createKey({
      apiId,
      prefix: 'acme',
      name: 'production',
      meta: { plan: 'pro' },
      permissions: ['orders.read', 'invoices.*'],
      expires: Date.now() + 3_600_000,
    });
    assert.match(data.key, /^acme_[0-9A-Za-z]{61}$/);
    assert.match(data.keyId, /^key_/);
    return data;
  });
  const verify = async (key, question = {}) => (await unkey.keys.verifyKey({ key, ...question })).data;

  await step('verify', async () => {
    const verdict = await verify(created.key, { permissions: 'orders.read AND (invoices.write OR admin)' });
    assert.equal(verdict.code, 'VALID');
    assert.equal(verdict.valid, true);
    assert.equal(verdict.keyId, created.keyId);
    assert.equal(verdict.name, 'production');
    assert.equal(verdict.enabled, true);
    assert.deepEqual(verdict.meta, { plan: 'pro' });
    assert.deepEqual(verdict.permissions, ['orders.read', 'invoices.*']);
    const refused = await verify(created.key, { permissions: 'orders.write' });
    assert.deepEqual([refused.valid, refused.code], [false, 'INSUFFICIENT_PERMISSIONS']);
    for (const wrong of ['acme_nope', wrongSecret(created.key), `${created.key}x`]) {
      assert.deepEqual(await verify(wrong), { valid: false, code: 'NOT_FOUND' });
    }
  });

  await step('read', async () => {
    const { data } = await unkey.keys.getKey({ keyId: created.keyId });
    assert.equal(data.start, created.key.slice(0, 'acme_'.length + 4));
    assert.deepEqual([data.keyId, data.name, data.enabled], [created.keyId, 'production', true]);
    assert.deepEqual((await unkey.keys.whoami({ key: created.key })).data.keyId, created.keyId);
  });

  await step('update', async () => {
    const { keyId, key } = created;
    await unkey.keys.updateKey({ keyId, enabled: false });
    assert.equal((await verify(key)).code, 'DISABLED');
    await unkey.keys.updateKey({ keyId, enabled: true, name: null, meta: { plan: 'free' }, expires: null });
    const verdict = await verify(key);
    assert.deepEqual([verdict.code, verdict.name, verdict.expires], ['VALID', undefined, undefined]);
    assert.deepEqual(verdict.meta, { plan: 'free' });
    assert.deepEqual(verdict.permissions, ['orders.read', 'invoices.*'], 'what is not named stays');
  });

  await step('identities', async () => {
    const externalId = `user_${run}`;
    const { identityId } = (await unkey.identities.createIdentity({ externalId, meta: { tier: 1 } })).data;
    await assert.rejects(unkey.identities.createIdentity({ externalId }), { name: 'ConflictErrorResponse' });
    const { data: byName } = await unkey.identities.getIdentity({ identity: externalId });
    assert.deepEqual([byName.id, byName.externalId, byName.meta], [identityId, externalId, { tier: 1 }]);
    const own = (await unkey.keys.createKey({ apiId, externalId })).data;
    assert.equal((await verify(own.key)).identity.id, identityId);
    const { data: updated } = await unkey.identities.updateIdentity({ identity: identityId, meta: { tier: 2 } });
    assert.deepEqual(updated.meta, { tier: 2 });
    assert.deepEqual((await verify(own.key)).identity.meta, { tier: 2 });

    // A key finds another owner, or none.
    await unkey.keys.updateKey({ keyId: created.keyId, externalId: `other_${run}` });
    assert.equal((await verify(created.key)).identity.externalId, `other_${run}`);
    await unkey.keys.updateKey({ keyId: created.keyId, externalId: null });
    assert.equal((await verify(created.key)).identity, undefined);

    const listed = await all(await unkey.identities.listIdentities({ limit: 1 }));
    assert.ok(listed.some((identity) => identity.externalId === externalId));
    const ofIdentity = await all(await unkey.apis.listKeys({ apiId, externalId }));
    assert.deepEqual(ofIdentity.map((key) => key.keyId), [own.keyId]);

    await unkey.identities.deleteIdentity({ identity: externalId });
    await assert.rejects(unkey.identities.getIdentity({ identity: externalId }), { name: 'NotFoundErrorResponse' });
    const verdict = await verify(own.key);
    assert.deepEqual([verdict.code, verdict.identity], ['VALID', undefined], 'its keys stay');
    await unkey.identities.createIdentity({ externalId });
    assert.equal((await verify(own.key)).identity, undefined, 'and are not those of another');
  });

  await step('permissions', async () => {
    const { keyId, key } = created;
    const slug = `reports.${run}`;
    const made = await unkey.permissions.createPermission({ name: `Reports ${run}`, slug, description: 'Read reports' });
    assert.equal(made.data.permissionId, slug);
    await assert.rejects(unkey.permissions.createPermission({ name: 'again', slug }), { name: 'ConflictErrorResponse' });
    const added = (await unkey.keys.addPermissions({ keyId, permissions: [slug] })).data;
    assert.deepEqual(added.map((permission) => permission.slug), ['orders.read', 'invoices.*', slug]);
    assert.equal(added[2].name, `Reports ${run}`);
    assert.equal((await verify(key, { permissions: slug })).code, 'VALID');
    assert.deepEqual((await unkey.keys.removePermissions({ keyId, permissions: [slug] })).data.length, 2);
    assert.equal((await verify(key, { permissions: slug })).code, 'INSUFFICIENT_PERMISSIONS');

    const role = `auditor.${run}`;
    await unkey.permissions.createRole({ name: role, description: 'Reads reports', permissions: [slug] });
    const { data: shown } = await unkey.permissions.getRole({ role });
    assert.deepEqual(shown.permissions.map((permission) => permission.id), [slug]);
    assert.deepEqual((await unkey.keys.addRoles({ keyId, roles: [role] })).data.map(({ name }) => name), [role]);
    const verdict = await verify(key, { permissions: slug });
    assert.deepEqual([verdict.code, verdict.roles], ['VALID', [role]]);
    await unkey.permissions.setRolePermissions({ roleId: role, permissions: ['reports.other'] });
    assert.equal((await verify(key, { permissions: slug })).code, 'INSUFFICIENT_PERMISSIONS');
    assert.deepEqual((await unkey.keys.removeRoles({ keyId, roles: [role] })).data, []);
    assert.deepEqual((await unkey.keys.setRoles({ keyId, roles: [] })).data, []);
    assert.deepEqual((await unkey.keys.setPermissions({ keyId, permissions: ['orders.read'] })).data.length, 1);

    const permissions = await all(await unkey.permissions.listPermissions({ limit: 1 }));
    assert.ok(permissions.some((permission) => permission.slug === slug));
    assert.ok((await all(await unkey.permissions.listRoles({ limit: 1 }))).some(({ name }) => name === role));
    await unkey.permissions.deleteRole({ role });
    await unkey.permissions.deletePermission({ permission: slug });
    await assert.rejects(unkey.permissions.getPermission({ permission: slug }), { name: 'NotFoundErrorResponse' });
  });

  await step('credits', async () => {
    const credits = { remaining: 2, refill: { interval: 'monthly', amount: 100, refillDay: 15 } };
    const { keyId, key } = (await unkey.keys.createKey({ apiId, credits })).data;
    assert.equal((await verify(key)).credits, 1);
    assert.equal((await verify(key, { credits: { cost: 0 } })).credits, 1, 'a cost of 0 looks');
    assert.equal((await verify(key)).credits, 0);
    const spent = await verify(key);
    assert.deepEqual([spent.valid, spent.code, spent.credits], [false, 'USAGE_EXCEEDED', 0]);
    const change = async (operation, value) => (await unkey.keys.updateCredits({ keyId, operation, value })).data;
    assert.deepEqual(await change('increment', 10), { remaining: 10, refill: credits.refill });
    // Both texts of a key spend the same credits.
    const next = (await unkey.keys.rerollKey({ keyId, expiration: 60_000 })).data.key;
    assert.equal((await verify(key)).credits, 9);
    assert.equal((await verify(next, { credits: { cost: 4 } })).credits, 5);
    assert.equal((await change('decrement', 9)).remaining, 0);
    assert.deepEqual(await change('set', null), { remaining: null });
    assert.equal((await verify(next)).credits, undefined, 'unlimited');
    await unkey.keys.updateKey({ keyId, credits: { remaining: 7 } });
    assert.deepEqual((await unkey.keys.getKey({ keyId })).data.credits, { remaining: 7 });
    await unkey.keys.updateKey({ keyId, credits: null });
    assert.equal((await unkey.keys.getKey({ keyId })).data.credits, undefined);
    await unkey.keys.deleteKey({ keyId, permanent: true });
  });

  await step('rate limits of keys', async () => {
    const externalId = `limited_${run}`;
    const shared = { name: 'shared', limit: 3, duration: 60_000, autoApply: true };
    const { identityId } = (await unkey.identities.createIdentity({ externalId, ratelimits: [shared] })).data;
    const ratelimits = [{ name: 'reads', limit: 2, duration: 60_000, autoApply: false }];
    const limited = (await unkey.keys.createKey({ apiId, externalId, ratelimits })).data;
    const sister = (await unkey.keys.createKey({ apiId, externalId })).data;
    const asked = { ratelimits: [{ name: 'reads' }] };
    const first = await verify(limited.key, asked);
    assert.equal(first.code, 'VALID');
    const reads = first.ratelimits.find(({ name }) => name === 'reads');
    assert.deepEqual([reads.limit, reads.duration, reads.remaining, reads.exceeded, reads.autoApply], [2, 60_000, 1, false, false]);
    assert.ok(reads.reset > Date.now() && reads.reset <= Date.now() + 61_000);
    assert.equal((await verify(limited.key, asked)).valid, true);
    const refused = await verify(limited.key, asked);
    assert.deepEqual([refused.valid, refused.code], [false, 'RATE_LIMITED']);
    // The identity's is shared, and what was refused took nothing of it.
    const last = await verify(sister.key);
    assert.deepEqual([last.code, last.ratelimits[0].remaining, last.identity.id], ['VALID', 0, identityId]);
    assert.equal((await verify(limited.key)).code, 'RATE_LIMITED');
    await unkey.identities.updateIdentity({ identity: externalId, ratelimits: [] });
    assert.equal((await verify(limited.key)).code, 'VALID');
    await assert.rejects(verify(limited.key, { ratelimits: [{ name: 'unknown' }] }), { name: 'BadRequestErrorResponse' });
    assert.equal((await verify(sister.key, { ratelimits: [{ name: 'x', limit: 1, duration: 1_000 }] })).code, 'VALID');
    await unkey.keys.updateKey({ keyId: limited.keyId, ratelimits: [] });
    assert.equal((await unkey.keys.getKey({ keyId: limited.keyId })).data.ratelimits, undefined);
    for (const { keyId } of [limited, sister]) await unkey.keys.deleteKey({ keyId });
  });

  await step('rate limits', async () => {
    const ask = async (identifier, more) =>
      (await unkey.ratelimit.limit({ namespace: `mail_${run}`, identifier, limit: 3, duration: 60_000, ...more })).data;
    assert.deepEqual([(await ask('a')).remaining, (await ask('a', { cost: 2 })).remaining], [2, 0]);
    const refused = await ask('a');
    assert.deepEqual([refused.success, refused.limit, refused.remaining], [false, 3, 0]);
    assert.ok(refused.reset > Date.now());
    assert.equal((await ask('b')).success, true);
    const check = (identifier) => ({ namespace: `mail_${run}`, identifier, limit: 3, duration: 60_000 });
    const several = (await unkey.ratelimit.multiLimit([check('a'), check('b')])).data;
    assert.equal(several.passed, false);
    assert.deepEqual(several.limits.map(({ passed }) => passed), [false, true]);
    assert.equal((await ask('b')).remaining, 1, 'what one refused, no other counted');
  });

  await step('reroll', async () => {
    const kept = (await unkey.keys.rerollKey({ keyId: created.keyId, expiration: 60_000 })).data;
    assert.equal(kept.keyId, created.keyId, 'the key is the same');
    assert.notEqual(kept.key, created.key);
    for (const key of [created.key, kept.key]) assert.equal((await verify(key)).keyId, created.keyId);
    const last = (await unkey.keys.rerollKey({ keyId: created.keyId, expiration: 0 })).data;
    for (const key of [created.key, kept.key]) assert.equal((await verify(key)).code, 'NOT_FOUND');
    assert.equal((await verify(last.key)).code, 'VALID');
    created.key = last.key;
  });

  await step('migrate', async () => {
    const old = `old_live_${run}`;
    const hash = createHash('sha256').update(old).digest('base64');
    const { apiId: api } = (await unkey.apis.createApi({ name: `old-${run}` })).data;
    const migrate = () => unkey.keys.migrateKeys({ migrationId: 'sha256', apiId: api, keys: [{ hash, name: 'old' }] });
    const { migrated, failed } = (await migrate()).data;
    assert.deepEqual([migrated.length, migrated[0].hash, failed], [1, hash, []]);
    const verdict = await verify(old, { migrationId: 'sha256' });
    assert.deepEqual([verdict.code, verdict.keyId, verdict.name], ['VALID', migrated[0].keyId, 'old']);
    assert.deepEqual((await migrate()).data, { migrated: [], failed: [hash] });
    await unkey.apis.deleteApi({ apiId: api });
    assert.equal((await verify(old)).code, 'NOT_FOUND');
  });

  await step('list', async () => {
    const keys = await all(await unkey.apis.listKeys({ apiId, limit: 1 }));
    assert.equal(keys.length, 2);
    assert.equal(new Set(keys.map(({ keyId }) => keyId)).size, 2);
  });

  await step('delete', async () => {
    const { keyId, key } = created;
    await unkey.keys.deleteKey({ keyId });
    assert.deepEqual(await verify(key), { valid: false, code: 'NOT_FOUND' });
    const gone = await unkey.keys.getKey({ keyId }).catch((error) => error);
    assert.equal(gone.name, 'NotFoundErrorResponse');
    assert.deepEqual([gone.error.status, gone.error.title], [404, 'Not Found']);
    await unkey.apis.deleteApi({ apiId });
    await assert.rejects(unkey.apis.getApi({ apiId }), { name: 'NotFoundErrorResponse' });
  });

  await step('errors', async () => {
    const invalid = await unkey.keys.verifyKey({ key: 'x', permissions: 'a AND' }).catch((error) => error);
    assert.equal(invalid.name, 'BadRequestErrorResponse');
    assert.equal(invalid.error.errors[0].location, 'body.permissions');
    await assert.rejects(connect(wrongSecret(env.UNKEY_ROOT_KEY)).keys.verifyKey({ key: 'x' }), {
      name: 'UnauthorizedErrorResponse',
    });
    // A key of an API is no root key.
    const { apiId: other } = (await unkey.apis.createApi({ name: `other-${run}` })).data;
    const { key } = (await unkey.keys.createKey({ apiId: other, permissions: ['keys:verify'] })).data;
    await assert.rejects(connect(key).keys.verifyKey({ key }), { name: 'UnauthorizedErrorResponse' });
    await unkey.apis.deleteApi({ apiId: other });
  });
});

async function all(pages) {
  const items = [];
  for await (const page of pages) items.push(...(page.result ?? page).data);
  return items;
}
