//! Which of several languages is closest to the one that somebody wants.

/// The tag among `tags` that is closest to `wanted` (BCP 47; `_` for `-` is understood): the same, else the same language in
/// the same script, else the same language; the first where several are. Chinese without a script is simplified, but
/// traditional in Taiwan, Hong Kong and Macau, as in the likely subtags of CLDR.
pub fn nearest<'a>(tags: impl IntoIterator<Item = &'a str>, wanted: &str) -> Option<&'a str> {
    let mut best = (0, None);
    for tag in tags {
        let found = closeness(tag, wanted);
        if found > best.0 {
            best = (found, Some(tag));
        }
    }
    best.1
}

/// The primary language subtag as it is written.
#[must_use]
pub fn primary(tag: &str) -> &str {
    subtags(tag).next().unwrap_or_default()
}

fn subtags(tag: &str) -> impl Iterator<Item = &str> {
    tag.split(['-', '_'])
}

fn closeness(tag: &str, wanted: &str) -> u8 {
    if tag.is_empty() || !primary(tag).eq_ignore_ascii_case(primary(wanted)) {
        0
    } else if tag.eq_ignore_ascii_case(wanted) {
        3
    } else if is_traditional(tag) == is_traditional(wanted) {
        2
    } else {
        1
    }
}

/// Whether a tag of Chinese means traditional characters; no other language is written so.
fn is_traditional(tag: &str) -> bool {
    let any = |of: &[&str]| subtags(tag).skip(1).any(|subtag| of.iter().any(|one| one.eq_ignore_ascii_case(subtag)));
    any(&["Hant"]) || (any(&["TW", "HK", "MO"]) && primary(tag).eq_ignore_ascii_case("zh") && !any(&["Hans"]))
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_closest_language_is_found() {
        let check = |tags: &[&str], wanted: &str, expect: Option<&str>| {
            assert_eq!(nearest(tags.iter().copied(), wanted), expect, "{wanted} among {tags:?}");
        };
        let all = ["en", "ar", "de", "zh-Hans", "zh-Hant"];
        check(&all, "en-GB", Some("en"));
        check(&all, "DE_at", Some("de"));
        check(&all, "zh", Some("zh-Hans"));
        check(&all, "zh-CN", Some("zh-Hans"));
        check(&all, "zh_TW", Some("zh-Hant"));
        check(&all, "zh-Hant-HK", Some("zh-Hant"));
        check(&all, "zh-Hans-HK", Some("zh-Hans"));
        check(&all, "fr", None);
        check(&all, "", None);
        check(&["zh-Hans"], "zh-TW", Some("zh-Hans"));
        check(&["en-GB", "en-US", "en"], "en", Some("en"));
        check(&["en-GB", "en-US"], "en-AU", Some("en-GB"));
        check(&[], "en", None);
    }
}
