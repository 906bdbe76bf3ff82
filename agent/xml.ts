import sax from 'sax';
import { messageOf, UmbraError } from '../src/common/errors.js';

/** An element of an XML document. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  /** All text directly inside it, without the white space around. */
  readonly text: string;
}

interface OpenElement {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: XmlElement[];
  text: string;
}

/** More than any machine's configuration has; a vendor's own limit is far above what people write. */
export const MAX_XML_BYTES = 4 * 1024 * 1024;
const MAX_DEPTH = 64;
const MAX_ELEMENTS = 100_000;

/**
 * Parse an XML document. Documents with a type declaration are refused, and so are entities that XML itself does not define:
 * nothing is expanded, nothing is fetched.
 * @param what - names the document in errors
 * @throws {UmbraError} CONFIG_UNREADABLE
 */
export function parseXml(text: string, what: string): XmlElement {
  if (text.length > MAX_XML_BYTES) throw unreadable(what, `has over ${MAX_XML_BYTES} characters`);
  const open: OpenElement[] = [{ name: '', attributes: new Map(), children: [], text: '' }];
  let elements = 0;
  const parser = sax.parser(true, { position: true });
  parser.onerror = (error) => {
    throw error;
  };
  parser.ondoctype = () => {
    throw unreadable(what, 'has a document type declaration');
  };
  parser.onopentag = ({ name, attributes }) => {
    if (open.length > MAX_DEPTH) throw unreadable(what, `nests elements deeper than ${MAX_DEPTH}`);
    if (++elements > MAX_ELEMENTS) throw unreadable(what, `has over ${MAX_ELEMENTS} elements`);
    const texts = Object.entries(attributes).map(([key, value]) => [key, String(value)] as const);
    open.push({ name, attributes: new Map(texts), children: [], text: '' });
  };
  const addText = (more: string): void => {
    const element = open.at(-1);
    if (element) element.text += more;
  };
  parser.ontext = addText;
  parser.oncdata = addText;
  parser.onclosetag = () => {
    const element = open.pop();
    if (element) open.at(-1)?.children.push({ ...element, text: element.text.trim() });
  };
  try {
    parser.write(text).close();
  } catch (error) {
    if (error instanceof UmbraError) throw error;
    // sax puts line, column and character on lines of their own.
    throw unreadable(what, `is no XML that can be read: ${messageOf(error).replaceAll(/\s*\n\s*/g, ', ')}`);
  }
  const [root, ...others] = open[0]?.children ?? [];
  if (root === undefined) throw unreadable(what, 'is no XML that can be read: it is empty');
  if (open.length > 1 || others.length > 0)
    throw unreadable(what, 'is no XML that can be read: it goes on after its end');
  return root;
}

/** The first element of that name directly inside `element`. */
export function child(element: XmlElement | undefined, name: string): XmlElement | undefined {
  return element?.children.find((found) => found.name === name);
}

/** The elements that the names lead to, as a path: all of the last name in all of those before. */
export function descendants(element: XmlElement, ...names: readonly string[]): readonly XmlElement[] {
  let found: readonly XmlElement[] = [element];
  for (const name of names) found = found.flatMap(({ children }) => children.filter((each) => each.name === name));
  return found;
}

/** Make text safe to stand in an element or in an attribute's quotes. */
export function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&apos;');
}

function unreadable(what: string, why: string): UmbraError {
  return new UmbraError('CONFIG_UNREADABLE', `${what} ${why}`);
}
