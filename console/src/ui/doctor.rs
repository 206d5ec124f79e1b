//! The third screen: what is wrong with the installation in a page, and what mends it.

use leptos::prelude::*;
use portico_protocol::doctor::{DoctorReport, Finding, State};
use wasm_bindgen_futures::spawn_local;

use super::states::told;
use crate::api;
use crate::console::{Console, Examined};
use crate::findings;
use crate::model::route::{self, Route};

/// The screen. The address says which page is looked at, so that it can be handed on.
pub(super) fn screen(c: Console) -> impl IntoView {
    let wanted = Memo::new(move |_| match c.route.get() {
        Route::Doctor(url) => url,
        _ => None,
    });
    Effect::new(move |_| {
        if let Some(url) = wanted.get() {
            examine(c, url);
        }
    });
    view! {
        <section class="card doctor" aria-labelledby="doctor-title">
            <header class="card-head"><div>
                <h2 id="doctor-title">{move || c.t().doctor}</h2>
                <p class="muted">{move || c.t().doctor_note}</p>
            </div></header>
            {form(c, wanted)}
            <div aria-live="polite" aria-busy=move || c.examined.with(|examined| matches!(examined, Examined::Looking)).to_string()>
                {move || c.examined.with(|examined| match examined {
                    Examined::Nothing => ().into_any(),
                    Examined::Looking => view! {
                        <p class="muted">{c.t().doctor_looking}</p>
                        <div class="progress" aria-hidden="true"></div>
                    }.into_any(),
                    Examined::Failed(failure) => {
                        let (title, detail) = told(c.t(), failure);
                        view! { <p class="failure" role="alert"><b>{title}</b>" "{detail}</p> }.into_any()
                    }
                    Examined::Found(report) => found(c, report).into_any(),
                })}
            </div>
        </section>
    }
}

fn form(c: Console, wanted: Memo<Option<String>>) -> impl IntoView {
    let field = NodeRef::<leptos::html::Input>::new();
    let look = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let url = field.get_untracked().map(|field| field.value()).unwrap_or_default();
        let href = route::doctor_href(&url);
        // The same address once more is another look.
        if wanted.with_untracked(|wanted| wanted.as_deref() == Some(url.as_str())) {
            examine(c, url);
        } else {
            // Refused only for documents without a location.
            let _ = location().set_hash(&href);
        }
    };
    view! {
        <form class="ask" on:submit=look>
            <label for="doctor-url">{move || c.t().doctor_url}</label>
            <input id="doctor-url" node_ref=field type="url" required autocomplete="url" placeholder="https://" maxlength="4096"
                prop:value=move || wanted.get().unwrap_or_default() />
            <button class="primary">{move || c.t().doctor_look}</button>
        </form>
    }
}

/// Has a page looked at. An answer that comes after another question is dropped.
fn examine(c: Console, url: String) {
    c.examined.set(Examined::Looking);
    let turn = c.examinations.with_value(|turn| turn + 1);
    c.examinations.set_value(turn);
    spawn_local(async move {
        let examined = match api::examine(&url).await {
            Ok(report) => Examined::Found(report),
            Err(failure) => Examined::Failed(failure),
        };
        if c.examinations.with_value(|latest| *latest == turn) {
            c.examined.set(examined);
        }
    });
}

fn found(c: Console, report: &DoctorReport) -> impl IntoView {
    let count = |state: State| report.findings.iter().filter(|finding| finding.state == state).count();
    let (bad, notes) = (count(State::Bad), count(State::Note));
    let verdict = match (bad, notes) {
        (0, 0) => c.t().doctor_good.to_owned(),
        _ => c.lang.get().verdict(bad, notes),
    };
    let state = if bad > 0 {
        State::Bad
    } else if notes > 0 {
        State::Note
    } else {
        State::Good
    };
    view! {
        <div class="found-in">
            {sign(state)}
            <p><b>{verdict}</b>" "<span class="address">{report.url.clone()}</span></p>
        </div>
        <ul class="findings">{report.findings.iter().map(|finding| row(c, finding)).collect_view()}</ul>
    }
}

fn row(c: Console, Finding { found, state, about, fix }: &Finding) -> impl IntoView {
    let (what, advice) = findings::words(c.lang.get(), *found);
    view! {
        <li data-state=name(*state)>
            {sign(*state)}
            <div>
                <p>
                    <span class="hidden">{name_in_words(c, *state)}": "</span>
                    <b>{what}</b>
                    {about.clone().map(|about| view! { " "<code class="about">{about}</code> })}
                </p>
                {(!advice.is_empty()).then(|| view! { <p class="muted">{advice}</p> })}
                {fix.clone().map(|fix| view! { <pre tabindex="0"><code>{fix}</code></pre> })}
            </div>
        </li>
    }
}

fn name(state: State) -> &'static str {
    match state {
        State::Bad => "bad",
        State::Note => "note",
        State::Good => "good",
    }
}

fn name_in_words(c: Console, state: State) -> &'static str {
    let t = c.t();
    match state {
        State::Bad => t.doctor_state_bad,
        State::Note => t.doctor_state_note,
        State::Good => t.doctor_state_good,
    }
}

/// A shape for each state, so that none is told by its colour alone.
fn sign(state: State) -> impl IntoView {
    let path = match state {
        State::Bad => "M4.5 4.5l7 7M11.5 4.5l-7 7",
        State::Note => "M8 3.5v5.5M8 12.2v.3",
        State::Good => "M3.8 8.4l2.8 2.8 5.6-6",
    };
    view! {
        <svg class="sign" data-state=name(state) viewBox="0 0 16 16" width="20" height="20" aria-hidden="true"><path d=path /></svg>
    }
}
