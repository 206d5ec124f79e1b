//! Static files out of the binary.

use std::collections::BTreeMap;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use include_dir::{Dir, include_dir};
use sha2::{Digest, Sha256};

/// What both sites serve.
pub(crate) static SHARED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/static/shared");

/// The files of one site, each with its version.
pub(crate) struct Assets {
    files: BTreeMap<&'static str, Asset>,
}

struct Asset {
    bytes: &'static [u8],
    version: String,
}

impl Assets {
    pub(crate) fn new<const N: usize>(dirs: [&'static Dir<'static>; N]) -> Self {
        let mut files = BTreeMap::new();
        for dir in dirs {
            collect(dir, &mut files);
        }
        Self { files }
    }

    /// The address of a file, which changes with its content. A name that does not exist is given back as it is and
    /// answered with 404, which the crawl in `tests/` finds.
    pub(crate) fn url(&self, path: &str) -> String {
        match self.files.get(path) {
            Some(asset) => format!("/static/{path}?v={}", asset.version),
            None => format!("/static/{path}"),
        }
    }

    /// Answers `GET /static/{path}`.
    pub(crate) fn serve(&self, path: &str, uri: &Uri, headers: &HeaderMap) -> Response {
        let Some(asset) = self.files.get(path) else {
            return (StatusCode::NOT_FOUND, "There is no such file.").into_response();
        };
        let etag = format!("\"{}\"", asset.version);
        // Offer pictures are named by the configuration document, without a version: they may be looked up again soon.
        let cache = if uri.query().is_some_and(|query| query.strip_prefix("v=") == Some(&asset.version)) {
            "public, max-age=31536000, immutable"
        } else {
            "public, max-age=300"
        };
        let common = [(ETAG, etag.as_str()), (CACHE_CONTROL, cache)];
        if headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        (common, [(CONTENT_TYPE, content_type(path))], asset.bytes).into_response()
    }
}

fn collect(dir: &'static Dir<'static>, files: &mut BTreeMap<&'static str, Asset>) {
    for file in dir.files() {
        if let Some(path) = file.path().to_str() {
            let version = HEXLOWER.encode(Sha256::digest(file.contents()).get(..6).unwrap_or_default());
            files.insert(path, Asset { bytes: file.contents(), version });
        }
    }
    for inner in dir.dirs() {
        collect(inner, files);
    }
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "avif" => "image/avif",
        "css" => "text/css; charset=utf-8",
        "jpg" => "image/jpeg",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "txt" => "text/plain; charset=utf-8",
        "webp" => "image/webp",
        _ => "application/octet-stream",
    }
}
