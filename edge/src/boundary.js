// What crosses between JavaScript and WebAssembly, at once: each crossing of a string costs as much as a small computation,
// and each wrapper is garbage that V8 traces.

/** Makes a response. Headers are lines: a name, its value, the next name and so on. */
export function respond(status, lines, body) {
  const headers = {};
  const parts = lines.split("\n");
  for (let at = 0; at + 1 < parts.length; at += 2) headers[parts[at]] = parts[at + 1];
  // What says how it is encoded has been encoded before.
  return new Response(body, { status, headers, encodeBody: headers["Content-Encoding"] ? "manual" : "automatic" });
}

/** Asks an object: a line each for its binding, the operation, on whose behalf, and its name, or `#` and its id. */
export async function ask(env, what, question) {
  const [binding, path, caller, ...name] = what.split("\n");
  // The question lies in WebAssembly's memory, and a call sends all memory that its arguments lie in.
  const named = name.join("\n");
  const { [binding]: objects } = env;
  const object = named[0] === "#" ? objects.get(objects.idFromString(named.slice(1))) : objects.getByName(named);
  return object.answer(path, caller, question.slice());
}

const encoder = new TextEncoder();
/** Where most results have room. */
const usual = new ArrayBuffer(65536);

/**
 * Runs a statement. Comes to its rows as bytes: for each how many values it has, and for each value its kind (0 nothing,
 * 1 a number, 2 text, 3 bytes) and what it is, a number as a double, the others behind their length.
 */
export function query(sql, statement, values) {
  let end = 0;
  let buffer = usual;
  let bytes = new Uint8Array(buffer);
  let view = new DataView(buffer);
  const room = (more) => {
    if (end + more <= buffer.byteLength) return;
    const before = bytes.subarray(0, end);
    buffer = new ArrayBuffer(2 * (end + more));
    bytes = new Uint8Array(buffer);
    view = new DataView(buffer);
    bytes.set(before);
  };
  for (const row of sql.exec(statement, ...values).raw()) {
    room(1);
    bytes[end++] = row.length;
    for (const value of row) {
      room(9);
      if (value === null) {
        bytes[end++] = 0;
      } else if (typeof value === "number") {
        bytes[end++] = 1;
        view.setFloat64(end, value, true);
        end += 8;
      } else {
        const isText = typeof value === "string";
        const content = isText ? encoder.encode(value) : new Uint8Array(value);
        bytes[end++] = isText ? 2 : 3;
        room(4 + content.length);
        view.setUint32(end, content.length, true);
        end += 4;
        bytes.set(content, end);
        end += content.length;
      }
    }
  }
  return bytes.subarray(0, end);
}
