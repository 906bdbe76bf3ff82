import t from 'tap';
import { describeDomain } from '../../../agent/discovery/domain-xml.js';

// After the examples of libvirt.org/formatdomain.html#hard-drives-floppy-disks-cdroms.
const DOMAIN = `<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>R&amp;D</name>
  <uuid>4DEA22B3-1D52-D8F3-2516-782E98AB3FA0</uuid>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='/images/top.qcow2'/>
      <backingStore type='file'>
        <format type='qcow2'/>
        <source file='/images/middle.qcow2'/>
        <backingStore type='block'><format type='raw'/><source dev='/dev/base'/><backingStore/></backingStore>
      </backingStore>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='block' device='disk'><source dev='/dev/vg/lv'/><target dev='vdb'/></disk>
    <disk type='file'><driver type='vmdk'/><source file='/images/old.vmdk'/><backingStore/><target dev='sda'/></disk>
    <disk type='file' device='cdrom'><target dev='sdb'/><readonly/></disk>
    <disk type='file' device='floppy'><source file='/f'/><target dev='fda'/></disk>
    <disk type='block' device='lun'><source dev='/dev/sdx'/><target dev='sdc'/></disk>
    <disk type='network' device='disk'><driver type='raw'/><source protocol='rbd' name='pool/i'/><target dev='vdc'/></disk>
    <disk type='volume'><source pool='p' volume='v'/><target dev='vdd'/></disk>
    <disk type='odd'><target dev='vde'/></disk>
    <disk type='file'><target dev='vdf'/></disk>
    <disk type='file'><driver type='qed'/><source file='/images/a.qed'/><target dev='vdg'/></disk>
    <disk type='file'><source file='a.img'/><target dev='vdh'/></disk>
    <disk type='file'><source file='/a.img'><encryption format='luks'/></source><target dev='vdi'/></disk>
    <disk type='file'><source file='/b.img'/></disk>
    <disk type='file'>
      <driver type='qcow2'/><source file='/c.qcow2'/><target dev='vdk'/>
      <backingStore type='file'><format type='qcow2'/><source file='/b.qcow2'/></backingStore>
    </disk>
  </devices>
</domain>`;

void t.test('a domain with disks of all kinds', (t) => {
  const { name, uuid, disks, skipped } = describeDomain(DOMAIN, 'it');
  t.equal(name, 'R&D');
  t.equal(uuid, '4dea22b3-1d52-d8f3-2516-782e98ab3fa0');
  t.strictSame(disks, [
    { name: 'vda', path: '/images/top.qcow2', format: 'qcow2', backing: ['/images/middle.qcow2', '/dev/base'] },
    { name: 'vdb', path: '/dev/vg/lv', format: 'raw', backing: [], last: { path: '/dev/vg/lv', format: 'raw' } },
    { name: 'sda', path: '/images/old.vmdk', format: 'vmdk', backing: [] },
    { name: 'disk 13', path: '/b.img', format: 'raw', backing: [], last: { path: '/b.img', format: 'raw' } },
    {
      name: 'vdk',
      path: '/c.qcow2',
      format: 'qcow2',
      backing: ['/b.qcow2'],
      last: { path: '/b.qcow2', format: 'qcow2' },
    },
  ]);
  t.strictSame(
    skipped.map((skip) => `${skip.name}: ${skip.reason}`),
    [
      'sdb: it is a CD drive',
      'fda: it is a floppy drive',
      'sdc: it is a SCSI device passed through',
      'vdc: it lies in the network',
      'vdd: it is a volume of a storage pool',
      'vde: its type odd is not supported',
      'vdf: it has no image',
      'vdg: its format qed is not supported',
      'vdh: its image a.img has no absolute path',
      'vdi: it is encrypted by QEMU',
    ],
  );
  t.end();
});

void t.test('what is no domain', (t) => {
  for (const xml of [
    '<network><name>default</name></network>',
    '<domain/>',
    '<domain><name> </name></domain>',
    '<domain',
  ]) {
    t.throws(() => describeDomain(xml, '/etc/x.xml'), { code: 'CONFIG_UNREADABLE', message: /^\/etc\/x\.xml / });
  }
  t.end();
});
