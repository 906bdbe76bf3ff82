import { webcrypto } from 'node:crypto';
// The library wants it to be there first.
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

x509.cryptoProvider.set(webcrypto);

export { x509 };
