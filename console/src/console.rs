//! The console's state: signals that every view may read, each written in one place.

use std::sync::Arc;

use leptos::prelude::*;
use portico_protocol::doctor::DoctorReport;
use portico_protocol::report::{LiveReport, PagesReport, TiersReport};

use crate::model::feed::Feed;
use crate::model::link::{Failure, Link, Session};
use crate::model::route::Route;
use crate::text::{Lang, Text};

/// The page's colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Theme {
    /// As the system has it.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// The value of the root's `data-theme`, also for remembering.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Theme::System => "system",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    /// From what was remembered.
    pub(crate) fn from_name(name: &str) -> Theme {
        match name {
            "light" => Theme::Light,
            "dark" => Theme::Dark,
            _ => Theme::System,
        }
    }
}

/// The reports of the second screen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Customers {
    pub(crate) pages: PagesReport,
    pub(crate) tiers: TiersReport,
}

/// What became of the page that the doctor was asked to look at.
#[derive(Clone, Debug, Default)]
pub(crate) enum Examined {
    /// None was named.
    #[default]
    Nothing,
    Looking,
    Found(DoctorReport),
    Failed(Failure),
}

/// The state.
#[derive(Clone, Copy)]
pub(crate) struct Console {
    pub(crate) lang: RwSignal<Lang>,
    pub(crate) theme: RwSignal<Theme>,
    /// Written by [`crate::live`] only, like the following ones.
    pub(crate) session: RwSignal<Session>,
    pub(crate) link: RwSignal<Link>,
    pub(crate) report: RwSignal<Option<Arc<LiveReport>>>,
    pub(crate) customers: RwSignal<Option<Arc<Customers>>>,
    pub(crate) feed: RwSignal<Feed>,
    pub(crate) examined: RwSignal<Examined>,
    /// How often the doctor was asked.
    pub(crate) examinations: StoredValue<u32>,
    pub(crate) route: RwSignal<Route>,
    /// Ends the pause before the next request; see [`crate::live::wake`].
    pub(crate) waker: StoredValue<Option<js_sys::Function>, LocalStorage>,
}

impl Console {
    /// As remembered from the last visit.
    pub(crate) fn new() -> Self {
        let language = recall("lang").or_else(|| window().navigator().language()).unwrap_or_default();
        Console {
            lang: RwSignal::new(Lang::from_tag(&language)),
            theme: RwSignal::new(Theme::from_name(&recall("theme").unwrap_or_default())),
            session: RwSignal::new(Session::Open),
            link: RwSignal::new(Link::Connecting),
            report: RwSignal::new(None),
            customers: RwSignal::new(None),
            feed: RwSignal::new(Feed::default()),
            examined: RwSignal::new(Examined::Nothing),
            examinations: StoredValue::new(0),
            route: RwSignal::new(Route::Live),
            waker: StoredValue::new_local(None),
        }
    }

    /// The words in the current language.
    pub(crate) fn t(self) -> &'static Text {
        self.lang.get().text()
    }

    /// Something of the report, or its default before the first.
    pub(crate) fn of_report<T: Default>(self, pick: impl FnOnce(&LiveReport) -> T) -> T {
        self.report.with(|report| report.as_deref().map(pick)).unwrap_or_default()
    }
}

/// What was remembered under a name. Storage may be refused, then nothing is remembered.
pub(crate) fn recall(name: &str) -> Option<String> {
    storage()?.get_item(&key(name)).ok()?
}

/// Remembers a preference; nothing else of the console is stored in the browser.
pub(crate) fn remember(name: &str, value: &str) {
    if let Some(storage) = storage() {
        // A full or refused storage costs the preference only.
        let _ = storage.set_item(&key(name), value);
    }
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok()?
}

fn key(name: &str) -> String {
    format!("portico.console.{name}")
}
