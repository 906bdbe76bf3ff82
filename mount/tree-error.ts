/** The POSIX errors that the tree itself raises. */
export type TreeErrorCode = 'ENOENT' | 'ENOTDIR' | 'EISDIR' | 'EINVAL' | 'ENAMETOOLONG' | 'EROFS' | 'ENFILE' | 'EFBIG';

const MEANINGS: Readonly<Record<TreeErrorCode, string>> = {
  ENOENT: 'no such file or directory',
  ENOTDIR: 'not a directory',
  EISDIR: 'is a directory',
  EINVAL: 'not a symbolic link',
  ENAMETOOLONG: 'the name is too long',
  EROFS: 'the tree is read-only',
  EFBIG: 'the directory has too many entries to be listed here',
  ENFILE: 'too many files are open or known',
};

/**
 * What a file system answers when a path is not what the caller takes it for. Trouble with the
 * store behind the tree is an UmbraError.
 */
export class TreeError extends Error {
  override readonly name = 'TreeError';
  readonly code: TreeErrorCode;

  constructor(code: TreeErrorCode, path: string) {
    super(`${path}: ${MEANINGS[code]}`);
    this.code = code;
  }
}
