//! A site's configuration document: what a draft holds and publishing freezes.

use std::collections::BTreeMap;

use portico_engine::config::Config;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::content::{Layout, OfferPresentation};
use crate::decide::Consent;

/// Everything a site's owner configures. `PUT /v1/site/draft` takes it, `POST /v1/site/publish` freezes it as a version.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SiteConfig {
    /// The site's display name.
    pub name: String,
    /// Languages of the content as BCP 47 tags; the first is the fallback.
    pub locales: Vec<String>,
    /// Origins whose pages may use the site key, such as `https://www.example.com`.
    pub origins: Vec<String>,
    /// Publishers on whose pages the site's offers also appear.
    #[serde(default)]
    pub partners: Vec<Partner>,
    /// Who may vouch for a customer's identity.
    #[serde(default)]
    pub identity: Option<Identity>,
    /// What holds until the visitor has been asked.
    #[serde(default)]
    pub consent_default: Consent,
    /// Offers, rules, placements, goals and models.
    #[schema(value_type = Object)]
    pub decisions: Config,
    /// How each placement is arranged; `list` where absent.
    #[serde(default)]
    pub layouts: BTreeMap<String, Layout>,
    /// What each offer says and where it leads, by offer id.
    pub content: BTreeMap<String, OfferPresentation>,
}

/// A publisher.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Partner {
    /// The partner's id, used for attribution.
    pub id: String,
    /// Its publishable key.
    pub key: String,
    /// Origins whose pages may use that key.
    pub origins: Vec<String>,
}

/// How identity tokens are verified.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Identity {
    /// Required `iss` claim.
    pub issuer: String,
    /// Required `aud` claim.
    pub audience: String,
    /// Keys that may have signed.
    pub keys: Vec<IdentityKey>,
}

/// One public key.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct IdentityKey {
    /// Key id, matched against the token's `kid`.
    pub kid: String,
    /// Signature algorithm: `EdDSA` (Ed25519).
    pub alg: String,
    /// The raw public key, base64url without padding (JWK's `x`).
    pub x: String,
}
