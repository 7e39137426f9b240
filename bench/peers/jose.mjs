// Verifies the tokens of a folder with jose, as an API does: one await each.
// Prints microseconds of CPU per verification, and again for each line that it reads.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createLocalJWKSet, jwtVerify } from 'jose'

const AT_LEAST = 300_000
const folder = process.argv[2]
const work = ['RS256', 'ES256', 'EdDSA'].map((algorithm) => ({
  algorithm,
  keys: createLocalJWKSet(JSON.parse(readFileSync(join(folder, `${algorithm}.jwks.json`), 'utf8'))),
  tokens: readFileSync(join(folder, `${algorithm}.tokens.txt`), 'utf8').split('\n'),
}))

async function measure({ algorithm, keys, tokens }) {
  const options = { issuer: 'https://issuer.test', audience: 'https://api.example.com', typ: 'at+jwt', algorithms: [algorithm] }
  const before = process.cpuUsage()
  for (let at = 0, count = 1; ; count += 1) {
    at = (at + 7919) % tokens.length
    await jwtVerify(tokens[at], keys, options)
    if (count % 500 === 0) {
      const { user, system } = process.cpuUsage(before)
      if (user + system >= AT_LEAST) return (user + system) / count
    }
  }
}

for (const each of work) await measure(each)
console.log('ready')
for await (const _ of createInterface({ input: process.stdin })) {
  for (const each of work) console.log(`${each.algorithm} ${(await measure(each)).toFixed(3)}`)
  console.log('done')
}
