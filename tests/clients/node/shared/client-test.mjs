// Runs one client test as a sequence of named steps, prints one verdict line and exits.
//
// The line is `OK <libraries>` or `FAIL <libraries>: <step>: <reason>`. The runner reads the
// step, so these names have a meaning: `discovery`, `token` (asking for one), `valid token`.
import { readFileSync } from 'node:fs';

export async function clientTest(packages, test) {
  const title = packages.map(installedVersion).join(' + ');
  const fail = (step, error) => {
    console.log(`FAIL ${title}: ${step}: ${describe(error)}`);
    process.exit(1);
  };
  process.on('uncaughtException', (error) => fail('crash', error));

  let current = 'start';
  const step = (name, action) => {
    current = name;
    return action();
  };
  try {
    await test(step);
  } catch (error) {
    fail(current, error);
  }
  console.log(`OK ${title}`);
  // Libraries leave sockets and cache timers behind.
  process.exit(0);
}

function installedVersion(folder) {
  const manifest = new URL(`../../node_modules/${folder}/package.json`, import.meta.url);
  const { name, version } = JSON.parse(readFileSync(manifest, 'utf8'));
  return `${name}@${version}`;
}

function describe(error) {
  const reasons = [];
  for (let cause = error; cause instanceof Error; cause = cause.cause) reasons.push(cause.message);
  return (reasons.join(', because ') || String(error)).replace(/\s+/g, ' ');
}
