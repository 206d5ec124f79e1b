//! The widget's own few words, by language (`widget/words/*.ftl`). What offers say comes from the site's content instead.

use portico_protocol::language::primary;

include!(concat!(env!("OUT_DIR"), "/words.rs"));

impl Words {
    /// The `lang` that these words need inside content of `locale`: none when they are in its language.
    pub(crate) fn lang_within(&self, locale: &str) -> Option<&'static str> {
        (primary(locale) != primary(self.lang)).then_some(self.lang)
    }
}

/// The value of `dir` for a locale.
pub(crate) fn direction(locale: &str) -> &'static str {
    // Languages written from right to left in their usual script. A script subtag that says otherwise is too rare to pay for.
    match primary(locale) {
        "ar" | "ckb" | "dv" | "fa" | "he" | "ps" | "sd" | "ug" | "ur" | "yi" => "rtl",
        _ => "ltr",
    }
}

#[cfg(test)]
mod tests {
    use super::{direction, words};

    #[test]
    fn a_locale_finds_its_words_and_direction() {
        let check = |locale: &str, undo: &str, lang: Option<&str>, dir: &str| {
            let found = words(locale);
            assert_eq!((found.undo, found.lang_within(locale), direction(locale)), (undo, lang, dir), "{locale}");
        };
        check("en", "Undo", None, "ltr");
        check("en-GB", "Undo", None, "ltr");
        check("zh-Hans", "撤销", None, "ltr");
        check("zh_CN", "撤销", None, "ltr");
        check("zh-TW", "復原", None, "ltr");
        check("de-CH", "Rückgängig", None, "ltr");
        check("ar-EG", "تراجع", None, "rtl");
        check("fr", "Undo", Some("en"), "ltr");
        check("he", "Undo", Some("en"), "rtl");
        check("", "Undo", Some("en"), "ltr");
    }
}
