//! Identity tokens (JWT, RFC 7519): who vouches for a customer, and what is checked besides the signature.
//!
//! The signature itself is verified by whoever holds a crypto library; here the token is taken apart, the key and
//! its algorithm are chosen by our configuration (never by the token alone), and the claims are judged.

use std::collections::BTreeMap;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::limits::{CONTEXT_FACTS, IDENTITY_KEYS, IDENTITY_MINUTES, JWT_BYTES, NAME_BYTES};
use crate::problem::FieldError;
use crate::site::is_http;

/// How far the clocks of two servers may differ.
const LEEWAY_S: u64 = 60;

/// How identity tokens are verified.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Identity {
    /// Required `iss` claim.
    pub issuer: String,
    /// Required `aud` claim.
    pub audience: String,
    /// Keys that may have signed.
    #[serde(default)]
    pub keys: Vec<IdentityKey>,
    /// Where the issuer publishes its keys as a JWK set (RFC 7517), such as `https://login.example.com/jwks.json`. Its
    /// public keys count beside `keys`.
    #[serde(default)]
    pub jwks_url: Option<String>,
    /// How long a token may live, from `iat` to `exp`: what it is worth to whoever steals it.
    #[serde(default = "usual_minutes")]
    pub max_minutes: u32,
}

fn usual_minutes() -> u32 {
    24 * 60
}

/// One key that may have signed: what a JWK (RFC 7517, RFC 7518, RFC 8037) says of it. Its other members are passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "alg")]
pub enum IdentityKey {
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa {
        /// Key id, matched against the token's `kid`.
        kid: String,
        /// The public key, 32 bytes in base64url.
        x: String,
    },
    /// ECDSA over P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256 {
        /// Key id, matched against the token's `kid`.
        kid: String,
        /// The point, 32 bytes in base64url.
        x: String,
        /// Its other coordinate.
        y: String,
    },
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256 {
        /// Key id, matched against the token's `kid`.
        kid: String,
        /// The modulus, 256 to 512 bytes in base64url.
        n: String,
        /// The exponent, in base64url.
        e: String,
    },
    /// HMAC with SHA-256, for servers that cannot sign. Its secret is made here and stands in no configuration:
    /// `GET /v1/identity` tells it.
    #[serde(rename = "HS256")]
    Hs256 {
        /// Key id, matched against the token's `kid`. Each has a secret of its own.
        kid: String,
    },
}

impl IdentityKey {
    /// The key's id.
    #[must_use]
    pub fn kid(&self) -> &str {
        match self {
            Self::EdDsa { kid, .. } | Self::Es256 { kid, .. } | Self::Rs256 { kid, .. } | Self::Hs256 { kid } => kid,
        }
    }

    /// The algorithm's name in JOSE.
    #[must_use]
    pub fn alg(&self) -> &'static str {
        match self {
            Self::EdDsa { .. } => "EdDSA",
            Self::Es256 { .. } => "ES256",
            Self::Rs256 { .. } => "RS256",
            Self::Hs256 { .. } => "HS256",
        }
    }

    /// What is wrong with the key, by member.
    fn errors(&self) -> Vec<(&'static str, String)> {
        let mut errors = Vec::new();
        if self.kid().is_empty() || self.kid().len() > NAME_BYTES {
            errors.push(("kid", format!("empty or longer than {NAME_BYTES} bytes")));
        }
        let mut bounded = |name, text: &String, least: usize, most: usize| {
            let length = BASE64URL_NOPAD.decode(text.as_bytes()).map(|bytes| bytes.len());
            if !length.is_ok_and(|length| (least..=most).contains(&length)) {
                errors.push((name, format!("not base64url of {least} to {most} bytes")));
            }
        };
        match self {
            Self::EdDsa { x, .. } => bounded("x", x, 32, 32),
            Self::Es256 { x, y, .. } => {
                bounded("x", x, 32, 32);
                bounded("y", y, 32, 32);
            }
            Self::Rs256 { n, e, .. } => {
                bounded("n", n, 256, 512);
                bounded("e", e, 1, 8);
            }
            Self::Hs256 { .. } => {}
        }
        errors
    }
}

