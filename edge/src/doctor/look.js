// Looks at a page as far as an installation goes: the platform's own parser goes through its markup as it comes.

/** Bytes of a page, elements in it and characters of its own scripts that are looked at. */
const MOST_BYTES = 2 << 20;
const MOST_ELEMENTS = 1000;
const MOST_TEXT = 1 << 18;
const PATIENCE_MS = 8000;

/** Comes to what was found as JSON; `status` 0 where nothing answers. */
export async function look(url) {
  const found = { status: 0, location: "", html: false, policy: "", elements: [], scripts: "", cut: false };
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const headers = { Accept: "text/html", "User-Agent": "Portico-Doctor" };
    const answer = await fetch(url, { redirect: "manual", headers, signal });
    found.status = answer.status;
    found.location = answer.headers.get("Location") ?? "";
    found.policy = answer.headers.get("Content-Security-Policy") ?? "";
    found.html = (answer.headers.get("Content-Type") ?? "").startsWith("text/html");
    if (answer.status === 200 && found.html) await read(answer, found);
    else await answer.body?.cancel();
  } catch {
    // Not answered in time, not answered at all, or broken off: what was read until then counts.
    found.cut = found.status === 200;
  }
  return JSON.stringify(found);
}

const NAMED = { amp: "&", apos: "'", gt: ">", lt: "<", quot: '"' };

/** An attribute as it is meant: the parser hands it over as it is written. */
const decoded = (text) =>
  text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w{2,4}));/gi, (written, number, hex, name) => {
    if (name) return NAMED[name.toLowerCase()] ?? written;
    const code = number ? +number : parseInt(hex, 16);
    return code < 0x110000 ? String.fromCodePoint(code) : written;
  });

async function read(answer, found) {
  const element = ({ tagName, attributes }) => {
    if (found.elements.length < MOST_ELEMENTS)
      found.elements.push({ name: tagName, attributes: Object.fromEntries([...attributes].map(([name, text]) => [name, decoded(text)])) });
    else found.cut = true;
  };
  const text = ({ text }) => {
    if (found.scripts.length < MOST_TEXT) found.scripts += text;
    else found.cut = true;
  };
  const parsed = new HTMLRewriter()
    .on("script", { element, text })
    .on("portico-offers, portico-gadget, meta[http-equiv]", { element })
    .transform(answer);
  let bytes = 0;
  for await (const part of parsed.body) {
    bytes += part.length;
    if (bytes > MOST_BYTES) {
      found.cut = true;
      break;
    }
  }
}
