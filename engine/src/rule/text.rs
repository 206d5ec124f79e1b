//! Comparing texts without allocating: with or without regard to case, by glob, and as web addresses.
//!
//! No comparison costs more than the lengths of its two texts multiplied, and both are bounded (`limits`). Case is
//! ignored letter by letter by Unicode's lower case, in no particular language.

use std::str::Chars;

/// Whether capitals make a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Exact,
    Ignored,
}

impl Case {
    fn same(self, left: char, right: char) -> bool {
        left == right || (self == Self::Ignored && left.to_lowercase().eq(right.to_lowercase()))
    }

    pub(super) fn equal(self, text: &str, word: &str) -> bool {
        match self {
            Self::Exact => text == word,
            Self::Ignored => self.rest(text.chars(), word.chars()).is_some_and(|mut rest| rest.next().is_none()),
        }
    }

    pub(super) fn starts_with(self, text: &str, part: &str) -> bool {
        self.rest(text.chars(), part.chars()).is_some()
    }

    pub(super) fn ends_with(self, text: &str, part: &str) -> bool {
        self.rest(text.chars().rev(), part.chars().rev()).is_some()
    }

    pub(super) fn contains(self, text: &str, part: &str) -> bool {
        match self {
            Self::Exact => text.contains(part),
            Self::Ignored => {
                text.char_indices().any(|(at, _)| text.get(at..).is_some_and(|text| self.starts_with(text, part)))
            }
        }
    }

    /// What is left of the text's letters after the part's.
    fn rest<L: Iterator<Item = char>>(self, mut text: L, mut part: impl Iterator<Item = char>) -> Option<L> {
        part.all(|letter| text.next().is_some_and(|own| self.same(own, letter))).then_some(text)
    }

    /// `*` stands for any letters or none, `?` for one letter if `single` says so. Only the last star ever has to be
    /// tried again, so there is no blow-up.
    fn glob(self, text: &str, pattern: &str, single: Option<char>) -> bool {
        let (mut text, mut pattern) = (text.chars(), pattern.chars());
        let mut star: Option<(Chars<'_>, Chars<'_>)> = None;
        loop {
            let here = text.clone();
            match (pattern.next(), text.next()) {
                (None, None) => return true,
                (Some('*'), _) => {
                    text = here;
                    star = Some((text.clone(), pattern.clone()));
                }
                (Some(_), None) => return false,
                (Some(wanted), Some(own)) if Some(wanted) == single || self.same(own, wanted) => {}
                (_, Some(_)) => {
                    let Some((tried, after)) = &mut star else { return false };
                    tried.next();
                    (text, pattern) = (tried.clone(), after.clone());
                }
            }
        }
    }

    /// Whether the whole text matches a pattern of letters, `*` and `?`.
    pub(super) fn matches(self, text: &str, pattern: &str) -> bool {
        self.glob(text, pattern, Some('?'))
    }
}

/// Whether a web address or a path matches a pattern such as `*.example.com/loans/*` or `/loans/*`. Scheme, user, port,
/// query and fragment are ignored on both sides, a slash at the end too; `None` when the pattern asks for a host and
/// the address has none.
pub(super) fn url_matches(address: &str, pattern: &str, case: Case) -> Option<bool> {
    let ((host, path), (wanted_host, wanted_path)) = (parts(address), parts(pattern));
    let path_fits = wanted_path.is_none_or(|wanted| {
        let (path, wanted) = (path.unwrap_or("/"), wanted.strip_suffix('/').unwrap_or(wanted));
        case.glob(path, wanted, None) || case.glob(path.strip_suffix('/').unwrap_or(path), wanted, None)
    });
    match (wanted_host, host) {
        _ if !path_fits => Some(false),
        (None, _) => Some(true),
        (Some(wanted), Some(host)) => Some(Case::Ignored.glob(host, wanted, None)),
        (Some(_), None) => None,
    }
}

