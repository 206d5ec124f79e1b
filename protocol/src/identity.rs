//! Identity tokens (JWT, RFC 7519): what is checked besides the signature.
//!
//! The signature itself is verified by whoever holds a crypto library; here the token is taken apart, the key and
//! its algorithm are chosen by our configuration (never by the token alone), and the claims are judged.

use std::collections::BTreeMap;

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;

use crate::limits::{CONTEXT_FACTS, JWT_BYTES, NAME_BYTES};
use crate::site::{Identity, IdentityKey};

/// How far the clocks of two servers may differ.
const LEEWAY_S: u64 = 60;

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
    /// First second at which the token no longer counts, since 1970.
    pub expires_s: u64,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
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
    attributes: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl<'a> Unverified<'a> {
    /// Takes a JWT apart and finds the key that must have signed it.
    ///
    /// # Errors
    /// [`IdentityError::Malformed`], [`IdentityError::NotConfigured`] or [`IdentityError::UnknownKey`].
    pub fn parse(identity: Option<&'a Identity>, token: &'a str) -> Result<Self, IdentityError> {
        if token.len() > JWT_BYTES {
            return Err(IdentityError::Malformed);
        }
        let identity = identity.ok_or(IdentityError::NotConfigured)?;
        let (message, signature) = token.rsplit_once('.').ok_or(IdentityError::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(IdentityError::Malformed)?;
        let decode = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| IdentityError::Malformed);
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| IdentityError::Malformed)?;
        let fits = |key: &&IdentityKey| header.kid.as_ref() == Some(&key.kid) && header.alg == key.alg;
        let key = identity.keys.iter().find(fits).ok_or(IdentityError::UnknownKey)?;
        Ok(Self { key, message, signature: decode(signature)?, payload: decode(payload)?, identity })
    }

    /// Judges the claims. Call only after the signature has been verified.
    ///
    /// # Errors
    /// [`IdentityError::Audience`], [`IdentityError::Expired`], [`IdentityError::Subject`] or [`IdentityError::Malformed`].
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
        if now_s >= claims.exp.saturating_add(LEEWAY_S) || now_s.saturating_add(LEEWAY_S) < claims.nbf {
            return Err(IdentityError::Expired);
        }
        if claims.sub.is_empty() || claims.sub.len() > NAME_BYTES || claims.attributes.len() > CONTEXT_FACTS {
            return Err(IdentityError::Subject);
        }
        Ok(Customer { id: claims.sub, attributes: claims.attributes, expires_s: claims.exp })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn identity() -> Identity {
        Identity {
            issuer: "https://bank".into(),
            audience: "demo".into(),
            keys: vec![IdentityKey { kid: "k1".into(), alg: "EdDSA".into(), x: String::new() }],
        }
    }

    fn judge(header: &serde_json::Value, claims: &serde_json::Value, now_s: u64) -> Result<Customer, IdentityError> {
        let encode = |json: &serde_json::Value| BASE64URL_NOPAD.encode(json.to_string().as_bytes());
        let token = format!("{}.{}.c2ln", encode(header), encode(claims));
        let identity = identity();
        Unverified::parse(Some(&identity), &token)?.customer(now_s * 1000)
    }

    #[test]
    fn only_our_keys_and_algorithms_are_considered() {
        let claims = json!({"iss":"https://bank","aud":"demo","sub":"peter","exp":100});
        let check = |header, expect: Result<&str, IdentityError>| {
            assert_eq!(judge(&header, &claims, 50).map(|customer| customer.id), expect.map(str::to_owned), "{header}");
        };
        check(json!({"alg":"EdDSA","kid":"k1"}), Ok("peter"));
        check(json!({"alg":"none","kid":"k1"}), Err(IdentityError::UnknownKey));
        check(json!({"alg":"HS256","kid":"k1"}), Err(IdentityError::UnknownKey));
        check(json!({"alg":"EdDSA","kid":"k2"}), Err(IdentityError::UnknownKey));
        check(json!({"alg":"EdDSA"}), Err(IdentityError::UnknownKey));
        check(json!("EdDSA"), Err(IdentityError::Malformed));
    }

    #[test]
    fn claims_are_judged() {
        let header = json!({"alg":"EdDSA","kid":"k1"});
        let check = |claims: serde_json::Value, now_s, expect: Result<(), IdentityError>| {
            assert_eq!(judge(&header, &claims, now_s).map(|_| ()), expect, "{claims} at {now_s}");
        };
        let good = json!({"iss":"https://bank","aud":["x","demo"],"sub":"peter","exp":100,"nbf":50});
        check(good.clone(), 60, Ok(()));
        check(good.clone(), 159, Ok(()));
        check(good.clone(), 160, Err(IdentityError::Expired));
        check(
            json!({"iss":"https://bank","aud":"demo","sub":"peter","exp":1000,"nbf":500}),
            60,
            Err(IdentityError::Expired),
        );
        check(json!({"iss":"https://evil","aud":"demo","sub":"peter","exp":100}), 60, Err(IdentityError::Audience));
        check(json!({"iss":"https://bank","aud":"other","sub":"peter","exp":100}), 60, Err(IdentityError::Audience));
        check(json!({"iss":"https://bank","aud":"demo","sub":"","exp":100}), 60, Err(IdentityError::Subject));
        check(json!({"iss":"https://bank","aud":"demo","sub":"peter"}), 60, Err(IdentityError::Malformed));
    }

    #[test]
    fn what_is_no_jwt_is_refused() {
        let identity = identity();
        for wrong in ["", "a.b", "a.b.c", &"x".repeat(JWT_BYTES + 1)] {
            assert_eq!(Unverified::parse(Some(&identity), wrong).err(), Some(IdentityError::Malformed));
        }
        assert_eq!(Unverified::parse(None, "a.b.c").err(), Some(IdentityError::NotConfigured));
    }
}
