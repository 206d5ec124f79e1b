//! A question under a placement's offers: painted by the edge and answered through the loader, without any WebAssembly.

use portico_protocol::decide::{AnswerChoice, QuestionResponse};
use tachys::html::element::{button, div, form, p, span};
use tachys::prelude::*;

use crate::words::{direction, words};

/// The HTML of a question, beside a placement's in a shadow root that carries [`STYLE`](crate::STYLE) and [`QUESTION_STYLE`].
///
/// Each button has the question's id for a name and its answer, as JSON, for a value; the one that declines has none.
pub fn question(view: &QuestionResponse) -> String {
    let words = words(&view.locale);
    let lang = words.lang_within(&view.locale);
    let answer = |AnswerChoice { value, label }: &AnswerChoice| {
        let value = value.to_string();
        button().r#type("button").class("answer").part("answer").name(view.id.clone()).value(value).child(label.clone())
    };
    let answers: Vec<_> = view.answers.iter().map(answer).collect();
    let decline = button()
        .r#type("button")
        .class("decline")
        .part("decline")
        .name(view.id.clone())
        .value("")
        .lang(lang)
        .child(words.decline);
    form()
        .class("offers question")
        .part("question")
        .dir(direction(&view.locale))
        .lang(view.locale.clone())
        .child((
            div().class("ask").role("group").aria_label(view.text.clone()).child((
                p().class("text").part("question-text").child(view.text.clone()),
                div().class("answers").child((answers, decline)),
            )),
            p().class("thanks")
                .part("thanks")
                .lang(lang)
                .tabindex("-1")
                .hidden(true)
                .child(span().child(words.answered)),
        ))
        .to_html()
}

/// The style of a question, beside that of the offers.
pub const QUESTION_STYLE: &str = include_str!("question.css");
