// Identity tokens as a site's server signs them, by Node's own cryptography: prints the public key as a JWK, the token, and
// one that takes the public key for a shared secret.
const crypto = require("node:crypto");

const [, , alg, kid, claims, secret] = process.argv;
const encode = (text) => Buffer.from(text).toString("base64url");
const pairs = {
  EdDSA: () => crypto.generateKeyPairSync("ed25519"),
  ES256: () => crypto.generateKeyPairSync("ec", { namedCurve: "P-256" }),
  RS256: () => crypto.generateKeyPairSync("rsa", { modulusLength: 2048 }),
};
const signed = (alg, sign) => {
  const message = `${encode(JSON.stringify({ alg, typ: "JWT", kid }))}.${encode(claims)}`;
  return `${message}.${sign(message).toString("base64url")}`;
};
const mac = (key) => (message) => crypto.createHmac("sha256", key).update(message).digest();

if (alg === "HS256") {
  console.log(JSON.stringify({ token: signed(alg, mac(secret)) }));
} else {
  const { publicKey, privateKey } = pairs[alg]();
  const hash = alg === "EdDSA" ? null : "sha256";
  const sign = (message) => crypto.sign(hash, Buffer.from(message), { key: privateKey, dsaEncoding: "ieee-p1363" });
  const jwk = { ...publicKey.export({ format: "jwk" }), kid, alg };
  const pem = publicKey.export({ format: "pem", type: "spki" });
  console.log(JSON.stringify({ jwk, token: signed(alg, sign), confused: signed("HS256", mac(pem)) }));
}