impl Identity {
    /// What is wrong with it, each with its place below the identity.
    #[must_use]
    pub fn errors(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut add = |pointer: String, detail: String| errors.push(FieldError { pointer, detail });
        for (name, text) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            if text.is_empty() {
                add(format!("/{name}"), "empty: every token of anybody would fit".into());
            }
        }
        if self.keys.len() > IDENTITY_KEYS {
            add("/keys".into(), format!("{} keys; at most {IDENTITY_KEYS}", self.keys.len()));
        }
        for (index, key) in self.keys.iter().enumerate() {
            for (member, detail) in key.errors() {
                add(format!("/keys/{index}/{member}"), detail);
            }
            if self.keys.iter().take(index).any(|other| other.kid() == key.kid()) {
                add(format!("/keys/{index}/kid"), format!("`{}` is the id of another key", key.kid()));
            }
        }
        if self.jwks_url.as_ref().is_some_and(|url| !is_http(url)) {
            add("/jwks_url".into(), "not an absolute http(s) address".into());
        }
        if !(1..=IDENTITY_MINUTES).contains(&self.max_minutes) {
            add("/max_minutes".into(), format!("{} is not between 1 and {IDENTITY_MINUTES}", self.max_minutes));
        }
        errors
    }
}

/// The keys of a JWK set that can verify here. Others are passed over: those for encryption, of other kinds, without an id,
/// and secrets, which have no place in a public document.
///
/// # Errors
/// When it is no JWK set.
pub fn keys_of_jwks(json: &[u8]) -> Result<Vec<IdentityKey>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Jwks {
        keys: Vec<serde_json::Value>,
    }
    #[derive(Deserialize)]
    struct Jwk {
        kty: String,
        kid: String,
        #[serde(default)]
        crv: Option<String>,
        #[serde(default)]
        alg: Option<String>,
        #[serde(default, rename = "use")]
        purpose: Option<String>,
        #[serde(default)]
        x: String,
        #[serde(default)]
        y: String,
        #[serde(default)]
        n: String,
        #[serde(default)]
        e: String,
    }
    let usable = |json| {
        let Jwk { kty, kid, crv, alg, purpose, x, y, n, e } = serde_json::from_value(json).ok()?;
        let key = match (kty.as_str(), crv.as_deref()) {
            ("OKP", Some("Ed25519")) => IdentityKey::EdDsa { kid, x },
            ("EC", Some("P-256")) => IdentityKey::Es256 { kid, x, y },
            ("RSA", _) => IdentityKey::Rs256 { kid, n, e },
            _ => return None,
        };
        let is_meant = purpose.is_none_or(|purpose| purpose == "sig") && alg.is_none_or(|alg| alg == key.alg());
        (is_meant && key.errors().is_empty()).then_some(key)
    };
    let jwks: Jwks = serde_json::from_slice(json)?;
    Ok(jwks.keys.into_iter().filter_map(usable).take(IDENTITY_KEYS).collect())
}

/// `GET /v1/identity`: what a server needs to sign with a shared secret.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct IdentitySecrets {
    /// One for each key with `HS256`.
    pub secrets: Vec<IdentitySecret>,
}

/// A secret that a server signs with.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct IdentitySecret {
    /// The key's id.
    pub kid: String,
    /// The bytes of this text are the key of HMAC-SHA-256.
    pub secret: String,
}

impl core::fmt::Debug for IdentitySecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "IdentitySecret({})", self.kid)
    }
}

