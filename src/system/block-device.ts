import { libc, systemCall } from './libc.js';

const BLKFLSBUF = 0x1261;
const BLKDISCARD = 0x1277;
const BLKZEROOUT = 0x127f;
// _IOR(0x12, 114, size_t): the length is 8 on every 64-bit Linux.
const BLKGETSIZE64 = 0x80081272;

/**
 * The size of a block device in bytes.
 * @throws {SystemCallError} ENOTTY if it isn't one
 */
export function blockDeviceSize(fd: number): number {
  const size = new ArrayBuffer(8);
  systemCall('ioctl', () => libc().ioctl(fd, BLKGETSIZE64, 'void *', size));
  return Number(new BigUint64Array(size)[0]);
}

/**
 * Write what the cache of a block device holds, and forget it. Of mounted file systems only what they have given to the device.
 * Blocks the thread.
 * @throws {SystemCallError} EACCES for anybody but root
 */
export function flushDeviceCache(fd: number): void {
  systemCall('ioctl', () => libc().ioctl(fd, BLKFLSBUF, 'void *', new ArrayBuffer(8)));
}

/**
 * Make a range of a block device read as zeros, by the device itself where it can. The range is
 * aligned to the device's sectors. Blocks the thread.
 * @throws {SystemCallError}
 */
export function zeroDeviceRange(fd: number, offset: number, length: number): void {
  rangeCall(fd, BLKZEROOUT, offset, length);
}

/**
 * Tell a block device that a range is not needed; what it reads as afterwards is up to the device.
 * @throws {SystemCallError} EOPNOTSUPP
 */
export function discardDeviceRange(fd: number, offset: number, length: number): void {
  rangeCall(fd, BLKDISCARD, offset, length);
}

function rangeCall(fd: number, request: number, offset: number, length: number): void {
  const range = new BigUint64Array([BigInt(offset), BigInt(length)]).buffer;
  systemCall('ioctl', () => libc().ioctl(fd, request, 'void *', range));
}
