import koffi from 'koffi';
import { messageOf, UmbraError } from '../common/errors.js';

interface Zstd {
  readonly context: unknown;
  readonly decompress: (
    context: unknown,
    target: Uint8Array,
    targetBytes: number,
    source: Uint8Array,
    sourceBytes: number,
  ) => number | bigint;
  readonly frameBytes: (source: Uint8Array, sourceBytes: number) => number | bigint;
  readonly isError: (size: number | bigint) => number;
}

let loaded: Zstd | undefined;

/**
 * Decompress the one zstd frame at the start of `source`, whatever follows it, into the start of `target`, by the
 * system's libzstd: it is fuzzed without pause by its makers, gets Debian's security updates, and in one call never
 * writes behind `target` nor allocates what a frame asks for.
 * @returns how many bytes it made (those behind them in `target` are undefined); undefined if there is no whole frame, or it makes more than fit
 * @throws {UmbraError} PROGRAM_MISSING
 */
export function zstdDecompress(target: Uint8Array, source: Uint8Array): number | undefined {
  const { context, decompress, frameBytes, isError } = (loaded ??= load());
  const frame = frameBytes(source, source.length);
  if (isError(frame) !== 0) return undefined;
  const made = decompress(context, target, target.length, source, Number(frame));
  return isError(made) === 0 ? Number(made) : undefined;
}

function load(): Zstd {
  try {
    const library = koffi.load('libzstd.so.1');
    const createContext = library.func('void *ZSTD_createDCtx(void)') as unknown as () => unknown;
    return {
      context: createContext(),
      decompress: library.func(
        'size_t ZSTD_decompressDCtx(void *dctx, void *dst, size_t dstCapacity, const void *src, size_t srcSize)',
      ),
      frameBytes: library.func('size_t ZSTD_findFrameCompressedSize(const void *src, size_t srcSize)'),
      isError: library.func('unsigned int ZSTD_isError(size_t code)'),
    };
  } catch (cause) {
    throw new UmbraError('PROGRAM_MISSING', `the library libzstd.so.1 cannot be loaded: ${messageOf(cause)}`, {
      hint: 'Install it: apt-get install libzstd1',
      cause,
    });
  }
}
