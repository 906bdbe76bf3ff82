import type { BlockDevice, Unreadable } from '../block-device.js';
import type { Location } from '../../blocks/byte-source.js';

const LINE_LENGTH = 100;

/**
 * The text that stands in the mounted tree in place of the files of a block device: what it is, what to do, and where
 * its bytes are. It stands two folders below the raw volumes.
 */
export function unreadableText(device: BlockDevice, { what, hint, commands = [] }: Unreadable): string {
  const parts = [`${device.name}: ${what}.`, ...wrap(hint)];
  const place = placeOf(device);
  if (commands.length > 0 && place !== undefined) parts.push('', ...recipe(device.name, place, commands));
  if (place !== undefined) parts.push('', ...wrap(placeText(place)));
  if (device.problems.length > 0) parts.push('', 'What else was found:', ...device.problems.map((text) => `- ${text}`));
  return parts.join('\n').replace('\n', '\n\n') + '\n';
}

function recipe(name: string, place: Location, commands: readonly string[]): string[] {
  const { volume = '', offset, length } = place;
  const loop = `losetup --find --show --read-only --offset ${offset} --sizelimit ${length} volumes/${volume}.raw`;
  const lines = [loop, ...commands].map((line) => line.replaceAll('LOOP', '/dev/loopN').replaceAll('NAME', name));
  return [
    ...lines.map((line) => `    ${line}`),
    '',
    ...wrap(
      'Do this as root in the folder above this one. The first command prints the loop device, which the others take for ' +
        '/dev/loopN. If root may not read this mount, copy the raw volume first and use the copy.',
    ),
  ];
}

function placeText({ volume = '', offset, length }: Location): string {
  return `Its bytes are in volumes/${volume}.raw, from byte ${offset} on, ${length} bytes.`;
}

/** Where it stands, if that is in one piece of one volume. */
function placeOf({ source }: BlockDevice): Location | undefined {
  if (source.sizeBytes === 0) return undefined;
  const [only, ...more] = source.locate(0, source.sizeBytes);
  return only?.volume === undefined || more.length > 0 ? undefined : only;
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > LINE_LENGTH) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
