// What crosses between JavaScript and WebAssembly for an answer, at once: each crossing of a string costs as much as a
// small computation, and each wrapper is garbage that V8 traces.

/// Makes a response. Headers are lines: a name, its value, the next name and so on.
export function respond(status, lines, body) {
  const headers = {};
  const parts = lines.split("\n");
  for (let at = 0; at + 1 < parts.length; at += 2) headers[parts[at]] = parts[at + 1];
  // What says how it is encoded has been encoded before.
  return new Response(body, { status, headers, encodeBody: headers["Content-Encoding"] ? "manual" : "automatic" });
}
