//! The answer to a decision as JSON, put together out of prints: a [`DecideResponse`] without anything in it being copied,
//! painted or escaped twice.
//!
//! [`DecideResponse`]: portico_protocol::decide::DecideResponse

use std::rc::Rc;

use portico_engine::{Arm, PlacementTrace};
use portico_protocol::content::Layout;
use portico_protocol::decide::QuestionResponse;
use portico_protocol::site::SiteConfig;
use serde::Serialize;

use crate::error::Failure;
use crate::prints::{OfferPrint, Prints};

thread_local! {
    /// By what is painted: offers, a corner, a question; each as it stands within a JSON string.
    static STYLES: [String; 3] =
        [portico_widget::STYLE, portico_widget::CORNER_STYLE, portico_widget::QUESTION_STYLE].map(within_quotes);
}

/// A text as it stands between the quotes of a JSON string.
fn within_quotes(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default().to_owned()
}

/// An offer that is shown.
pub(super) struct Shown<'a> {
    pub(super) offer: &'a str,
    pub(super) rank: u32,
    pub(super) score: Option<f64>,
    pub(super) propensity: Option<f64>,
    /// Its site and its sealed record: letters, digits, `-`, `_` and `~`, which mean themselves in JSON and HTML.
    pub(super) token: String,
    pub(super) print: Rc<OfferPrint>,
}

/// Where offers are painted.
pub(super) struct Paper<'a> {
    config: &'a SiteConfig,
    prints: &'a Prints,
    /// Links lead to it.
    origin: &'a str,
}

impl<'a> Paper<'a> {
    /// Links lead to the edge's own origin, as the caller named it. One with other signs than hosts have is no host of ours
    /// and must not reach the HTML: links then lead to wherever the HTML came from.
    pub(super) fn new(config: &'a SiteConfig, prints: &'a Prints, own_origin: &'a str) -> Self {
        let is_plain = own_origin.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/.-_[]".contains(&byte));
        Self { config, prints, origin: if is_plain { own_origin } else { "" } }
    }
}

/// An answer as it grows.
pub(super) struct Answer {
    text: Vec<u8>,
    placements: usize,
    has_corner: bool,
}

