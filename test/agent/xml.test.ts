import t from 'tap';
import { child, descendants, escapeXml, MAX_XML_BYTES, parseXml } from '../../agent/xml.js';

void t.test('elements, attributes and text', (t) => {
  const root = parseXml(
    `<?xml version="1.0"?><!-- a --><a x='1 &lt; 2' n:y="&#65;"> one <b/><c>two</c><![CDATA[<three>]]><c>4</c></a>`,
    'it',
  );
  t.equal(root.name, 'a');
  t.strictSame(
    [...root.attributes],
    [
      ['x', '1 < 2'],
      ['n:y', 'A'],
    ],
  );
  t.equal(root.text, 'one <three>');
  t.equal(child(root, 'c')?.text, 'two');
  t.equal(child(child(root, 'none'), 'c'), undefined);
  t.strictSame(
    descendants(root, 'c').map(({ text }) => text),
    ['two', '4'],
  );
  const odd = `<"'&>`;
  t.equal(parseXml(`<a b="${escapeXml(odd)}">${escapeXml(odd)}</a>`, 'it').text, odd);
  t.end();
});

void t.test('what is refused, with the document’s name', (t) => {
  const laughs = `<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]><a>&c;</a>`;
  const file = `<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>`;
  const documents: readonly [string, RegExp][] = [
    ['', /empty/],
    ['text', /no XML/],
    ['<a>', /no XML/],
    ['<a></b>', /no XML/],
    ['<a b=c/>', /no XML/],
    ['<a/><b>', /no XML/],
    ['<a/><b/>', /no XML/],
    ['<a>&nothing;</a>', /no XML/],
    ['\0\xff', /no XML/],
    [laughs, /document type/],
    [file, /document type/],
    ['<a>'.repeat(65), /deeper than 64/],
    ['<a>'.repeat(1_000_000), /deeper than 64/],
    [`<a>${'<b/>'.repeat(100_000)}</a>`, /over 100000 elements/],
    [`<a>${' '.repeat(MAX_XML_BYTES)}</a>`, /over 4194304 characters/],
  ];
  for (const [document, message] of documents) {
    t.throws(() => parseXml(document, 'the thing'), { code: 'CONFIG_UNREADABLE', message }, document.slice(0, 40));
    t.throws(() => parseXml(document, 'the thing'), { message: /^the thing / });
  }
  t.match(parseXml(`<a __proto__="1" constructor="2"><__proto__/></a>`, 'it').attributes.get('constructor'), '2');
  t.end();
});
