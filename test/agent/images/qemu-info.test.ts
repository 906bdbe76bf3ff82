import t from 'tap';
import { parseQemuInfo } from '../../../agent/images/qemu-info.js';

/** Of an image of which nothing is known. */
const NOTHING = {
  encrypted: false,
  corrupt: false,
  backing: undefined,
  parts: [],
  sizeBytes: undefined,
  bitmaps: [],
};

t.test('a plain image', async (t) => {
  const output = JSON.stringify({
    'virtual-size': 1,
    format: 'qcow2',
    'format-specific': { data: { corrupt: false, bitmaps: [{ name: 'a', flags: ['auto'], granularity: 65_536 }, 7] } },
  });
  t.same(parseQemuInfo('/a', output), {
    ...NOTHING,
    sizeBytes: 1,
    bitmaps: [
      { name: 'a', granularityBytes: 65_536, isRecording: true, isInconsistent: false },
      { name: '', granularityBytes: 0, isRecording: false, isInconsistent: false },
    ],
  });
});

t.test('backing file, data file and extents', async (t) => {
  const output = JSON.stringify({
    encrypted: true,
    'backing-filename': 'b',
    'full-backing-filename': '/c/b',
    'backing-filename-format': 'raw',
    'format-specific': {
      data: {
        corrupt: true,
        'data-file': 'd',
        extents: [{ filename: '/e' }, 7, { filename: '/f', format: 'FLAT', 'virtual-size': 512 }],
      },
    },
  });
  t.same(parseQemuInfo('/a', output), {
    ...NOTHING,
    encrypted: true,
    corrupt: true,
    backing: { path: '/c/b', format: 'raw' },
    parts: [
      { name: 'd', leastBytes: 0 },
      { name: '/e', leastBytes: 0 },
      { name: '/f', leastBytes: 512 },
    ],
  });
});

t.test('anything may come', async (t) => {
  for (const output of ['', '{', 'nonsense']) {
    t.throws(() => parseQemuInfo('/a', output), { code: 'IMAGE_FORMAT', message: /\/a/ });
  }
  for (const output of ['null', '[]', '7', '{"format-specific":{"data":{"extents":{}}},"backing-filename":3}']) {
    t.same(parseQemuInfo('/a', output), NOTHING);
  }
});
