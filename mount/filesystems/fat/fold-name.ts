const ASCII = /^[\0-\x7f]*$/;

/** A name as it is compared: each code unit as a capital letter, where that is one code unit. */
export function foldName(name: string): string {
  return ASCII.test(name)
    ? name.toUpperCase()
    : Array.from({ length: name.length }, (_, at) => foldUnit(name, at)).join('');
}

function foldUnit(name: string, at: number): string {
  const capital = name.charAt(at).toUpperCase();
  return capital.length === 1 ? capital : name.charAt(at);
}
