//! Content Security Policy Level 3, as far as it decides what of the widget works in a page.

use std::collections::BTreeMap;

use url::Url;

/// Policies that all have to agree.
pub(super) struct Policies(Vec<Policy>);

/// Sources, or other words, by directive.
type Policy = BTreeMap<String, Vec<String>>;

const SCRIPTS: [&str; 3] = ["script-src-elem", "script-src", "default-src"];

impl Policies {
    /// Of a header, which may hold several with commas between them, and of elements, which hold one each.
    pub(super) fn of<'a>(header: &'a str, metas: impl IntoIterator<Item = &'a str>) -> Self {
        Self(header.split(',').chain(metas).map(policy).filter(|policy| !policy.is_empty()).collect())
    }

    /// Whether a script tag runs. Nonces and hashes are the tag's; a policy with `'strict-dynamic'` trusts nothing else.
    pub(super) fn runs(&self, page: &Url, script: &Url, nonce: Option<&str>, integrity: Option<&str>) -> bool {
        let hashes: Vec<&str> = integrity.into_iter().flat_map(str::split_whitespace).collect();
        self.all(&SCRIPTS, |sources| {
            // What follows the first dash is exact.
            let quoted =
                |wanted: &str| sources.iter().any(|source| source.trim_matches('\'') == wanted && is_quoted(source));
            let has_nonce = nonce.is_some_and(|nonce| quoted(&format!("nonce-{nonce}")));
            let has_hash = !hashes.is_empty() && hashes.iter().all(|hash| quoted(hash));
            has_nonce || has_hash || !has_keyword(sources, "'strict-dynamic'") && matches_any(sources, script, page)
        })
    }

    /// Whether the page may ask an address.
    pub(super) fn connects(&self, page: &Url, to: &Url) -> bool {
        self.all(&["connect-src", "default-src"], |sources| matches_any(sources, to, page))
    }

    /// Whether it may show an image of it.
    pub(super) fn shows(&self, page: &Url, image: &Url) -> bool {
        self.all(&["img-src", "default-src"], |sources| matches_any(sources, image, page))
    }

    /// Whether it may frame it.
    pub(super) fn frames(&self, page: &Url, frame: &Url) -> bool {
        self.all(&["frame-src", "child-src", "default-src"], |sources| matches_any(sources, frame, page))
    }

    /// Whether it may compile WebAssembly.
    pub(super) fn compiles(&self) -> bool {
        self.all(&SCRIPTS[1..], |sources| {
            has_keyword(sources, "'wasm-unsafe-eval'") || has_keyword(sources, "'unsafe-eval'")
        })
    }

    /// Whether a Trusted Types policy of this name may be made: also where none is required, only those that are named may.
    pub(super) fn trusts(&self, name: &str) -> bool {
        self.all(&["trusted-types"], |names| names.iter().any(|known| known == name || known == "*"))
    }

    /// Whether all policies allow something by the first of these directives that they have.
    fn all(&self, directives: &[&str], allows: impl Fn(&[String]) -> bool) -> bool {
        self.0.iter().all(|policy| {
            let sources = directives.iter().find_map(|directive| policy.get(*directive));
            sources.is_none_or(|sources| allows(sources))
        })
    }
}

/// Of a directive that is there twice the first counts.
fn policy(text: &str) -> Policy {
    let mut policy = Policy::new();
    for directive in text.split(';') {
        let mut words = directive.split_ascii_whitespace();
        if let Some(name) = words.next() {
            policy.entry(name.to_ascii_lowercase()).or_insert_with(|| words.map(str::to_owned).collect());
        }
    }
    policy
}

fn is_quoted(source: &str) -> bool {
    source.len() > 2 && source.starts_with('\'') && source.ends_with('\'')
}

fn has_keyword(sources: &[String], keyword: &str) -> bool {
    sources.iter().any(|source| source.eq_ignore_ascii_case(keyword))
}

fn matches_any(sources: &[String], url: &Url, page: &Url) -> bool {
    sources.iter().any(|source| matches(source, url, page))
}

/// As in section 6.7.2.8 of the specification, without redirects.
fn matches(source: &str, url: &Url, page: &Url) -> bool {
    if source == "*" {
        return matches!(url.scheme(), "http" | "https") || url.scheme() == page.scheme();
    }
    if source.eq_ignore_ascii_case("'self'") {
        let with_tls = page.scheme() == "http"
            && url.scheme() == "https"
            && url.host_str() == page.host_str()
            && page.port().is_none()
            && url.port().is_none();
        return url.origin() == page.origin() || with_tls;
    }
    if source.starts_with('\'') {
        return false;
    }
    if let Some(scheme) = source.strip_suffix(':') {
        return same_scheme(scheme, url);
    }
    let (scheme, rest) = source.split_once("://").map_or((None, source), |(scheme, rest)| (Some(scheme), rest));
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (host, port) = authority.rsplit_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    let of_url = url.host_str().unwrap_or_default();
    let host_fits = match host.strip_prefix('*') {
        Some("") => true,
        Some(end) => of_url.len() > end.len() && of_url.to_ascii_lowercase().ends_with(&end.to_ascii_lowercase()),
        None => host.eq_ignore_ascii_case(of_url),
    };
    let port_fits = match port {
        Some("*") => true,
        Some(port) => url.port_or_known_default().is_some_and(|of_url| port.parse() == Ok(of_url)),
        None => url.port().is_none(),
    };
    let path_fits = match path {
        "" => true,
        folder if folder.ends_with('/') => url.path().starts_with(folder),
        file => url.path() == file,
    };
    same_scheme(scheme.unwrap_or(page.scheme()), url) && host_fits && port_fits && path_fits
}

