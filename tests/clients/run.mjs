// Runs unmodified third-party client libraries against the real countersign binary. See README.md
import { existsSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { modesOf } from './runner/modes.mjs';
import { findScripts, runScript } from './runner/script.mjs';
import { Server } from './runner/server.mjs';

const AT_ONCE = 2;
const USAGE = 'usage: node run.mjs --countersign PATH [--python PATH] [filter]';

const { binary, python, filter } = readArguments();
const root = import.meta.dirname;
const scripts = findScripts(root, filter);
if (scripts.length === 0) quit(`no script matches ${filter}`);

const server = new Server();
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await server.stop();
    process.exit(130);
  });
}
const serverEnvironment = await server.start(binary).catch(async (error) => {
  await server.stop();
  quit(error.message);
});

let passed = 0;
let failed = 0;
const jobs = scripts.flatMap((script) => modesOf(script).map((mode) => ({ script, mode })));
let problem;
try {
  await Promise.all(Array.from({ length: AT_ONCE }, work));
} finally {
  problem = await server.stop();
}
report('countersign', 'stops on SIGTERM', problem);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

async function work() {
  for (let job = jobs.shift(); job; job = jobs.shift()) {
    const { script, mode } = job;
    const outcome = await runScript(script, { root, python, environment: mode.change(serverEnvironment) });
    const { exitCode, stdout, stderr, seconds } = outcome;
    const asExpected = exitCode === mode.exitCode && mode.verdict.test(stdout);
    const ending = `exit code ${exitCode}, expected ${mode.exitCode} and ${mode.verdict}\n${stdout}${stderr}`;
    report(script, mode.name, asExpected ? undefined : ending, ` (${seconds.toFixed(2)} s)`);
  }
}

function report(subject, check, problem, time = '') {
  if (problem) failed += 1;
  else passed += 1;
  console.log(`${problem ? 'FAILED' : 'ok    '} ${subject}: ${check}${time}`);
  if (problem) console.log(problem.trimEnd().replace(/^/gm, '       '));
}

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      options: { countersign: { type: 'string' }, python: { type: 'string', default: 'python3' } },
      allowPositionals: true,
    });
    if (!values.countersign || positionals.length > 1) quit(USAGE);
    const binary = path.resolve(values.countersign);
    if (!existsSync(binary)) quit(`${binary} does not exist`);
    // A bare name is looked up on the search path; the scripts run in another folder.
    const python = values.python.includes(path.sep) ? path.resolve(values.python) : values.python;
    return { binary, python, filter: positionals[0] ?? '' };
  } catch (error) {
    quit(`${error.message}\n${USAGE}`);
  }
}

function quit(message) {
  console.error(message);
  process.exit(2);
}
