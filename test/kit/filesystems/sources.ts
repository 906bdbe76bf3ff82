import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { Test } from 'tap';
import { type ByteSource, lengthWithin, type Location } from '../../../mount/blocks/byte-source.js';

/** A source over a file, as the volume `vda`; it is closed when the test ends. */
export function fileSource(t: Test, path: string, volume = 'vda'): ByteSource {
  const fd = openSync(path, 'r');
  t.teardown(() => {
    closeSync(fd);
  });
  return descriptorSource(fd, volume);
}

/** A source over an open file. */
export function descriptorSource(fd: number, volume = 'vda'): ByteSource {
  const sizeBytes = fstatSync(fd).size;
  return {
    sizeBytes,
    read(target, offset) {
      const length = lengthWithin(sizeBytes, target.length, offset);
      return length === 0 ? 0 : readSync(fd, target, 0, length, offset);
    },
    locate: (offset, length) => [{ volume, offset, length }],
  };
}

/** A source over bytes in memory. */
export function memorySource(bytes: Uint8Array, volume = 'vda'): ByteSource {
  return {
    sizeBytes: bytes.length,
    read(target, offset) {
      const length = lengthWithin(bytes.length, target.length, offset);
      target.set(bytes.subarray(offset, offset + length));
      return length;
    },
    locate: (offset, length) => [{ volume, offset, length }],
  };
}

/** A source whose reads all take a turn of the event loop, and may be wrong calls: those are reported by `onWrong`. */
export function strictSource(source: ByteSource, onWrong: (what: string) => void): ByteSource {
  return {
    sizeBytes: source.sizeBytes,
    async read(target, offset) {
      if (!Number.isSafeInteger(offset) || offset < 0 || offset + target.length > source.sizeBytes) {
        onWrong(`read of ${target.length} bytes at ${offset} in a source of ${source.sizeBytes}`);
      }
      await Promise.resolve();
      return await source.read(target, offset);
    },
    locate(offset, length): readonly Location[] {
      if (!(offset >= 0) || offset + length > source.sizeBytes) onWrong(`locate of ${length} bytes at ${offset}`);
      return source.locate(offset, length);
    },
  };
}