/// The same, or the same with TLS.
fn same_scheme(scheme: &str, url: &Url) -> bool {
    scheme.eq_ignore_ascii_case(url.scheme()) || scheme.eq_ignore_ascii_case("http") && url.scheme() == "https"
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "https://www.bank.example/en/";
    const SCRIPT: &str = "https://edge.example/portico.js";

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn sources_match_as_the_specification_says() {
        for (source, to, expect) in [
            ("*", SCRIPT, true),
            ("'none'", SCRIPT, false),
            ("'self'", SCRIPT, false),
            ("'self'", "https://www.bank.example/a.js", true),
            ("https:", SCRIPT, true),
            ("http:", SCRIPT, true),
            ("data:", SCRIPT, false),
            ("edge.example", SCRIPT, true),
            ("EDGE.example", SCRIPT, true),
            ("http://edge.example", SCRIPT, true),
            ("https://edge.example", "http://edge.example/portico.js", false),
            ("https://edge.example:443", SCRIPT, true),
            ("https://edge.example:8443", SCRIPT, false),
            ("https://edge.example:*", "https://edge.example:8443/", true),
            ("https://edge.example", "https://edge.example:8443/", false),
            ("*.example", SCRIPT, true),
            ("*.edge.example", SCRIPT, false),
            ("https://edge.example/", SCRIPT, true),
            ("https://edge.example/portico.js", SCRIPT, true),
            ("https://edge.example/assets/", SCRIPT, false),
            ("https://other.example", SCRIPT, false),
        ] {
            assert_eq!(matches(source, &url(to), &url(PAGE)), expect, "{source} {to}");
        }
    }

    #[test]
    fn scripts_run_by_source_nonce_or_hash() {
        let run =
            |text: &str, nonce, integrity| Policies::of(text, []).runs(&url(PAGE), &url(SCRIPT), nonce, integrity);
        assert!(run("", None, None));
        assert!(run("img-src 'none'", None, None));
        assert!(!run("default-src 'self'", None, None));
        assert!(run("default-src 'self'; script-src https://edge.example", None, None));
        assert!(!run("script-src https://edge.example; script-src-elem 'self'", None, None));
        assert!(run("script-src 'nonce-abc'", Some("abc"), None));
        assert!(!run("script-src 'Strict-Dynamic' https://edge.example", None, None));
        assert!(!Policies::of("", ["script-src 'self'"]).runs(&url(PAGE), &url(SCRIPT), None, None));
        assert!(!run("script-src 'nonce-abc'", Some("xyz"), None));
        assert!(!run("script-src 'nonce-abc' 'strict-dynamic' https://edge.example", None, None));
        assert!(run("script-src 'sha256-aaa='", None, Some("sha256-aaa=")));
        assert!(!run("script-src 'sha256-aaa='", None, Some("sha256-aaa= sha256-bbb=")));
        // A second policy may only take away.
        assert!(!run("script-src https://edge.example, script-src 'self'", None, None));
        // The first of two counts.
        assert!(run("script-src https://edge.example; script-src 'none'", None, None));
    }

    #[test]
    fn the_rest_falls_back_where_the_specification_says() {
        let policies = |text: &'static str| Policies::of(text, []);
        let edge = url("https://edge.example/v1/decide");
        assert!(!policies("default-src 'self'").connects(&url(PAGE), &edge));
        assert!(policies("default-src 'self'; connect-src https://edge.example").connects(&url(PAGE), &edge));
        assert!(!policies("child-src 'self'").frames(&url(PAGE), &edge));
        assert!(policies("child-src 'self'; frame-src edge.example").frames(&url(PAGE), &edge));
        assert!(!policies("img-src 'self' data:").shows(&url(PAGE), &edge));
        assert!(!policies("script-src 'self'").compiles());
        assert!(policies("script-src 'self' 'wasm-unsafe-eval'").compiles());
        assert!(policies("img-src 'self'").compiles());
        assert!(!policies("trusted-types other").trusts("portico"));
        assert!(!policies("trusted-types").trusts("portico"));
        assert!(policies("require-trusted-types-for 'script'").trusts("portico"));
        assert!(!policies("require-trusted-types-for 'script'; trusted-types other").trusts("portico"));
        assert!(policies("require-trusted-types-for 'script'; trusted-types other portico").trusts("portico"));
    }
}
