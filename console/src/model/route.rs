//! What the address says. Only the fragment varies, so this is a function and not a router: the console is one
//! document, and a sign-in code in the fragment never reaches a server's log.

/// Where the address leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Route {
    /// The live page.
    #[default]
    Live,
    /// What people are after, and what customers are worth.
    Customers,
    /// The live page with one decision opened.
    Decision(String),
}

/// Longest code or id that is believed to be one.
const LONGEST: usize = 200;

/// The route of a fragment (with or without `#`); anything unknown is the live page.
pub(crate) fn route(fragment: &str) -> Route {
    let fragment = fragment.trim_start_matches('#');
    match fragment.strip_prefix("/decision/") {
        Some(id) if is_word(id) => Route::Decision(id.to_owned()),
        None if fragment == "/customers" => Route::Customers,
        _ => Route::Live,
    }
}

/// The sign-in code of a fragment.
pub(crate) fn login_code(fragment: &str) -> Option<&str> {
    fragment.trim_start_matches('#').strip_prefix("login=").filter(|code| is_word(code))
}

/// The address of a decision.
pub(crate) fn decision_href(id: &str) -> String {
    format!("#/decision/{id}")
}

fn is_word(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~:".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments() {
        fn check(fragment: &str, expect: Route, code: Option<&str>) {
            assert_eq!((route(fragment), login_code(fragment)), (expect, code), "{fragment}");
        }
        check("", Route::Live, None);
        check("#/", Route::Live, None);
        check("#/decision/a-1_B", Route::Decision("a-1_B".to_owned()), None);
        check("#/decision/", Route::Live, None);
        check("#/customers", Route::Customers, None);
        check("#/decision/<b>", Route::Live, None);
        check("#login=abc", Route::Live, Some("abc"));
        check("#login=", Route::Live, None);
        check(&format!("#login={}", "a".repeat(201)), Route::Live, None);
        assert_eq!(route(&decision_href("x")), Route::Decision("x".to_owned()));
    }
}