/// Why an identity token was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not a JWT, or too long.
    #[error("the identity token is not a JWT")]
    Malformed,
    /// The site has not said who may vouch for its customers.
    #[error("the site accepts no identity tokens")]
    NotConfigured,
    /// Signed with a key or an algorithm that the site does not use.
    #[error("the identity token's key or algorithm is not one of the site's")]
    UnknownKey,
    /// The signature does not fit.
    #[error("the identity token's signature is wrong")]
    Signature,
    /// For somebody else.
    #[error("the identity token has another issuer or audience")]
    Audience,
    /// Its time is over, or has not come.
    #[error("the identity token has expired or is not yet valid")]
    Expired,
    /// It would count for longer than the site allows.
    #[error("the identity token lives longer than the site allows")]
    TooLong,
    /// The customer has been signed out or erased since it was issued.
    #[error("the identity token was issued before its customer was signed out")]
    SignedOut,
    /// No usable subject or attributes.
    #[error("the identity token names no customer")]
    Subject,
}

/// A JWT taken apart, its claims not yet to be believed.
#[derive(Debug)]
pub struct Unverified<'a> {
    /// The key that must have signed.
    pub key: &'a IdentityKey,
    /// What was signed.
    pub message: &'a str,
    /// The signature.
    pub signature: Vec<u8>,
    payload: Vec<u8>,
    identity: &'a Identity,
}

