import { UmbraError } from '../../../src/common/errors.js';
import { escapeXml } from '../../xml.js';
import type { StartImage } from './newest-overlay.js';

/**
 * A domain's XML with another image for one disk; everything else stays as it is written.
 * @param from - the path that it names
 * @throws {UmbraError} TRACKER_FAILED if it names that path not exactly once
 */
export function withImage(xml: string, from: string, to: StartImage): string {
  const wanted = `'${escapeXml(from)}'`;
  let found = 0;
  const changed = xml.replaceAll(/<disk[\s>][\s\S]*?<\/disk>/g, (disk) => {
    if (!/<source\s[^>]*>/.exec(disk)?.[0].includes(wanted)) return disk;
    found += 1;
    return disk
      .replace(/<backingStore[\s\S]*<\/backingStore>\s*|<backingStore\/>\s*/, '')
      .replace(wanted, () => `'${escapeXml(to.path)}'`)
      .replace(/(<driver\s[^>]*type=')[^']*'/, (_, before: string) => `${before}${to.format}'`);
  });
  if (found === 1) return changed;
  throw new UmbraError('TRACKER_FAILED', `the definition of the machine does not name ${from} once`, {
    hint: `Have it name ${to.path} instead ("virsh edit").`,
  });
}
