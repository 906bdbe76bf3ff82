import t from 'tap';
import { makeCompressor } from '../../../src/codec/compression.js';
import { zstdDecompress } from '../../../src/system/zstd.js';

t.test('one frame is decompressed, whatever follows it', async (t) => {
  const text = Buffer.from('some text, '.repeat(100));
  const frame = Buffer.alloc(2000);
  const length = makeCompressor({ codec: 'zstd', level: 3 }).compressInto(frame, text);
  const target = Buffer.alloc(4096);
  t.equal(zstdDecompress(target, frame), text.length);
  t.same(target.subarray(0, text.length), text);
  t.equal(zstdDecompress(target.subarray(0, text.length), frame), text.length);
  t.equal(zstdDecompress(target.subarray(0, text.length - 1), frame), undefined, 'it does not fit');
  t.equal(zstdDecompress(target, frame.subarray(0, length - 1)), undefined, 'it is cut off');
  t.equal(zstdDecompress(target, Buffer.alloc(100)), undefined, 'there is none');
});
