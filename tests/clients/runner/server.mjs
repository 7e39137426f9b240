// Starts `countersign dev` in a folder of its own and stops it again.
import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const START_SECONDS = 60;
const STOP_SECONDS = 15;
const OUTPUT_CHARACTERS = 10_000;
// The variables that the scripts need; the env file may have more.
const VARIABLES = [
  'BASE_URL',
  'ROOT_ISSUER',
  'ISSUER',
  'AUDIENCE',
  'OKTA_AS',
  'OKTA_AUDIENCE',
  'SCOPE',
  'DEFAULT_SCOPE',
  'CLIENT_ID',
  'CLIENT_SECRET',
  'TEST_CLIENT_ID',
  'TEST_CLIENT_SECRET',
  'MANAGEMENT_URL',
  'MGMT_CLIENT_ID',
  'MGMT_CLIENT_SECRET',
  'UNKEY_ROOT_KEY',
  'DEMO_API_URL',
  'METRICS_URL',
  'HTTPS_URL',
  'CA_FILE',
];

// All scripts use one client from one address and fail on purpose: more often than a server puts up with.
const NO_BUDGETS = {
  COUNTERSIGN__BUDGETS__CLIENT_FAILURES_PER_MINUTE: '0',
  COUNTERSIGN__BUDGETS__SOURCE_FAILURES_PER_MINUTE: '0',
};

// The caller's configuration of the server, such as another database.
function configuration() {
  const given = Object.entries(process.env).filter(([name]) => name.startsWith('COUNTERSIGN__'));
  return { ...NO_BUDGETS, ...Object.fromEntries(given) };
}

export class Server {
  #folder = mkdtempSync(path.join(tmpdir(), 'countersign-clients-'));
  #process;
  #exited;
  #output = '';

  // Returns the variables of the env file once the server is ready.
  async start(binary) {
    const envFile = path.join(this.#folder, 'dev.env');
    this.#process = spawn(binary, ['dev', '--ephemeral', '--tls', '--port', '0', '--env-file', envFile], {
      cwd: this.#folder,
      // It keeps a profile in the home folder: not in the user's.
      env: {
        PATH: process.env.PATH,
        HOME: this.#folder,
        XDG_CONFIG_HOME: path.join(this.#folder, 'config'),
        ...configuration(),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        this.#output = (this.#output + text).slice(-OUTPUT_CHARACTERS);
      });
    }
    this.#exited = new Promise((resolve) => {
      this.#process.once('error', (error) => resolve({ problem: `could not be started: ${error.message}` }));
      this.#process.once('close', (code, signal) => {
        resolve({ code, problem: `ended with ${signal ?? `code ${code}`}` });
      });
    });
    const exitedTooEarly = this.#exited.then(({ problem }) => {
      throw this.#error(problem);
    });
    return Promise.race([this.#ready(envFile), exitedTooEarly]);
  }

  // Ends the server with SIGTERM. Returns what is wrong with the way it ended, if anything.
  async stop() {
    const problem = await this.#terminate();
    await rm(this.#folder, { recursive: true, force: true });
    return problem;
  }

  async #ready(envFile) {
    const deadline = Date.now() + START_SECONDS * 1000;
    let environment = {};
    while (Date.now() < deadline) {
      environment = await readEnvFile(envFile);
      if (missing(environment).length === 0 && (await isReady(environment.BASE_URL))) return environment;
      await sleep(50);
    }
    const lacking = missing(environment).join(', ') || 'nothing';
    throw this.#error(`was not ready within ${START_SECONDS} s; its env file lacks ${lacking}`);
  }

  #error(problem) {
    return new Error(`countersign ${problem}\n${this.#output}`);
  }

  async #terminate() {
    this.#process.kill('SIGTERM');
    const exit = await Promise.race([this.#exited, sleep(STOP_SECONDS * 1000, undefined, { ref: false })]);
    if (!exit) {
      this.#process.kill('SIGKILL');
      await this.#exited;
      return `still ran ${STOP_SECONDS} s after SIGTERM`;
    }
    return exit.code === 0 ? undefined : `${exit.problem} after SIGTERM\n${this.#output}`;
  }
}

async function readEnvFile(file) {
  const text = await readFile(file, 'utf8').catch(() => '');
  const lines = text.split('\n').filter((line) => line.includes('=') && !line.startsWith('#'));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

const missing = (environment) => VARIABLES.filter((name) => !environment[name]);

async function isReady(baseUrl) {
  try {
    const response = await fetch(`${baseUrl}/health/ready`, { signal: AbortSignal.timeout(2_000) });
    await response.body?.cancel();
    return response.status === 200;
  } catch {
    return false;
  }
}
