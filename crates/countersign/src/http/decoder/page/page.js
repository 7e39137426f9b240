// Decodes a token in the page, and asks the server that served it for the verdict.
// Texts are set by textContent alone: what a token holds is never read as HTML.

const MEANINGS = {
  alg: 'How it is signed. A verifier takes the algorithm from the key, never from here.',
  kid: 'The name of the key that signed it, in the key set of the issuer.',
  typ: 'What kind of token it is; at+jwt is an access token (RFC 9068).',
  cty: 'What the payload is.',
  crit: 'Extensions that must be understood. Countersign understands none.',
  jku: 'A URL of keys. Never followed: whoever made the token chose it.',
  jwk: 'A key. Never used: whoever made the token chose it.',
  x5u: 'A URL of certificates. Never followed.',
  x5c: 'Certificates. Never used.',
  x5t: 'The thumbprint of a certificate.',
  enc: 'How the content is encrypted.',
  iss: 'Who issued it. Compared byte for byte; a slash at the end matters.',
  sub: 'Whom it is about; with client credentials, the client.',
  aud: 'For which API it is. Compared byte for byte.',
  exp: 'When it expires.',
  nbf: 'From when on it is valid.',
  iat: 'When it was issued.',
  jti: 'Its id.',
  client_id: 'The client that obtained it.',
  azp: 'The client that it was issued to (OpenID Connect).',
  cid: 'The client that obtained it (Okta).',
  uid: 'The user (Okta).',
  scope: 'What it allows, as words.',
  scp: 'What it allows, as a list (Okta).',
  permissions: 'What it allows, as a list (Auth0).',
  roles: 'Roles of whom it is about.',
  groups: 'Groups of whom it is about.',
  entitlements: 'Entitlements of whom it is about.',
  cred: 'The credential that obtained it, or the API key (Countersign).',
  secret_id: 'The secret of the API key that obtained it (Countersign).',
  cnf: 'The key that whoever uses it has to prove possession of.',
  act: 'Who acts for whom it is about (RFC 8693).',
  gty: 'The grant that it was obtained with (Auth0).',
  ver: 'The version of its form (Okta).',
  nonce: 'Ties an ID token to a login. An access token has none.',
  at_hash: 'The hash of an access token: this is an ID token.',
  auth_time: 'When the user logged in.',
  acr: 'How the user was authenticated, as a class.',
  amr: 'How the user was authenticated, as methods.',
  sid: 'The session of the user.',
  email: 'An address of the user.',
  name: 'The name of the user.',
};
const TIMES = new Set(['exp', 'nbf', 'iat', 'auth_time', 'updated_at']);
const MARKS = { ok: ['✓', 'good', 'passed'], failed: ['✕', 'bad', 'failed'], not_judged: ['–', 'none', 'not judged'] };
const VERDICTS = {
  accepted: ['good', 'Accepted', 'Every check passed.'],
  refused: ['bad', 'Refused', ''],
  not_judged: ['open', 'Not judged', ''],
  incomplete: ['open', 'Nothing wrong so far', 'Name the API to judge the rest.'],
};
const UNITS = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]];

