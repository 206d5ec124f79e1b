//! The component awake in a visitor's page.
//!
//! A dismissal is reported only when it can no longer be undone: after [`UNDO_MS`], or when the page goes away, or when
//! the offers are replaced. The loader owns the network; it is told through one callback.

use std::cell::RefCell;
use std::rc::Rc;

use any_spawner::Executor;
use js_sys::Function;
use reactive_graph::traits::Set;
use tachys::hydration::Cursor;
use tachys::prelude::*;
use tachys::view::PositionState;
use wasm_bindgen::prelude::*;
use web_sys::{Element, HtmlElement, MouseEvent, window};

use crate::from_js::placement_view;
use crate::offers::{Card, MARKUP, Standing, Visitor, placement};

/// How long a dismissal can be undone: long enough to see a slip and reach the button.
const UNDO_MS: i32 = 5_000;

/// Wakes the HTML that the edge painted into `root`, a `<div>` in a shadow root, without touching a node of it.
///
/// `view` is the `PlacementView` from which the edge painted, as a plain object; where it names no `locale`, the painted
/// language holds. `on_event` is called with `"dismiss"`, the offer's token and the offer's id. Fails, with everything left
/// as it was, when `view` is not a placement or `root` holds markup of another version.
#[wasm_bindgen]
pub fn hydrate(root: Element, view: &JsValue, on_event: Function) -> Result<Hydrated, JsValue> {
    let painted = [r#"[data-portico-markup=""#, MARKUP, r#""]"#].concat();
    let painted = root.query_selector(&painted)?.ok_or("markup of another version")?;
    let locale = painted.get_attribute("lang").unwrap_or_default();
    let view = placement_view(view, locale).ok_or("not a placement")?;
    let somebody = Somebody(Rc::new(Watch { on_event, pending: RefCell::default() }));
    // The second hydration of a page finds it set; signals then tell their readers through the same one.
    let _ = Executor::init_wasm_bindgen();
    let mounted = placement(view, &somebody).hydrate::<true>(&Cursor::new(root), &PositionState::default());
    let leaving = {
        let somebody = somebody.clone();
        Closure::<dyn FnMut()>::new(move || somebody.report_all())
    };
    for name in LEAVING {
        if let Some(window) = window() {
            // Capturing at the window runs before the loader's own listener sends what is queued.
            window.add_event_listener_with_callback_and_bool(name, leaving.as_ref().unchecked_ref(), true)?;
        }
    }
    Ok(Hydrated { somebody, leaving, mounted: Box::new(mounted) })
}

/// What tells that the page may not come back. Turning to another tab is the last that a phone reports.
const LEAVING: [&str; 2] = ["pagehide", "visibilitychange"];

/// Offers awake in the page. Freeing it reports what is pending and takes the offers out of the page.
#[wasm_bindgen]
pub struct Hydrated {
    somebody: Somebody,
    leaving: Closure<dyn FnMut()>,
    mounted: Box<dyn Mountable>,
}

impl Drop for Hydrated {
    fn drop(&mut self) {
        self.somebody.report_all();
        self.mounted.unmount();
        for name in LEAVING {
            if let Some(window) = window() {
                let _ = window.remove_event_listener_with_callback_and_bool(
                    name,
                    self.leaving.as_ref().unchecked_ref(),
                    true,
                );
            }
        }
    }
}

#[derive(Clone)]
struct Somebody(Rc<Watch>);

struct Watch {
    on_event: Function,
    pending: RefCell<Vec<Pending>>,
}

/// A dismissal that can still be undone.
struct Pending {
    card: Card,
    line: Option<HtmlElement>,
    _alarm: Alarm,
}

impl Visitor for Somebody {
    fn put_away(&self, card: &Card, click: &MouseEvent) {
        card.standing.set(Standing::PutAway);
        let (somebody, token) = (self.clone(), card.token.clone());
        let alarm = Alarm::after(UNDO_MS, move || {
            if let Some(pending) = somebody.take(&token) {
                somebody.report(&pending);
            }
        });
        let line = beside(click, ".thanks");
        self.0.pending.borrow_mut().push(Pending { card: card.clone(), line: line.clone(), _alarm: alarm });
        focus(line);
    }

    fn bring_back(&self, card: &Card, click: &MouseEvent) {
        drop(self.take(&card.token));
        card.standing.set(Standing::Shown);
        focus(beside(click, ".dismiss"));
    }
}

impl Somebody {
    fn take(&self, token: &str) -> Option<Pending> {
        let mut pending = self.0.pending.borrow_mut();
        let at = pending.iter().position(|one| one.card.token == token)?;
        Some(pending.swap_remove(at))
    }

    fn report(&self, pending: &Pending) {
        // The button is about to vanish: whoever stands on it is led to the line around it.
        if let Some(line) = &pending.line
            && line.query_selector(".undo:focus").is_ok_and(|found| found.is_some())
        {
            let _ = line.focus();
        }
        pending.card.standing.set(Standing::Reported);
        let _ = self.0.on_event.call3(
            &JsValue::NULL,
            &"dismiss".into(),
            &JsValue::from_str(&pending.card.token),
            &JsValue::from_str(&pending.card.offer),
        );
    }

    fn report_all(&self) {
        for pending in self.0.pending.take() {
            self.report(&pending);
        }
    }
}

/// A call some time from now, unless this is dropped before.
struct Alarm {
    timer: i32,
    _call: Closure<dyn FnMut()>,
}

impl Alarm {
    fn after(ms: i32, call: impl FnMut() + 'static) -> Self {
        let call = Closure::<dyn FnMut()>::new(call);
        let timer = window().and_then(|window| {
            window.set_timeout_with_callback_and_timeout_and_arguments_0(call.as_ref().unchecked_ref(), ms).ok()
        });
        Self { timer: timer.unwrap_or_default(), _call: call }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(window) = window() {
            window.clear_timeout_with_handle(self.timer);
        }
    }
}

/// An element of the card in which the click happened.
fn beside(click: &MouseEvent, selector: &str) -> Option<HtmlElement> {
    let clicked: Element = click.current_target()?.dyn_into().ok()?;
    clicked.closest(".card").ok()??.query_selector(selector).ok()??.dyn_into().ok()
}

/// Moves the focus there once the element has been made visible, so that it is read out and never falls back to the page's top.
fn focus(element: Option<HtmlElement>) {
    if let (Some(element), Some(window)) = (element, window()) {
        let call = Closure::once_into_js(move || element.focus());
        let _ = window.set_timeout_with_callback(call.unchecked_ref());
    }
}
