//! Chance, hashes and signatures.

use std::cell::RefCell;

use data_encoding::HEXLOWER;
use js_sys::{Array, Object, Reflect, Uint8Array};
use portico_protocol::identity::{IdentityError, IdentityKey, Unverified};
use sha2::{Digest as _, Sha256};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{CryptoKey, SubtleCrypto};

use crate::error::Failure;

/// Random bytes fetched at once: to ask for a few takes as long as to ask for many.
const FETCHED: usize = 1024;

thread_local! {
    static RANDOM: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Bytes that nobody can guess.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Failure> {
    RANDOM.with_borrow_mut(|fetched| {
        if fetched.len() < N {
            fetched.resize(FETCHED.max(N), 0);
            getrandom::fill(fetched).map_err(|_| Failure::Internal("no source of randomness"))?;
        }
        let rest = fetched.len() - N;
        let (_, last) = fetched.split_at_mut(rest);
        let bytes = <[u8; N]>::try_from(&*last).map_err(|_| Failure::Internal("no source of randomness"))?;
        // Each is used once, and then nowhere to be found.
        last.fill(0);
        fetched.truncate(rest);
        Ok(bytes)
    })
}

/// How a key is kept and found: by its hash, so that comparing reveals nothing and a stolen store opens nothing.
pub(crate) fn key_hash(key: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(key.as_bytes()))
}

/// Whether two secrets are equal, in time that does not depend on where they differ: their hashes are compared.
pub(crate) fn same_secret(left: &str, right: &str) -> bool {
    Sha256::digest(left.as_bytes()) == Sha256::digest(right.as_bytes())
}

/// Verifies the signature of an identity token by a public key, with the platform's WebCrypto, which is native code.
pub(crate) async fn verify(token: &Unverified<'_>) -> Result<(), IdentityError> {
    let failed = |_: JsValue| IdentityError::UnknownKey;
    let (jwk, algorithm) = match token.key {
        IdentityKey::EdDsa { x, .. } => {
            (object(&[("kty", "OKP"), ("crv", "Ed25519"), ("x", x)]), object(&[("name", "Ed25519")]))
        }
        IdentityKey::Es256 { x, y, .. } => (
            object(&[("kty", "EC"), ("crv", "P-256"), ("x", x), ("y", y)]),
            // One for both: the curve to import, the hash to verify.
            object(&[("name", "ECDSA"), ("namedCurve", "P-256"), ("hash", "SHA-256")]),
        ),
        IdentityKey::Rs256 { n, e, .. } => (
            object(&[("kty", "RSA"), ("n", n), ("e", e)]),
            object(&[("name", "RSASSA-PKCS1-v1_5"), ("hash", "SHA-256")]),
        ),
        IdentityKey::Hs256 { .. } => return Err(IdentityError::UnknownKey),
    };
    let (jwk, algorithm) = (jwk.map_err(failed)?, algorithm.map_err(failed)?);
    let subtle: SubtleCrypto = Reflect::get(&js_sys::global(), &"crypto".into())
        .and_then(|crypto| Reflect::get(&crypto, &"subtle".into()))
        .map_err(failed)?
        .unchecked_into();
    let usages = Array::of1(&"verify".into());
    let key = subtle.import_key_with_object("jwk", &jwk, &algorithm, false, &usages).map_err(failed)?;
    let key: CryptoKey = JsFuture::from(key).await.map_err(failed)?.unchecked_into();
    let signature = Uint8Array::from(token.signature.as_slice());
    let message = Uint8Array::from(token.message.as_bytes());
    let verified = subtle
        .verify_with_object_and_buffer_source_and_buffer_source(&algorithm, &key, &signature, &message)
        .map_err(failed)?;
    let verified = JsFuture::from(verified).await.map_err(|_| IdentityError::Signature)?;
    if verified.is_truthy() { Ok(()) } else { Err(IdentityError::Signature) }
}

fn object(members: &[(&str, &str)]) -> Result<Object, JsValue> {
    let object = Object::new();
    for (name, value) in members {
        Reflect::set(&object, &(*name).into(), &(*value).into())?;
    }
    Ok(object)
}

/// Names a content: the same bytes have the same name.
pub(crate) fn content_hash(bytes: &[u8]) -> String {
    HEXLOWER.encode(Sha256::digest(bytes).first_chunk::<12>().map_or(&[], |hash| hash.as_slice()))
}
