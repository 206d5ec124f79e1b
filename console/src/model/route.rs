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
    /// What is wrong with the installation in a page, and which page.
    Doctor(Option<String>),
    /// The live page with one decision opened.
    Decision(String),
}

/// Before the address of a page to be looked at.
const DOCTOR: &str = "/doctor?url=";
/// Longest address that is one.
const LONGEST_URL: usize = 4096;
/// Longest code or id that is believed to be one.
const LONGEST: usize = 200;

/// The route of a fragment (with or without `#`); anything unknown is the live page.
pub(crate) fn route(fragment: &str) -> Route {
    let fragment = fragment.trim_start_matches('#');
    match fragment.strip_prefix("/decision/") {
        Some(id) if is_word(id) => Route::Decision(id.to_owned()),
        None if fragment == "/customers" => Route::Customers,
        None if fragment == "/doctor" => Route::Doctor(None),
        None => match fragment.strip_prefix(DOCTOR) {
            Some(url) => Route::Doctor(Some(decoded(url)).filter(|url| !url.is_empty() && url.len() <= LONGEST_URL)),
            None => Route::Live,
        },
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

/// The fragment under which a page is looked at.
pub(crate) fn doctor_href(url: &str) -> String {
    let encoded = url.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b':' | b'/' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    });
    format!("#{DOCTOR}{}", encoded.collect::<String>())
}

/// Without percent-encoding; what is no UTF-8 is replaced.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        let code = after.get(..2).filter(|_| *first == b'%').and_then(|code| std::str::from_utf8(code).ok());
        let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = after.get(if byte.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
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
        check("#/doctor", Route::Doctor(None), None);
        check("#/doctor?url=", Route::Doctor(None), None);
        check("#/doctor?url=https://a.example/%C3%A4", Route::Doctor(Some("https://a.example/ä".to_owned())), None);
        check("#/doctor?url=https%3A%2F%2Fa.example%2F%", Route::Doctor(Some("https://a.example/%".to_owned())), None);
        check("#/decision/<b>", Route::Live, None);
        check("#login=abc", Route::Live, Some("abc"));
        check("#login=", Route::Live, None);
        check(&format!("#login={}", "a".repeat(201)), Route::Live, None);
        let page = "https://a.example/ü?b=c&d=100%#e";
        assert_eq!(route(&doctor_href(page)), Route::Doctor(Some(page.to_owned())));
        assert_eq!(route(&decision_href("x")), Route::Decision("x".to_owned()));
    }
}
