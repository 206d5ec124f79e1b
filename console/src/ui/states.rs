//! The screens for when there is nothing to draw, or not the newest.

use leptos::prelude::*;

use super::parts::clock_offset_min;
use crate::console::Console;
use crate::live;
use crate::model::format;
use crate::model::link::{Failure, Link, Out, Session};
use crate::text::Text;

const DEMO: &str = "cargo xtask demo";
const SIMULATE: &str = "cargo xtask demo --simulate 20000";

/// The code of the link is on its way.
pub(super) fn signing_in(c: Console) -> impl IntoView {
    view! {
        <section class="card message" role="status">
            <h2>{move || c.t().signing_in}</h2>
            <div class="progress" aria-hidden="true"></div>
        </section>
    }
}

/// There is no session: why, and what to do.
pub(super) fn signed_out(c: Console) -> impl IntoView {
    let why = move || match c.session.get() {
        Session::Out(why) => why,
        Session::SigningIn | Session::Open => Out::None,
    };
    let words = move || {
        let t = c.t();
        match why() {
            Out::None => (t.out_none, t.out_none_detail, None),
            Out::LinkSpent => (t.out_spent, t.out_spent_detail, None),
            Out::Failed(failure) => (t.out_failed, t.out_spent_detail, Some(told(t, &failure))),
        }
    };
    view! {
        <section class="card message" role="status">
            <h2>{move || words().0}</h2>
            {move || words().2.map(|(title, detail)| view! { <p class="failure"><b>{title}</b>" "{detail}</p> })}
            <p>{move || words().1}</p>
            <pre><code>{DEMO}</code></pre>
            <p class="muted">{move || c.t().out_how}</p>
        </section>
    }
}

/// The first report could not be had.
pub(super) fn failed(c: Console) -> impl IntoView {
    view! {
        <section class="card message" role="alert">
            {move || failure(c).map(|(title, detail, next)| view! {
                <h2>{title}</h2>
                <p>{detail}</p>
                <p class="muted">{next}</p>
            })}
            {again(c)}
        </section>
    }
}

/// A banner over figures that are not the newest.
pub(super) fn stale(c: Console) -> impl IntoView {
    let since = move || {
        let now = c.of_report(|report| report.now);
        c.lang.get().figures_from(&format::clock(now, clock_offset_min()))
    };
    move || {
        failure(c).map(|(title, detail, next)| {
            view! {
                <section class="banner" role="alert">
                    <p><b>{title}</b>" "{detail}" "{since()}" "{next}</p>
                    {again(c)}
                </section>
            }
        })
    }
}

fn again(c: Console) -> impl IntoView {
    view! {
        <p class="actions">
            <button type="button" class="primary" on:click=move |_| live::wake(c)>{move || c.t().retry}</button>
            <button type="button" on:click=move |_| {
                // Refused only for documents without a location.
                let _ = location().reload();
            }>{move || c.t().reload}</button>
        </p>
    }
}

/// Title, detail and next try of the failure, if the last request failed.
fn failure(c: Console) -> Option<(String, String, String)> {
    match c.link.get() {
        Link::Retrying { failure, delay_ms } => {
            let (title, detail) = told(c.t(), &failure);
            Some((title, detail, c.lang.get().next_try(delay_ms)))
        }
        Link::Connecting | Link::Live => None,
    }
}

/// What happened, in words; the edge's own words where it sent a problem document.
pub(super) fn told(t: &Text, failure: &Failure) -> (String, String) {
    let (title, detail) = match failure {
        Failure::Offline => (t.fail_offline, t.fail_offline_detail),
        Failure::Unreachable => (t.fail_unreachable, t.fail_unreachable_detail),
        Failure::Unreadable => (t.fail_unreadable, t.fail_unreadable_detail),
        Failure::Problem(problem) => return (sentence(&problem.title), problem.detail.clone()),
    };
    (sentence(title), detail.to_owned())
}

fn sentence(text: &str) -> String {
    match text.chars().last() {
        Some('.' | '。' | '?' | '？') | None => text.to_owned(),
        Some(last) if !last.is_ascii() => format!("{text}。"),
        Some(_) => format!("{text}."),
    }
}

/// What to do while nobody has come.
pub(super) fn no_visitor_yet(c: Console) -> impl IntoView {
    let nobody = Memo::new(move |_| {
        c.report.with(|report| {
            report.as_ref().is_some_and(|r| {
                r.decisions.is_empty()
                    && r.offers.iter().flat_map(|o| o.arms.values()).all(|counts| counts.impressions == 0)
            })
        })
    });
    move || {
        nobody.get().then(|| {
            view! {
                <section class="banner calm" role="status">
                    <p><b>{move || c.t().empty}</b>" "{move || c.t().empty_detail}" "<code>{SIMULATE}</code></p>
                </section>
            }
        })
    }
}

/// The live page before its first figures, of the same size.
pub(super) fn skeleton(c: Console) -> impl IntoView {
    view! {
        <div class="skeleton" role="status" aria-label=move || c.t().loading>
            <div class="figures"><div></div><div></div><div></div><div></div></div>
            <div class="learning"><div class="card"></div><div class="card"></div></div>
            <div class="card"></div>
        </div>
    }
}
