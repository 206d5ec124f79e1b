// The platform by itself: nothing is decided here. `/hello` answers, `/echo/<bytes>` reads what it is sent and answers with
// so many bytes, `/read/<name>` reads a value from an object's SQLite, `/insert` writes what it is sent into a row, durable
// before it is answered.
import { DurableObject } from "cloudflare:workers";

export class Bare extends DurableObject {
  constructor(state, env) {
    super(state, env);
    this.sql = state.storage.sql;
    this.sql.exec("CREATE TABLE IF NOT EXISTS rows (n INTEGER PRIMARY KEY, text TEXT NOT NULL)");
    this.sql.exec("INSERT INTO rows VALUES (0, 'a value') ON CONFLICT DO NOTHING");
  }

  async fetch(request) {
    if (request.method === "POST") {
      this.sql.exec("INSERT INTO rows (text) VALUES (?)", await request.text());
      return new Response("inserted", { status: 202 });
    }
    return new Response(this.sql.exec("SELECT text FROM rows WHERE n = 0").one().text);
  }
}

const bytes = new TextEncoder().encode("x".repeat(65536));

const echo = async (request, length) => {
  await request.arrayBuffer();
  return new Response(bytes.slice(0, length), { headers: { "Content-Type": "application/json" } });
};

export default {
  fetch(request, env) {
    const [, what, name] = new URL(request.url).pathname.split("/");
    if (what === "hello") return new Response("hello");
    if (what === "echo") return echo(request, Number(name));
    return env.BARE.get(env.BARE.idFromName(name ?? what)).fetch(request);
  },
};
