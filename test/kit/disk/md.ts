/** What a superblock of a member of a Linux software RAID is to say. */
export interface MdMemberSpec {
  readonly level: number;
  readonly layout?: number;
  readonly chunkSectors?: number;
  readonly members: number;
  readonly role: number;
  /** Of each member, in sectors. */
  readonly usedSectors: number;
  readonly name?: string;
  readonly events?: number;
  readonly features?: number;
  readonly version?: '1.0' | '1.1' | '1.2';
  /** 1 byte that tells arrays apart. */
  readonly array?: number;
}

export const DATA_SECTORS_AT = 2048;

/** Write a superblock of version 1 into an image, as struct mdp_superblock_1 has it; data begin at 1 MiB, or at 0 in 1.0. */
export function writeMdSuperblock(image: Buffer, spec: MdMemberSpec): void {
  const { version = '1.2', members } = spec;
  const sectors = image.length / 512;
  const at = { '1.2': 8, '1.1': 0, '1.0': (sectors - 16) & ~7 }[version];
  const block = Buffer.alloc(256 + members * 2);
  block.writeUInt32LE(0xa92b4efc, 0);
  block.writeUInt32LE(1, 4);
  block.writeUInt32LE(spec.features ?? 0, 8);
  block.fill(spec.array ?? 1, 16, 32);
  block.write(spec.name ?? 'host:data', 32);
  block.writeInt32LE(spec.level, 72);
  block.writeUInt32LE(spec.layout ?? 0, 76);
  block.writeBigUInt64LE(BigInt(spec.usedSectors), 80);
  block.writeUInt32LE(spec.chunkSectors ?? 0, 88);
  block.writeUInt32LE(members, 92);
  const start = version === '1.0' ? 0 : DATA_SECTORS_AT;
  block.writeBigUInt64LE(BigInt(start), 128);
  block.writeBigUInt64LE(BigInt(version === '1.0' ? at - 8 : sectors - start), 136);
  block.writeBigUInt64LE(BigInt(at), 144);
  block.writeUInt32LE(Math.max(0, spec.role), 160);
  block.fill(0x40 + spec.role, 168, 184);
  block.writeBigUInt64LE(BigInt(spec.events ?? 7), 200);
  block.writeBigUInt64LE(0xffffffffffffffffn, 208);
  block.writeUInt32LE(members, 220);
  for (let member = 0; member < members; member++) block.writeUInt16LE(member, 256 + member * 2);
  if (spec.role < 0) block.writeUInt16LE(0xffff, 256);
  block.writeUInt32LE(sumOfWords(block), 216);
  block.copy(image, at * 512);
}

/** A superblock of version 0.90 in either byte order. */
export function writeMdSuperblock090(image: Buffer, spec: MdMemberSpec, littleEndian = true): void {
  const at = Math.floor(image.length / 65_536) * 65_536 - 65_536;
  const words = new Array<number>(1024).fill(0);
  const set = (index: number, ...values: number[]): void => {
    values.forEach((value, offset) => (words[index + offset] = value >>> 0));
  };
  set(0, 0xa92b4efc, 0, 90, 0, 0, 0x11223344, 0, spec.level, spec.usedSectors / 2, spec.members, spec.members, 3);
  set(13, 0x55667788, 0x99aabbcc, 0xddeeff00);
  const events = spec.events ?? 7;
  set(39, littleEndian ? events : 0, littleEndian ? 0 : events);
  set(64, spec.layout ?? 0, (spec.chunkSectors ?? 0) * 512);
  for (let disk = 0; disk < spec.members; disk++) set(128 + disk * 32, disk, 8, disk, disk, 6);
  set(992, spec.role, 8, spec.role, spec.role, spec.role < 0 ? 1 : 6);
  const sum = words.reduce((total, word) => total + word, 0);
  set(38, (sum % 2 ** 32) + Math.floor(sum / 2 ** 32));
  words.forEach((word, index) => {
    if (littleEndian) image.writeUInt32LE(word, at + index * 4);
    else image.writeUInt32BE(word, at + index * 4);
  });
}

function sumOfWords(block: Buffer): number {
  let sum = 0;
  for (let at = 0; at + 4 <= block.length; at += 4) sum += block.readUInt32LE(at);
  if (block.length % 4 === 2) sum += block.readUInt16LE(block.length - 2);
  return ((sum % 2 ** 32) + Math.floor(sum / 2 ** 32)) >>> 0;
}