const at = (id) => document.getElementById(id);
const [token, api, need, check, clear] = ['token', 'api', 'need', 'check', 'clear'].map(at);
const local = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });
// What the server said, of exactly which text.
let judged = { text: '', signature: '' };
let asked = 0;

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// The token inside what people paste: a whole header, quotes, line breaks.
function tokenInside(text) {
  const bare = text.replace(/^\s*authorization:/i, '').replace(/^(\s*bearer\s+)+/i, '').replace(/\s/g, '');
  return bare.replace(/^["'`]+|["'`]+$/g, '');
}

function decodePart(part) {
  if (!/^[A-Za-z0-9_-]+$/.test(part ?? '')) return undefined;
  try {
    const bytes = Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
    const value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function spoken(seconds) {
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? UNITS.at(-1);
  return relative.format(Math.trunc(seconds / size), unit);
}

function when(seconds) {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return undefined;
  return `${local.format(date)} · ${spoken(seconds - Date.now() / 1000)}`;
}

function row(name, value) {
  const made = element('div');
  made.append(element('dt', '', name));
  const content = element('dd');
  content.append(element('div', 'value', typeof value === 'string' ? value : JSON.stringify(value, undefined, 1)));
  const time = TIMES.has(name) && typeof value === 'number' ? when(value) : undefined;
  if (time) {
    const shown = element('div', 'when', time);
    shown.dataset.seconds = String(value);
    content.append(shown);
  }
  const meaning = Object.hasOwn(MEANINGS, name) ? MEANINGS[name] : undefined;
  if (meaning) content.append(element('div', 'means', meaning));
  made.append(content);
  return made;
}

function show(part, list, members) {
  at(part).hidden = members === undefined;
  at(list).replaceChildren(...Object.entries(members ?? {}).map(([name, value]) => row(name, value)));
}

function decode() {
  const text = tokenInside(token.value);
  const parts = text.split('.');
  const header = decodePart(parts[0]);
  const claims = parts.length === 3 ? decodePart(parts[1]) : undefined;
  show('header-part', 'header', header);
  show('claims-part', 'claims', claims);
  const empty = at('said-empty');
  empty.hidden = header !== undefined || claims !== undefined;
  empty.textContent = text === '' ? 'Header and claims appear here.' : 'Nothing can be read in this text: it is not a JWT. The server can say what it is.';
  check.disabled = clear.disabled = token.value === '';
  mark();
}

// Nothing that a token says is true until somebody has checked the signature.
function mark() {
  const line = at('standing');
  const claims = at('claims-part');
  const signature = judged.text !== '' && judged.text === token.value ? judged.signature : '';
  const [style, words] = {
    ok: ['good', 'Verified: the issuer signed these claims.'],
    failed: ['bad', 'The signature failed. Anyone may have written these claims: believe none of them.'],
  }[signature] ?? ['open', 'Not verified. Anyone can write such claims; nobody has checked the signature yet.'];
  line.hidden = claims.hidden && at('header-part').hidden;
  line.className = `standing ${style}`;
  line.textContent = words;
  claims.classList.toggle('doubtful', signature === '' || signature === 'not_judged');
  claims.classList.toggle('refuted', signature === 'failed');
}

function forget() {
  asked += 1;
  judged = { text: '', signature: '' };
  at('verdict').replaceChildren(element('p', 'empty', 'Nothing was asked yet.'));
  at('checks').hidden = true;
  at('checks').replaceChildren();
}

function tell(style, title, text, page) {
  const made = element('div', `result ${style}`);
  made.append(element('strong', '', title));
  if (text) made.append(element('span', '', text));
  if (page) {
    const link = element('a', '', 'What this code means');
    link.href = page;
    made.append(link);
  }
  at('verdict').replaceChildren(made);
}

function line({ check: name, result, code, detail }, hints) {
  const [sign, style, words] = MARKS[result];
  const made = element('li');
  const shown = element('span', `mark ${style}`, sign);
  shown.setAttribute('role', 'img');
  shown.setAttribute('aria-label', words);
  made.append(shown, element('span', 'name', name));
  made.append(element('span', `detail ${style}-detail`, code ? `${detail} (${code})` : detail));
  for (const { text, fix } of hints.filter(({ about }) => about === name)) {
    const hint = element('div', 'hint', text);
    hint.append(element('div', 'fix', `Fix: ${fix}`));
    made.append(hint);
  }
  return made;
}

function answer(report, text) {
  const [style, title, words] = VERDICTS[report.verdict];
  const code = report.code ? ` · ${report.code}` : '';
  tell(style, `${title}${code}`, report.meaning ?? words, report.page);
  const list = at('checks');
  list.replaceChildren(...report.checks.map((entry) => line(entry, report.hints)));
  list.hidden = false;
  judged = { text, signature: report.checks.find(({ check: name }) => name === 'signature').result };
  mark();
}

async function ask() {
  if (token.value === '') return;
  forget();
  mark();
  const text = token.value;
  const turn = asked;
  tell('open', 'Asking …', '');
  const question = { token: text, needs: need.value.split(/\s+/).filter(Boolean) };
  if (api.value.trim() !== '') question.api = api.value.trim();
  try {
    const response = await fetch('/decoder/explain', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(question),
      credentials: 'omit',
      cache: 'no-store',
      referrerPolicy: 'no-referrer',
      redirect: 'error',
    });
    const body = await response.json();
    if (turn !== asked) return;
    if (response.ok) answer(body, text);
    else tell('open', 'The server did not judge it', `${body.detail ?? body.title} (${body.code})`);
  } catch {
    if (turn === asked) tell('open', 'No answer', 'The server could not be reached.');
  }
}

token.addEventListener('input', () => {
  forget();
  decode();
});
for (const field of [api, need]) {
  // What was judged by something else is no verdict any more.
  field.addEventListener('input', () => {
    forget();
    mark();
  });
  field.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') ask();
  });
}
token.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) ask();
});
check.addEventListener('click', ask);
clear.addEventListener('click', () => {
  token.value = '';
  forget();
  decode();
  token.focus();
});
setInterval(() => {
  for (const shown of document.querySelectorAll('.when')) shown.textContent = when(Number(shown.dataset.seconds));
}, 5000);
// A browser may put the text back that stood here before.
decode();
