const DIRECTORY = 0o040755;
const PROGRAM = 0o100755;
const LINK = 0o120777;

/** A cpio archive of the "newc" kind, which the kernel unpacks as its first file system (initramfs buffer format). */
export class CpioArchive {
  readonly #parts: Buffer[] = [];
  #inode = 1;

  directory(name: string): void {
    this.#add(name, DIRECTORY, Buffer.alloc(0));
  }

  file(name: string, data: Buffer): void {
    this.#add(name, PROGRAM, data);
  }

  link(name: string, target: string): void {
    this.#add(name, LINK, Buffer.from(target));
  }

  finish(): Buffer {
    this.#add('TRAILER!!!', 0, Buffer.alloc(0));
    return Buffer.concat(this.#parts);
  }

  /** Header fields: inode, mode, uid, gid, links, mtime, size, four device numbers, length of the name, checksum. */
  #add(name: string, mode: number, data: Buffer): void {
    const nameBytes = Buffer.from(`${name}\0`);
    const fields = [this.#inode++, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, nameBytes.length, 0];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
    this.#parts.push(padded(Buffer.concat([Buffer.from(header), nameBytes])), padded(data));
  }
}

/** To a multiple of four bytes. */
function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}
