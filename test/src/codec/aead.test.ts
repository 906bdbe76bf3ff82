import t from 'tap';

import { keyedHash, openAead, sealAead } from '../../../src/codec/aead.js';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

t.test('test vectors: RFC 8439 2.8.2, and case 16 of the GCM specification', (t) => {
  const chacha = {
    cipher: 'chacha20-poly1305',
    key: hex('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f'),
    nonce: hex('070000004041424344454647'),
    associated: hex('50515253c0c1c2c3c4c5c6c7'),
  } as const;
  const words = Buffer.from(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  );
  const { text, tag } = sealAead(chacha, words);
  t.equal(text.toString('hex', 0, 16), 'd31a8d34648e60db7b86afbc53ef7ec2');
  t.equal(tag.toString('hex'), '1ae10b594f09e26a7e902ecbd0600691');
  t.same(openAead(chacha, text, tag), words);
  const gcm = {
    cipher: 'aes-256-gcm',
    key: hex('feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308'),
    nonce: hex('cafebabefacedbaddecaf888'),
    associated: hex('feedfacedeadbeeffeedfacedeadbeefabaddad2'),
  } as const;
  const plain = hex(
    'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
  );
  const sealed = sealAead(gcm, plain);
  t.equal(sealed.tag.toString('hex'), '76fc6ece0f4e1768cddf8853bb2d551b');
  t.same(openAead(gcm, sealed.text, sealed.tag), plain);
  t.equal(openAead({ ...gcm, associated: hex('00') }, sealed.text, sealed.tag), undefined);
  t.end();
});

t.test('HMAC-SHA-256: RFC 4231, test case 2', (t) => {
  const digest = keyedHash(Buffer.from('Jefe'), Buffer.from('what do ya want '), Buffer.from('for nothing?'));
  t.equal(digest.toString('hex'), '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
  t.end();
});
