import t from 'tap';
import type { Location } from '../../../mount/blocks/byte-source.js';
import { watched } from '../../../src/files/watched-view.js';
import { CHAINS_FILE, encodeChains } from '../../../src/protocol/stored-chains.js';
import { FakeSource } from '../../kit/fake-source.js';

t.test(
  'what is read of a volume is told, and of a merged disk that nobody can say what it was made from',
  async (t) => {
    const source = new FakeSource();
    const files = [{ volume: 'vda.0', path: '/base', format: 'qcow2' } as const];
    const config = [{ name: CHAINS_FILE, data: encodeChains([{ disk: 'vda', files }]) }];
    const volumes = ['vda.0', 'vdb'].map((name, seed) => ({ name, sizeBytes: 10_000, seed }));
    const told: Location[] = [];
    const view = watched(await source.open('m', source.add('m', 1000, { config, volumes })), (location) => {
      told.push(location);
    });
    for (const { name } of volumes) {
      const reader = await view.lookInto(name);
      t.equal(await reader.read(Buffer.alloc(50), 100), 50);
      await reader.close();
    }
    t.strictSame(told, [
      { offset: 100, length: 50 },
      { volume: 'vdb', offset: 100, length: 50 },
    ]);
    t.equal(source.openReaders, 0);
  },
);
