//! What the edge paints, as snapshots, and what hostile content becomes.
#![cfg(feature = "ssr")]

use std::collections::BTreeSet;

use portico_protocol::content::{Layout, OfferContent, OfferImage, OfferView, PlacementView};
use portico_widget::{CORNER_STYLE, QUESTION_STYLE, STYLE, card, frame, render};

fn english() -> OfferContent {
    OfferContent {
        eyebrow: Some("Savings".to_owned()),
        title: "Savings Plus".to_owned(),
        body: "A little more on every pound, with nothing to lock away.".to_owned(),
        cta: "See the account".to_owned(),
        highlight: Some("4.10 % AER".to_owned()),
        terms: Some("Variable rate. Interest is paid monthly.".to_owned()),
        image: Some(OfferImage {
            url: "https://bank.example/savings.jpg".to_owned(),
            avif: Some("https://bank.example/savings.avif".to_owned()),
            webp: Some("https://bank.example/savings.webp".to_owned()),
            alt: "A jar that fills up".to_owned(),
            width: 640,
            height: 360,
        }),
    }
}

fn chinese() -> OfferContent {
    OfferContent {
        title: "优享储蓄".to_owned(),
        body: "每一分钱都多一点收益，随存随取。".to_owned(),
        cta: "了解详情".to_owned(),
        ..OfferContent::default()
    }
}

fn view(layout: Layout, locale: &str, contents: &[OfferContent]) -> PlacementView {
    PlacementView {
        id: "home-hero".to_owned(),
        layout,
        locale: locale.to_owned(),
        offers: contents
            .iter()
            .enumerate()
            .map(|(index, content)| OfferView {
                offer: format!("offer-{index}"),
                token: format!("token-{index}"),
                href: format!("/v1/go/token-{index}"),
                content: content.clone(),
            })
            .collect(),
    }
}

/// One element a line, so that a change of the markup is a change of few lines.
fn lines(html: &str) -> String {
    html.replace('<', "\n<").trim_start().to_owned()
}

#[test]
fn each_layout_in_each_language() {
    for (name, layout) in
        [("hero", Layout::Hero), ("list", Layout::List), ("inline", Layout::Inline), ("corner", Layout::Corner)]
    {
        for (locale, content) in [("en", english()), ("zh-Hans", chinese())] {
            let contents = vec![content; if layout == Layout::List { 2 } else { 1 }];
            insta::assert_snapshot!(format!("{name}_{locale}"), lines(&render(&view(layout, locale, &contents))));
        }
    }
}

#[test]
fn parts_put_together_are_the_whole() {
    // The address that stands for the link's is looked for until the content does not have it.
    let hostile = OfferContent {
        title: "/- /-- </ul> <!></ul>".to_owned(),
        body: "\" href=\"/---\"".to_owned(),
        cta: "&".to_owned(),
        ..OfferContent::default()
    };
    for layout in [Layout::Hero, Layout::List, Layout::Inline, Layout::Corner] {
        for locale in ["en", "zh-Hans", "ar-EG"] {
            for contents in [vec![english()], vec![english(), chinese(), hostile.clone()], vec![hostile.clone()]] {
                let view = view(layout, locale, &contents);
                let frame = frame(&view.id, layout, locale).unwrap();
                let cards = view.offers.iter().map(|offer| {
                    let card = card(&offer.offer, &offer.content, layout, locale).unwrap();
                    [&*card.before, &offer.href, &card.after].concat()
                });
                let together = [frame.before.clone(), cards.collect(), frame.after.clone()].concat();
                assert_eq!(together, render(&view));
            }
        }
    }
    assert!(frame("\"><!></ul>", Layout::List, "en").is_some());
}

#[test]
fn own_words_in_foreign_content_say_their_language() {
    let html = render(&view(Layout::List, "he-IL", &[chinese()]));
    assert!(html.contains(r#"dir="rtl" lang="he-IL""#), "{html}");
    assert!(html.contains(r#"part="dismiss" lang="en""#), "{html}");
}

#[test]
fn no_offers_is_no_markup() {
    assert_eq!(render(&view(Layout::List, "en", &[])), "");
}

/// The HTML without its text and its attributes' values: what must not depend on content.
fn skeleton(html: &str) -> Vec<String> {
    html.split('<')
        .skip(1)
        .filter_map(|rest| rest.split('>').next())
        .map(|tag| tag.split('"').step_by(2).collect())
        .collect()
}

#[test]
fn hostile_content_is_text() {
    let honest = render(&view(Layout::Hero, "en", &[english()]));
    let attacks = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)",
        "</section></template><style>*{display:none}</style>",
        "&lt;script&gt; &amp; &quot;",
        "<!-- --><!>",
        "\u{202e}txet desrever\u{202c} \u{2066}\u{0}",
        &"<b>x".repeat(2_500),
    ];
    for attack in attacks {
        let text = || attack.to_owned();
        let mut evil = view(
            Layout::Hero,
            "en",
            &[OfferContent {
                eyebrow: Some(text()),
                title: text(),
                body: text(),
                cta: text(),
                highlight: Some(text()),
                terms: Some(text()),
                image: Some(OfferImage {
                    url: format!("https://x/{attack}"),
                    avif: Some(format!("https://x/{attack}")),
                    webp: Some(format!("/{attack}")),
                    alt: text(),
                    width: 1,
                    height: 1,
                }),
            }],
        );
        let offer = evil.offers.first_mut().unwrap();
        offer.href = format!("/v1/go/{attack}");
        offer.token = text();
        offer.offer = text();
        evil.id = text();
        evil.locale = format!("en-{attack}");
        let html = render(&evil);
        assert_eq!(skeleton(&html), skeleton(&honest), "{attack}");
    }
}

#[test]
fn only_web_addresses_become_links() {
    for (address, kept) in [
        ("https://edge.example/v1/go/t", true),
        ("http://127.0.0.1:8787/v1/go/t", true),
        ("/v1/go/t", true),
        ("javascript:alert(1)", false),
        (" javascript:alert(1)", false),
        ("data:text/html,x", false),
    ] {
        let mut view = view(Layout::Hero, "en", &[english()]);
        let offer = view.offers.first_mut().unwrap();
        offer.href = address.to_owned();
        offer.content.image.as_mut().unwrap().url = address.to_owned();
        let html = render(&view);
        assert_eq!(html.contains(&format!("href=\"{address}\"")), kept, "{html}");
        assert_eq!(html.contains(&format!("src=\"{address}\"")), kept, "{html}");
    }
}

#[test]
fn the_style_is_small_and_asks_for_nothing() {
    assert!(STYLE.len() < 4_928, "{}", STYLE.len());
    for style in [STYLE, CORNER_STYLE, QUESTION_STYLE] {
        for word in ["url(", "@import", "<"] {
            assert!(!style.contains(word), "{word}");
        }
        // Each weight and size of each family is a font that the browser has to find and open before it can paint: at a
        // quarter of this machine's speed the difference between a frame and a long task.
        for strong in style.split("font-weight:").skip(1) {
            assert!(strong.starts_with("600"), "{strong}");
        }
        for font in style.split("font:").skip(1) {
            assert!(font.starts_with("inherit"), "{font}");
        }
        for family in style.split("font-family:").skip(1) {
            assert!(family.starts_with("var(--portico-font,inherit)"), "{family}");
        }
    }
    let sizes: BTreeSet<_> =
        STYLE.split("font-size:").skip(1).filter_map(|size| size.split(['}', ';']).next()).collect();
    assert_eq!(sizes, BTreeSet::from([".8125em", "1em", "1.375em", "1.75em", "2.25em"]));
}
