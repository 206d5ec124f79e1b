//! The bank's signing key and the tokens signed with it.
//!
//! Tokens are JWTs with `EdDSA` over Ed25519 (RFC 7519, RFC 8037). Only what the demonstration needs is here: one
//! algorithm, one key, compact serialization, no header but `alg`, `typ` and `kid`.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signature, Signer as _, SigningKey};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// What a token says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claims {
    /// Who signed: the bank's origin.
    pub iss: String,
    /// For whom: `demo` for the widget.
    pub aud: String,
    /// The customer's id.
    pub sub: String,
    /// When it was signed, in seconds since 1970.
    pub iat: u64,
    /// From when on it is no longer good, in seconds since 1970.
    pub exp: u64,
    /// Facts that the bank vouches for, by attribute name.
    #[serde(default)]
    pub attributes: Map<String, Value>,
}

/// The bank's key pair. Cloning shares it.
#[derive(Clone)]
pub struct DemoIdentity {
    key: Arc<SigningKey>,
}

impl std::fmt::Debug for DemoIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DemoIdentity").field("kid", &self.kid()).finish_non_exhaustive()
    }
}

impl DemoIdentity {
    /// Reads the key from `path`, or makes one and keeps it there, readable by its owner only.
    ///
    /// # Errors
    /// When the file can be neither read nor written, or holds something else than a key.
    pub fn load_or_create(path: &Path) -> anyhow::Result<Self> {
        match fs::read(path) {
            Ok(bytes) => Self::parse(&bytes).with_context(|| format!("{} is not a key", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::create(path),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }

    fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let raw = BASE64URL_NOPAD.decode(bytes.trim_ascii())?;
        let secret: [u8; 32] = raw.as_slice().try_into()?;
        Ok(Self { key: Arc::new(SigningKey::from_bytes(&secret)) })
    }

    fn create(path: &Path) -> anyhow::Result<Self> {
        let mut secret = [0; 32];
        if let Err(error) = getrandom::fill(&mut secret) {
            bail!("no randomness for a key: {error}");
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).with_context(|| format!("creating {}", path.display()))?;
        file.write_all(BASE64URL_NOPAD.encode(&secret).as_bytes())?;
        file.sync_all()?;
        Ok(Self { key: Arc::new(SigningKey::from_bytes(&secret)) })
    }

    /// The public key: 32 raw bytes as base64url without padding (JWK's `x`).
    #[must_use]
    pub fn public_key_x(&self) -> String {
        BASE64URL_NOPAD.encode(self.key.verifying_key().as_bytes())
    }

    /// The key's id: its JWK thumbprint (RFC 7638), shortened to 16 characters.
    #[must_use]
    pub fn kid(&self) -> String {
        let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, self.public_key_x());
        let mut thumbprint = BASE64URL_NOPAD.encode(&Sha256::digest(jwk));
        thumbprint.truncate(16);
        thumbprint
    }

    /// The claims as a signed token.
    #[must_use]
    pub fn sign(&self, claims: &Claims) -> String {
        let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": self.kid() });
        let payload = json!(claims);
        let mut token = [header, payload].map(|part| BASE64URL_NOPAD.encode(part.to_string().as_bytes())).join(".");
        let signature = self.key.sign(token.as_bytes());
        token.push('.');
        token.push_str(&BASE64URL_NOPAD.encode(&signature.to_bytes()));
        token
    }

    /// The claims of a token that this key has signed for `audience` and that is still good at `now_s` (seconds since
    /// 1970).
    #[must_use]
    pub fn verify(&self, token: &str, audience: &str, now_s: u64) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (_, payload) = signed.split_once('.')?;
        let signature = Signature::from_slice(&BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?).ok()?;
        self.key.verifying_key().verify_strict(signed.as_bytes(), &signature).ok()?;
        let claims: Claims = serde_json::from_slice(&BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?).ok()?;
        (claims.aud == audience && now_s < claims.exp).then_some(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        let attributes = json!({ "age": 46, "products": ["current_account"] });
        Claims {
            iss: "http://bank.example".into(),
            aud: "demo".into(),
            sub: "peter".into(),
            iat: 1_000,
            exp: 1_300,
            attributes: attributes.as_object().cloned().unwrap_or_default(),
        }
    }

    #[test]
    fn a_token_is_good_until_it_expires_for_its_audience_only() {
        let folder = std::env::temp_dir().join(format!("portico-identity-{}", std::process::id()));
        let path = folder.join("bank.key");
        let identity = DemoIdentity::load_or_create(&path).unwrap();
        let token = identity.sign(&claims());

        assert_eq!(identity.verify(&token, "demo", 1_299), Some(claims()));
        assert_eq!(identity.verify(&token, "demo", 1_300), None);
        assert_eq!(identity.verify(&token, "another", 1_299), None);

        // One letter of the payload changed.
        let mut forged = token.clone().into_bytes();
        let middle = token.find('.').unwrap() + 5;
        forged[middle] = if forged[middle] == b'A' { b'B' } else { b'A' };
        assert_eq!(identity.verify(&String::from_utf8(forged).unwrap(), "demo", 1_299), None);

        // The key is kept, for its owner only.
        assert_eq!(DemoIdentity::load_or_create(&path).unwrap().kid(), identity.kid());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(BASE64URL_NOPAD.decode(identity.public_key_x().as_bytes()).unwrap().len(), 32);
        fs::write(&path, "not a key").unwrap();
        assert!(DemoIdentity::load_or_create(&path).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
