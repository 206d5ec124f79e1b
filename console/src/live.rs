//! Keeps the state up to date: signs in, asks for the report every second, waits while nobody looks, backs off while
//! the edge fails. One task does all of it, so no two requests are ever under way at once.

use std::sync::Arc;

use js_sys::Promise;
use leptos::prelude::*;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::VisibilityState;

use crate::api;
use crate::console::Console;
use crate::model::link::{self, Failure, Link, Out, Session};
use crate::model::route::{self, Route};

/// Starts following the address and the edge.
pub(crate) fn start(c: Console) {
    follow_address(c);
    for event in ["visibilitychange", "online", "offline", "pageshow"] {
        let handle = window_event_listener_untyped(event, move |_| wake(c));
        on_cleanup(move || handle.remove());
    }
    let handle = window_event_listener_untyped("hashchange", move |_| follow_address(c));
    on_cleanup(move || handle.remove());
    spawn_local(run(c));
}

/// Asks at once instead of after the pause.
pub(crate) fn wake(c: Console) {
    c.waker.with_value(|resolve| {
        if let Some(resolve) = resolve {
            // The resolver of a promise does not throw.
            let _ = resolve.call0(&JsValue::UNDEFINED);
        }
    });
}

/// Reads the fragment. A sign-in code is taken out of the address before anything else, so that it is neither
/// bookmarked nor copied with it.
fn follow_address(c: Console) {
    let fragment = location().hash().unwrap_or_default();
    let Some(code) = route::login_code(&fragment).map(str::to_owned) else {
        c.route.set(route::route(&fragment));
        wake(c);
        return;
    };
    if let (Ok(history), Ok(path)) = (window().history(), location().pathname()) {
        // Refused only when called hundreds of times a minute; the code works once in any case.
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&path));
    }
    c.session.set(Session::SigningIn);
    spawn_local(async move {
        let session = match api::sign_in(&code).await {
            Ok(()) => Session::Open,
            Err(Failure::Problem(problem)) => Session::Out(link::refused(problem)),
            Err(failure) => Session::Out(Out::Failed(failure)),
        };
        c.session.set(session);
        wake(c);
    });
}

async fn run(c: Console) {
    let (mut failures, mut round) = (0, 0_u32);
    loop {
        let asking = c.session.with_untracked(|s| *s == Session::Open) && visible();
        if !asking {
            pause(c, None).await;
            continue;
        }
        let asked = match api::live_report().await {
            Ok(report) if is_due(c, round) => {
                api::customers().await.map(|found| c.customers.set(Some(Arc::new(found)))).map(|()| report)
            }
            asked => asked,
        };
        round = round.wrapping_add(1);
        match asked {
            Ok(report) => {
                failures = 0;
                c.feed.update(|feed| feed.accept(&report.decisions));
                c.report.set(Some(Arc::new(report)));
                set_link(c, Link::Live);
                pause(c, Some(link::POLL_MS)).await;
            }
            Err(Failure::Problem(problem)) if problem.status == 401 => {
                failures = 0;
                // A sign-in that began meanwhile decides for itself.
                if c.session.with_untracked(|s| *s == Session::Open) {
                    c.session.set(Session::Out(Out::None));
                }
            }
            Err(failure) => {
                failures += 1;
                let delay_ms = link::retry_delay_ms(failures, js_sys::Math::random());
                set_link(c, Link::Retrying { failure, delay_ms });
                pause(c, Some(delay_ms)).await;
            }
        }
    }
}

/// Whether the reports of the second screen are asked for: they are read from all of a site's pages and customers, so less often
/// than the live figures.
fn is_due(c: Console, round: u32) -> bool {
    let is_on = c.route.with_untracked(|route| *route == Route::Customers);
    is_on && (round.is_multiple_of(CUSTOMERS_EVERY) || c.customers.with_untracked(Option::is_none))
}

/// Rounds of the live report between two of the second screen's.
const CUSTOMERS_EVERY: u32 = 5;

/// Told only when it changes, so that a screen reader is not told every second.
fn set_link(c: Console, link: Link) {
    if c.link.with_untracked(|now| *now != link) {
        c.link.set(link);
    }
}

fn visible() -> bool {
    document().visibility_state() == VisibilityState::Visible
}

/// Waits for a time, or until woken.
async fn pause(c: Console, delay_ms: Option<u32>) {
    let promise = Promise::new(&mut |resolve, _| {
        if let Some(delay_ms) = delay_ms {
            let delay_ms = i32::try_from(delay_ms).unwrap_or(i32::MAX);
            // Without a timer the next event of the page still wakes it.
            let _ = window().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, delay_ms);
        }
        c.waker.set_value(Some(resolve));
    });
    // The promise is never rejected.
    let _ = JsFuture::from(promise).await;
}
