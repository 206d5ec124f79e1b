//! Chance, hashes and signatures.

use std::cell::RefCell;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use js_sys::{Array, Object, Reflect, Uint8Array};
use portico_protocol::identity::{IdentityError, Unverified};
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

/// Verifies the signature of an identity token with the platform's WebCrypto, which is native code.
pub(crate) async fn verify(token: &Unverified<'_>) -> Result<(), IdentityError> {
    let failed = |_: JsValue| IdentityError::UnknownKey;
    if token.key.alg != "EdDSA" {
        return Err(IdentityError::UnknownKey);
    }
    let subtle: SubtleCrypto = Reflect::get(&js_sys::global(), &"crypto".into())
        .and_then(|crypto| Reflect::get(&crypto, &"subtle".into()))
        .map_err(failed)?
        .unchecked_into();
    let raw = BASE64URL_NOPAD.decode(token.key.x.as_bytes()).map_err(|_| IdentityError::UnknownKey)?;
    let algorithm = Object::new();
    Reflect::set(&algorithm, &"name".into(), &"Ed25519".into()).map_err(failed)?;
    let raw = Uint8Array::from(raw.as_slice());
    let usages = Array::of1(&"verify".into());
    let key = subtle.import_key_with_object("raw", &raw, &algorithm, false, &usages).map_err(failed)?;
    let key: CryptoKey = JsFuture::from(key).await.map_err(failed)?.unchecked_into();
    let signature = Uint8Array::from(token.signature.as_slice());
    let message = Uint8Array::from(token.message.as_bytes());
    let verified = subtle
        .verify_with_object_and_buffer_source_and_buffer_source(&algorithm, &key, &signature, &message)
        .map_err(failed)?;
    let verified = JsFuture::from(verified).await.map_err(|_| IdentityError::Signature)?;
    if verified.is_truthy() { Ok(()) } else { Err(IdentityError::Signature) }
}

/// Names a content: the same bytes have the same name.
pub(crate) fn content_hash(bytes: &[u8]) -> String {
    HEXLOWER.encode(Sha256::digest(bytes).first_chunk::<12>().map_or(&[], |hash| hash.as_slice()))
}