impl Answer {
    /// With what comes before the placements.
    pub(super) fn begin(visitor: Option<&str>, decision: &str, config: u64, model: u64) -> Result<Self, Failure> {
        let mut answer = Self { text: Vec::with_capacity(16 * 1024), placements: 0, has_corner: false };
        answer.raw(r#"{"visitor":"#).value(&visitor)?.raw(r#","decision":"#).value(decision)?;
        answer.raw(r#","config":"#).value(&config)?.raw(r#","model":"#).value(&model)?;
        answer.raw(r#","placements":["#);
        Ok(answer)
    }

    fn raw(&mut self, text: &str) -> &mut Self {
        self.text.extend_from_slice(text.as_bytes());
        self
    }

    fn value(&mut self, value: &(impl Serialize + ?Sized)) -> Result<&mut Self, Failure> {
        serde_json::to_writer(&mut self.text, value)?;
        Ok(self)
    }

    /// A placement, painted if there is paper.
    pub(super) fn placement(
        &mut self,
        id: &str,
        arm: Option<Arm>,
        reason: Option<&str>,
        layout: Layout,
        offers: &[Shown<'_>],
        (paper, under): (Option<&Paper<'_>>, Option<&str>),
    ) -> Result<(), Failure> {
        if self.placements > 0 {
            self.raw(",");
        }
        self.placements += 1;
        self.raw(r#"{"id":"#).value(id)?.raw(r#","arm":"#).value(&arm)?.raw(r#","reason":"#).value(&reason)?;
        self.raw(r#","layout":"#).value(&layout)?;
        if let Some(paper) = paper {
            self.has_corner |= layout == Layout::Corner && !offers.is_empty();
            self.raw(r#","html":""#).paint(id, layout, offers, paper)?;
            if let Some(under) = under {
                self.raw(&within_quotes(under));
            }
            self.raw("\"");
        }
        self.raw(r#","offers":["#);
        for (at, Shown { offer, rank, score, propensity, token, print }) in offers.iter().enumerate() {
            self.raw(if at == 0 { r#"{"offer":"# } else { r#",{"offer":"# }).value(offer)?;
            self.raw(r#","rank":"#).value(rank)?.raw(r#","score":"#).value(score)?;
            self.raw(r#","propensity":"#).value(propensity)?;
            self.raw(r#","token":""#).raw(token).raw(r#"","href":"/v1/go/"#).raw(token);
            self.raw(r#"","content":"#).raw(&print.content).raw("}");
        }
        self.raw("]}");
        Ok(())
    }

    /// HTML within a JSON string; none without offers, so that the slot keeps what the host put there.
    fn paint(
        &mut self,
        id: &str,
        layout: Layout,
        offers: &[Shown<'_>],
        Paper { config, prints, origin }: &Paper<'_>,
    ) -> Result<&mut Self, Failure> {
        let Some(last) = offers.last() else { return Ok(self) };
        let locale = &last.print.locale;
        let frame = prints.frame(id, layout, locale)?;
        self.raw(&frame.before);
        for shown in offers {
            let card = prints.card(config, shown.offer, &shown.print.locale, layout, locale)?;
            self.raw(&card.before).raw(origin).raw("/v1/go/").raw(&shown.token).raw(&card.after);
        }
        Ok(self.raw(&frame.after))
    }

    /// With what comes after the placements.
    pub(super) fn end(
        mut self,
        styled: bool,
        question: Option<&QuestionResponse>,
        trace: Option<&[PlacementTrace]>,
    ) -> Result<Vec<u8>, Failure> {
        self.raw("]");
        if styled {
            let wanted = [true, self.has_corner, question.is_some()];
            self.raw(r#","style":""#);
            STYLES.with(|styles| {
                for (style, _) in styles.iter().zip(wanted).filter(|(_, wanted)| *wanted) {
                    self.raw(style);
                }
            });
            self.raw("\"");
        }
        if let Some(question) = question {
            self.raw(r#","question":"#).value(question)?;
        }
        if let Some(trace) = trace {
            self.raw(r#","trace":"#).value(trace)?;
        }
        self.raw("}");
        Ok(self.text)
    }
}

#[cfg(test)]
mod tests {
    use portico_protocol::content::{OfferContent, OfferView, PlacementView};
    use portico_protocol::decide::{DecideResponse, OfferResponse, PlacementResponse};
    use serde_json::json;

    use super::*;

    const ORIGIN: &str = "https://edge.example";

    /// A quoted "bank": two offers, one of them in one language only.
    fn config() -> SiteConfig {
        let words = |title: &str| json!({ "title": title, "body": "A <b>\"rate\"</b>\n& more \u{1}", "cta": "打开" });
        let both = json!({ "target": "https://a.example/", "locales": { "en": words("One"), "zh-Hans": words("一") } });
        let one = json!({ "target": "https://a.example/", "locales": { "en": words("Two") } });
        serde_json::from_value(json!({
            "name": "Bank", "locales": ["en", "zh-Hans"], "origins": [], "decisions": { "attributes": [], "groups": [], "offers": [], "kpis": [], "placements": [], "stages": [] },
            "content": { "one": both, "two\"": one },
        }))
        .unwrap()
    }

    fn content<'a>(config: &'a SiteConfig, offer: &str, locale: &str) -> (&'a str, &'a OfferContent) {
        config.words(offer, locale).unwrap()
    }

    #[test]
    fn what_is_put_together_is_what_the_wire_type_would_be() {
        let (config, prints) = (config(), Prints::default());
        let paper = Paper::new(&config, &prints, ORIGIN);
        // Twice, for the second time everything has been printed before.
        for (html, locale) in [(true, "en"), (true, "zh-Hans"), (false, "zh-Hans"), (true, "zh-Hans")] {
            let mut answer = Answer::begin(html.then_some("token \""), "d-1", 12, 345).unwrap();
            let mut expect = DecideResponse {
                visitor: html.then(|| "token \"".to_owned()),
                decision: "d-1".to_owned(),
                config: 12,
                model: 345,
                placements: Vec::new(),
                style: html.then(|| portico_widget::STYLE.to_owned()),
                question: None,
                trace: None,
            };
            for (id, layout, offers) in [
                ("hero", Layout::Hero, vec!["one"]),
                ("li\"st", Layout::List, vec!["one", "two\""]),
                ("none", Layout::Inline, Vec::new()),
            ] {
                let shown = |(rank, offer): (u32, &&'static str)| Shown {
                    offer,
                    rank,
                    score: Some(1.25),
                    propensity: None,
                    token: format!("bank~token{rank}"),
                    print: prints.offer(&config, offer, locale).unwrap().unwrap(),
                };
                let shown: Vec<Shown<'_>> = (1..).zip(&offers).map(shown).collect();
                let reason = offers.is_empty().then_some("nothing_eligible");
                answer.placement(id, Some(Arm::Model), reason, layout, &shown, (html.then_some(&paper), None)).unwrap();
                let view = PlacementView {
                    id: id.to_owned(),
                    layout,
                    locale: offers.last().map_or(locale, |last| content(&config, last, locale).0).to_owned(),
                    offers: shown
                        .iter()
                        .map(|shown| OfferView {
                            offer: shown.offer.to_owned(),
                            token: shown.token.clone(),
                            href: format!("{ORIGIN}/v1/go/{}", shown.token),
                            content: content(&config, shown.offer, locale).1.clone(),
                        })
                        .collect(),
                };
                expect.placements.push(PlacementResponse {
                    id: id.to_owned(),
                    arm: Some(Arm::Model),
                    reason: reason.map(str::to_owned),
                    layout,
                    html: html.then(|| portico_widget::render(&view)),
                    offers: shown
                        .iter()
                        .map(|shown| OfferResponse {
                            offer: shown.offer.to_owned(),
                            rank: shown.rank,
                            score: shown.score,
                            propensity: None,
                            token: shown.token.clone(),
                            href: format!("/v1/go/{}", shown.token),
                            content: content(&config, shown.offer, locale).1.clone(),
                        })
                        .collect(),
                });
            }
            let text = String::from_utf8(answer.end(html, None, None).unwrap()).unwrap();
            assert_eq!(text, serde_json::to_string(&expect).unwrap());
        }
    }

    #[test]
    fn what_is_no_host_does_not_reach_the_html() {
        let (config, prints) = (config(), Prints::default());
        for (origin, expect) in [
            ("http://127.0.0.1:8787", "http://127.0.0.1:8787"),
            ("https://[::1]:8787", "https://[::1]:8787"),
            ("http://a\"onfocus=\"b", ""),
            ("http://a&b", ""),
        ] {
            assert_eq!(Paper::new(&config, &prints, origin).origin, expect);
        }
    }
}
