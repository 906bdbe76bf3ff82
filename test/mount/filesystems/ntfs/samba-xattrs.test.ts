import t from 'tap';
import { ntaclXattr } from '../../../../mount/filesystems/ntfs/samba-xattrs.js';

t.test('a descriptor as Samba itself packs it', async (t) => {
  // O:BAG:BAD:(A;;FA;;;WD), by samba.ndr.ndr_pack: alone, and as xattr_NTACL of version 1.
  const descriptor = Buffer.from(
    '0100048014000000240000000000000034000000010200000000000520000000200200000102000000000005200000002002000004001c00' +
      '0100000000001400ff010000010100000000000100000000',
    'hex',
  );
  const packed =
    '0100010000000200010004801c0000002c000000000000003c000000010200000000000520000000200200000102000000000005200000002' +
    '002000004001c000100000000001400ff010000010100000000000100000000';
  t.equal(ntaclXattr(descriptor)?.toString('hex'), packed);
  t.equal(ntaclXattr(descriptor.subarray(0, 19)), undefined);
});