/// A verified customer.
#[derive(Clone, Debug, PartialEq)]
pub struct Customer {
    /// The customer's id at the site.
    pub id: String,
    /// What the site's server vouches for.
    pub attributes: BTreeMap<String, serde_json::Value>,
    /// When the token was issued, in seconds since 1970; where it does not say so, the earliest time that it can have been.
    pub issued_s: u64,
    /// First second at which the token no longer counts, since 1970.
    pub expires_s: u64,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    /// Extensions that have to be understood (RFC 7515, 4.1.11): none is.
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    sub: String,
    exp: u64,
    #[serde(default)]
    nbf: u64,
    #[serde(default)]
    iat: Option<u64>,
    #[serde(default)]
    attributes: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl<'a> Unverified<'a> {
    /// Takes a JWT apart and finds the key that must have signed it: one of the configuration, or one that the issuer
    /// publishes.
    ///
    /// # Errors
    /// [`IdentityError::Malformed`] or [`IdentityError::UnknownKey`].
    pub fn parse(identity: &'a Identity, published: &'a [IdentityKey], token: &'a str) -> Result<Self, IdentityError> {
        if token.len() > JWT_BYTES {
            return Err(IdentityError::Malformed);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(IdentityError::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(IdentityError::Malformed)?;
        let decode = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| IdentityError::Malformed);
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| IdentityError::Malformed)?;
        if header.crit.is_some() {
            return Err(IdentityError::Malformed);
        }
        let fits = |key: &&IdentityKey| header.kid.as_deref() == Some(key.kid()) && header.alg == key.alg();
        let key = identity.keys.iter().chain(published).find(fits).ok_or(IdentityError::UnknownKey)?;
        Ok(Self { key, message, signature: decode(signature)?, payload: decode(payload)?, identity })
    }

    /// Judges the claims. Call only after the signature has been verified.
    ///
    /// # Errors
    /// [`IdentityError::Audience`], [`IdentityError::Expired`], [`IdentityError::TooLong`], [`IdentityError::Subject`] or
    /// [`IdentityError::Malformed`].
    pub fn customer(self, now_ms: u64) -> Result<Customer, IdentityError> {
        let claims: Claims = serde_json::from_slice(&self.payload).map_err(|_| IdentityError::Malformed)?;
        let meant = match &claims.aud {
            Audience::One(audience) => *audience == self.identity.audience,
            Audience::Many(audiences) => audiences.contains(&self.identity.audience),
        };
        if !meant || claims.iss != self.identity.issuer {
            return Err(IdentityError::Audience);
        }
        let now_s = now_ms / 1000;
        let begins_s = claims.nbf.max(claims.iat.unwrap_or(0));
        if now_s >= claims.exp.saturating_add(LEEWAY_S) || now_s.saturating_add(LEEWAY_S) < begins_s {
            return Err(IdentityError::Expired);
        }
        // Without a word on its beginning it lives from now.
        let longest_s = u64::from(self.identity.max_minutes) * 60;
        if claims.exp > claims.iat.unwrap_or(now_s + LEEWAY_S).saturating_add(longest_s) {
            return Err(IdentityError::TooLong);
        }
        if claims.sub.is_empty()
            || claims.sub.len() > NAME_BYTES
            || claims.sub.chars().any(char::is_control)
            || claims.attributes.len() > CONTEXT_FACTS
        {
            return Err(IdentityError::Subject);
        }
        let issued_s = claims.iat.unwrap_or(claims.exp.saturating_sub(longest_s));
        Ok(Customer { id: claims.sub, attributes: claims.attributes, issued_s, expires_s: claims.exp })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn identity() -> Identity {
        let key = |alg: &str, kid: &str| json!({"alg": alg, "kid": kid, "x": "AA", "kty": "OKP", "crv": "Ed25519"});
        let keys = json!([key("EdDSA", "k1"), key("HS256", "shared")]);
        serde_json::from_value(json!({"issuer": "https://bank", "audience": "demo", "keys": keys, "max_minutes": 10}))
            .unwrap()
    }

    fn judge(header: &serde_json::Value, claims: &serde_json::Value, now_s: u64) -> Result<Customer, IdentityError> {
        let encode = |json: &serde_json::Value| BASE64URL_NOPAD.encode(json.to_string().as_bytes());
        let token = format!("{}.{}.c2ln", encode(header), encode(claims));
        Unverified::parse(&identity(), &[IdentityKey::EdDsa { kid: "published".into(), x: "AA".into() }], &token)?
            .customer(now_s * 1000)
    }

    #[test]
    fn only_our_keys_and_algorithms_are_considered() {
        let claims = json!({"iss":"https://bank","aud":"demo","sub":"peter","exp":100});
        let check = |header, expect: Result<&str, IdentityError>| {
            assert_eq!(judge(&header, &claims, 50).map(|customer| customer.id), expect.map(str::to_owned), "{header}");
        };
        check(json!({"alg":"EdDSA","kid":"k1"}), Ok("peter"));
        check(json!({"alg":"EdDSA","kid":"published"}), Ok("peter"));
        check(json!({"alg":"HS256","kid":"shared"}), Ok("peter"));
        check(json!({"alg":"none","kid":"k1"}), Err(IdentityError::UnknownKey));
        // A public key is no secret, and a secret no public key.
        check(json!({"alg":"HS256","kid":"k1"}), Err(IdentityError::UnknownKey));
        check(json!({"alg":"EdDSA","kid":"shared"}), Err(IdentityError::UnknownKey));
        check(json!({"alg":"EdDSA","kid":"k2"}), Err(IdentityError::UnknownKey));
        check(json!({"alg":"EdDSA"}), Err(IdentityError::UnknownKey));
        check(json!({"alg":"EdDSA","kid":"k1","crit":["b64"],"b64":false}), Err(IdentityError::Malformed));
        check(json!("EdDSA"), Err(IdentityError::Malformed));
    }

    #[test]
    fn claims_are_judged() {
        let header = json!({"alg":"EdDSA","kid":"k1"});
        let check = |claims: serde_json::Value, now_s, expect: Result<u64, IdentityError>| {
            let issued = judge(&header, &claims, now_s).map(|customer| customer.issued_s);
            assert_eq!(issued, expect, "{claims} at {now_s}");
        };
        let good = json!({"iss":"https://bank","aud":["x","demo"],"sub":"peter","exp":1000,"nbf":950});
        check(good.clone(), 960, Ok(400));
        check(good.clone(), 1059, Ok(400));
        check(good.clone(), 1060, Err(IdentityError::Expired));
        check(good.clone(), 889, Err(IdentityError::Expired));
        let from = |iat: u64, exp: u64| json!({"iss":"https://bank","aud":"demo","sub":"peter","iat":iat,"exp":exp});
        check(from(900, 1500), 960, Ok(900));
        check(from(900, 1501), 960, Err(IdentityError::TooLong));
        check(from(1100, 1200), 960, Err(IdentityError::Expired));
        check(json!({"iss":"https://bank","aud":"demo","sub":"peter","exp":1700}), 960, Err(IdentityError::TooLong));
        check(
            json!({"iss":"https://bank","aud":"demo","sub":"peter","exp":u64::MAX}),
            960,
            Err(IdentityError::TooLong),
        );
        check(json!({"iss":"https://evil","aud":"demo","sub":"peter","exp":1000}), 960, Err(IdentityError::Audience));
        check(json!({"iss":"https://bank","aud":"other","sub":"peter","exp":1000}), 960, Err(IdentityError::Audience));
        check(json!({"iss":"https://bank","aud":"demo","sub":"","exp":1000}), 960, Err(IdentityError::Subject));
        check(json!({"iss":"https://bank","aud":"demo","sub":"a\nb","exp":1000}), 960, Err(IdentityError::Subject));
        check(json!({"iss":"https://bank","aud":"demo","sub":"peter"}), 960, Err(IdentityError::Malformed));
    }

    #[test]
    fn what_is_no_jwt_is_refused() {
        for wrong in ["", "a.b", "a.b.c", &"x".repeat(JWT_BYTES + 1)] {
            assert_eq!(Unverified::parse(&identity(), &[], wrong).err(), Some(IdentityError::Malformed));
        }
    }

    #[test]
    fn of_a_published_set_what_can_verify_is_taken() {
        let bytes = |count: usize| BASE64URL_NOPAD.encode(&vec![7; count]);
        let set = json!({"keys": [
            {"kty":"OKP","crv":"Ed25519","kid":"ed","x":bytes(32)},
            {"kty":"EC","crv":"P-256","kid":"ec","x":bytes(32),"y":bytes(32),"use":"sig","alg":"ES256"},
            {"kty":"RSA","kid":"rsa","n":bytes(256),"e":"AQAB","x5c":["..."]},
            {"kty":"RSA","kid":"short","n":bytes(128),"e":"AQAB"},
            {"kty":"RSA","kid":"other","n":bytes(256),"e":"AQAB","alg":"RS512"},
            {"kty":"RSA","kid":"seals","n":bytes(256),"e":"AQAB","use":"enc"},
            {"kty":"EC","crv":"P-384","kid":"curve","x":bytes(48),"y":bytes(48)},
            {"kty":"oct","kid":"secret","k":bytes(32)},
            {"kty":"OKP","crv":"Ed25519","x":bytes(32)},
            7,
        ]});
        let keys = keys_of_jwks(set.to_string().as_bytes()).unwrap();
        let named: Vec<(&str, &str)> = keys.iter().map(|key| (key.alg(), key.kid())).collect();
        assert_eq!(named, [("EdDSA", "ed"), ("ES256", "ec"), ("RS256", "rsa")]);
        assert!(keys_of_jwks(b"<html>").is_err() && keys_of_jwks(b"[]").is_err());
    }

    #[test]
    fn what_is_wrong_with_an_identity_is_named() {
        let wrong: Identity = serde_json::from_value(json!({
            "issuer": "", "audience": "demo", "jwks_url": "ftp://x", "max_minutes": 0,
            "keys": [{"alg":"EdDSA","kid":"a","x":"AA"}, {"alg":"HS256","kid":"a"}, {"alg":"RS256","kid":"","n":"AA","e":"AQAB"}],
        }))
        .unwrap();
        let places: Vec<String> = wrong.errors().into_iter().map(|error| error.pointer).collect();
        assert_eq!(
            places,
            ["/issuer", "/keys/0/x", "/keys/1/kid", "/keys/2/kid", "/keys/2/n", "/jwks_url", "/max_minutes"]
        );
        let unknown = json!({"issuer":"a","audience":"b","keys":[{"alg":"none","kid":"a"}]});
        assert!(serde_json::from_value::<Identity>(unknown).unwrap_err().to_string().contains("none"));
    }
}
