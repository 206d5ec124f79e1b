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

async function read(answer, found) {
  const element = (element) => {
    if (found.elements.length < MOST_ELEMENTS)
      found.elements.push({ name: element.tagName, attributes: Object.fromEntries(element.attributes) });
  };
  const text = ({ text }) => {
    if (found.scripts.length < MOST_TEXT) found.scripts += text;
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
