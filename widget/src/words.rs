//! The widget's own few words, by language. What offers say comes from the site's content instead.

/// The words of one language.
pub(crate) struct Words {
    /// The language they are in, as a BCP 47 tag.
    pub(crate) lang: &'static str,
    /// Name of the region that holds the offers.
    pub(crate) offers: &'static str,
    /// Button that puts an offer away.
    pub(crate) dismiss: &'static str,
    /// Line that takes the place of an offer put away.
    pub(crate) thanks: &'static str,
    /// Button that brings it back.
    pub(crate) undo: &'static str,
    /// Button that leaves a question without an answer.
    #[cfg_attr(not(feature = "ssr"), expect(dead_code, reason = "the edge alone paints questions"))]
    pub(crate) decline: &'static str,
    /// Line that takes the place of a question.
    #[cfg_attr(not(feature = "ssr"), expect(dead_code, reason = "the edge alone paints questions"))]
    pub(crate) answered: &'static str,
}

const ENGLISH: Words = Words {
    lang: "en",
    offers: "Offers for you",
    dismiss: "Not for me",
    thanks: "Thank you. We will show this less.",
    undo: "Undo",
    decline: "Not now",
    answered: "Thank you, noted.",
};

const CHINESE: Words = Words {
    lang: "zh-Hans",
    offers: "为您推荐",
    dismiss: "不感兴趣",
    thanks: "谢谢，我们会减少此类推荐。",
    undo: "撤销",
    decline: "暂不回答",
    answered: "谢谢，已记下。",
};

/// The words closest to a locale; English where there is nothing closer.
pub(crate) fn words(locale: &str) -> &'static Words {
    if primary(locale) == "zh" { &CHINESE } else { &ENGLISH }
}

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

fn primary(locale: &str) -> &str {
    locale.split(['-', '_']).next().unwrap_or_default()
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
        check("de", "Undo", Some("en"), "ltr");
        check("ar-EG", "Undo", Some("en"), "rtl");
        check("", "Undo", Some("en"), "ltr");
    }
}
