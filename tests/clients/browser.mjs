// Runs the pages of the server in a real browser, against the real countersign binary. See README.md
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { TESTS } from './browser/decoder.mjs';
import { Stranger } from './browser/stranger.mjs';
import { Server } from './runner/server.mjs';

const USAGE = 'usage: node browser.mjs --countersign PATH [--chromium PATH] [--screenshots FOLDER]';
const TIMEOUT_MILLISECONDS = 20_000;

const { binary, executablePath, screenshots } = readArguments();
const server = new Server();
const stranger = new Stranger();
let browser;
let passed = 0;
let failed = 0;
let problem;
try {
  const environment = await server.start(binary);
  await stranger.start();
  browser = await chromium.launch({ executablePath });
  for (const [name, test] of Object.entries(TESTS)) {
    report('decoder', name, await run(test, { environment, stranger, screenshots }));
  }
} catch (error) {
  report('browser', 'starts', String(error.stack));
} finally {
  await browser?.close();
  await stranger.stop();
  problem = await server.stop();
}
report('countersign', 'stops on SIGTERM', problem);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

// Each test has a browser of its own: no state of another, and every request it sends is seen.
async function run(test, setting) {
  const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'Europe/Berlin', viewport: { width: 1280, height: 900 } });
  context.setDefaultTimeout(TIMEOUT_MILLISECONDS);
  const page = await context.newPage();
  const requests = [];
  const errors = [];
  context.on('request', (request) => requests.push(request));
  page.on('pageerror', (error) => errors.push(error.message));
  try {
    await test({ ...setting, page, context, requests });
    if (errors.length > 0) throw new Error(`the page threw: ${errors.join('; ')}`);
    return undefined;
  } catch (error) {
    return String(error.stack);
  } finally {
    await context.close();
  }
}

function report(subject, check, trouble) {
  if (trouble) failed += 1;
  else passed += 1;
  console.log(`${trouble ? 'FAILED' : 'ok    '} ${subject}: ${check}`);
  if (trouble) console.log(trouble.trimEnd().replace(/^/gm, '       '));
}

function readArguments() {
  const { values } = parseArgs({
    options: {
      countersign: { type: 'string' },
      chromium: { type: 'string', default: '/usr/bin/chromium' },
      screenshots: { type: 'string' },
    },
  });
  if (!values.countersign) quit(USAGE);
  for (const program of [values.countersign, values.chromium]) {
    if (!existsSync(program)) quit(`${program} does not exist`);
  }
  return { binary: values.countersign, executablePath: values.chromium, screenshots: values.screenshots };
}

function quit(message) {
  console.error(message);
  process.exit(2);
}
