// A well-formed secret that was never issued: the id part stays, the last character of the
// secret part changes, and the checksum is made right again, so that only the server's
// comparison of the secret itself can refuse it.
import { crc32 } from 'node:zlib';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const CHECKSUM_LENGTH = 6;

export function wrongSecret(secret) {
  const body = secret.slice(0, -CHECKSUM_LENGTH);
  if (body + checksum(body) !== secret) throw new Error('the secret does not end in the checksum of the rest');
  const changed = body.slice(0, -1) + (body.endsWith('0') ? '1' : '0');
  return changed + checksum(changed);
}

// CRC-32 in base 62.
function checksum(body) {
  let rest = crc32(body);
  let digits = '';
  while (digits.length < CHECKSUM_LENGTH) {
    digits = DIGITS[rest % 62] + digits;
    rest = Math.floor(rest / 62);
  }
  return digits;
}