/// Host and path, each where there is one.
fn parts(address: &str) -> (Option<&str>, Option<&str>) {
    let address = address.split(['?', '#']).next().unwrap_or("");
    if address.starts_with('/') && !address.starts_with("//") {
        return (None, Some(address));
    }
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (authority, path) = match rest.find('/').and_then(|at| rest.split_at_checked(at)) {
        Some((authority, path)) => (authority, Some(path)),
        None => (rest, None),
    };
    let host = authority.rsplit('@').next().unwrap_or("");
    let port = host.rfind(':').filter(|at| host.rfind(']').is_none_or(|bracket| bracket < *at));
    let host = port.and_then(|at| host.get(..at)).unwrap_or(host);
    ((!host.is_empty()).then_some(host), path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_texts() {
        let check =
            |pattern, text, case: Case, expect| assert_eq!(case.matches(text, pattern), expect, "{pattern} {text}");
        check("", "", Case::Exact, true);
        check("*", "", Case::Exact, true);
        check("?", "", Case::Exact, false);
        check("a*c", "abcabc", Case::Exact, true);
        check("a*c", "abcab", Case::Exact, false);
        check("*ab*ab*", "abab", Case::Exact, true);
        check("*ab*ab*", "aba", Case::Exact, false);
        check("SW1A ?AA", "SW1A 1AA", Case::Exact, true);
        check("sw1a*", "SW1A 1AA", Case::Exact, false);
        check("sw1a*", "SW1A 1AA", Case::Ignored, true);
        check("ÜBER*", "überweisung", Case::Ignored, true);
        check("贷?*", "贷款利率", Case::Exact, true);
        check("**a", "a", Case::Exact, true);
        check("a", "ab", Case::Exact, false);
    }

    #[test]
    fn a_hostile_text_comes_to_an_end() {
        // Trying every star again would take longer than the earth has.
        let (text, pattern) = ("a".repeat(2_048), "*a".repeat(127) + "b");
        assert!(!Case::Ignored.matches(&text, &pattern));
        assert!(Case::Ignored.matches(&(text + "b"), &pattern));
    }

    #[test]
    fn parts_of_texts_are_found_in_any_case() {
        let check = |text, part, contains, starts, ends| {
            let found =
                |case: Case| (case.contains(text, part), case.starts_with(text, part), case.ends_with(text, part));
            assert_eq!(found(Case::Ignored), (contains, starts, ends), "{part} in {text}");
            let (text, part) = (text.to_lowercase(), part.to_lowercase());
            let exact = (text.contains(&part), text.starts_with(&part), text.ends_with(&part));
            assert_eq!(exact, (contains, starts, ends), "{part} in {text}");
        };
        check("Mortgage Rates", "mort", true, true, false);
        check("Mortgage Rates", "RATES", true, false, true);
        check("Mortgage Rates", "e r", true, false, false);
        check("Mortgage Rates", "rates?", false, false, false);
        check("Straße", "STRASSE", false, false, false);
    }

    #[test]
    fn addresses_match_by_host_and_path() {
        let check = |pattern, address, expect| {
            assert_eq!(url_matches(address, pattern, Case::Exact), expect, "{pattern} {address}")
        };
        check("/loans/*", "https://www.example.com/loans/car?x=1#top", Some(true));
        check("/loans/*", "/loans/car", Some(true));
        check("/loans/*", "/loans/", Some(true));
        check("/loans/*", "/loans", Some(false));
        check("/loans", "/loans/", Some(true));
        check("/loans/", "https://example.com/loans", Some(true));
        check("/", "https://example.com", Some(true));
        check("/", "https://example.com/?next=/loans", Some(true));
        check("/", "https://example.com/loans", Some(false));
        check("/Loans", "/loans", Some(false));
        check("*.example.com", "http://WWW.Example.com:8080/any/where", Some(true));
        check("*.example.com", "https://example.com/", Some(false));
        check("example.com/loans", "//example.com/loans", Some(true));
        check("https://example.com/loans?from=ad", "http://user:word@example.com/loans", Some(true));
        check("example.com", "https://evil.test/example.com", Some(false));
        check("example.com", "https://evil.test/?https://example.com", Some(false));
        check("example.com/loans", "/loans", None);
        check("example.com/loans", "/cards", Some(false));
        check("[::1]/a", "http://[::1]:80/a", Some(true));
        check("example.com", "", None);
    }
}
