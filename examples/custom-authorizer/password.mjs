/** Prints a password that authorizer.mjs takes: SECRET=… node password.mjs NAME [SECONDS] */
import { signatureOf } from './signature.mjs';

const { SECRET } = process.env;
const [name, seconds = '86400'] = process.argv.slice(2);
if (!SECRET || !name) throw new Error('usage: SECRET=… node password.mjs NAME [SECONDS]');
const expires = Math.floor(Date.now() / 1_000) + Number(seconds);
console.log(`${expires}.${signatureOf(SECRET, name, expires)}`);
