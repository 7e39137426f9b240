// Finds the client scripts and runs one of them in a process of its own.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';

const TIMEOUT_SECONDS = 60;
const FOLDERS = [
  { name: 'node', pattern: /\.[cm]js$/ },
  { name: 'python', pattern: /\.py$/ },
];

export function findScripts(root, filter) {
  return FOLDERS.flatMap(({ name, pattern }) =>
    readdirSync(path.join(root, name))
      .filter((file) => pattern.test(file))
      .map((file) => `${name}/${file}`),
  ).filter((script) => script.includes(filter));
}

// Nothing of the caller's environment but the search path: no proxies, no options. Node.js reads
// the authorities it is to trust when it starts.
function scriptEnvironment(variables) {
  return {
    PATH: process.env.PATH,
    PYTHONDONTWRITEBYTECODE: '1',
    NODE_EXTRA_CA_CERTS: variables.CA_FILE,
    ...variables,
  };
}

// Returns how the script ended: its exit code, all it printed, and the seconds it took.
export function runScript(script, { root, python, environment }) {
  const command = script.endsWith('.py') ? python : process.execPath;
  const started = performance.now();
  const child = spawn(command, [script], {
    cwd: root,
    env: scriptEnvironment(environment),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
  const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_SECONDS * 1000);

  return new Promise((resolve) => {
    const end = (exitCode, problem) => {
      clearTimeout(timer);
      resolve({ exitCode, stdout, stderr: stderr + problem, seconds: (performance.now() - started) / 1000 });
    };
    child.once('error', (error) => end(null, error.message));
    child.once('close', (code, signal) => end(code, signal ? `killed by ${signal}, limit ${TIMEOUT_SECONDS} s` : ''));
  });
}
