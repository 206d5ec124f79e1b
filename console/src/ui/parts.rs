//! Small parts that several views share.

use leptos::prelude::*;
use portico_engine::Arm;

use crate::console::Console;
use crate::text::Text;

/// An option of a choice, and its name.
pub(super) type Choice<T> = (T, fn(&Text) -> &'static str);

/// A choice of few, as a row of buttons of which one is pressed.
pub(super) fn segmented<T>(
    c: Console,
    label: fn(&Text) -> &'static str,
    options: &'static [Choice<T>],
    value: RwSignal<T>,
) -> impl IntoView
where
    T: Copy + PartialEq + Send + Sync + 'static,
{
    let buttons = options.iter().map(|&(option, name)| {
        let pressed = move || if value.get() == option { "true" } else { "false" };
        view! {
            <button type="button" aria-pressed=pressed on:click=move |_| value.set(option)>
                {move || name(c.t())}
            </button>
        }
    });
    view! { <div class="segmented" role="group" aria-label=move || label(c.t())>{buttons.collect_view()}</div> }
}

/// The class that gives an arm its colour.
pub(super) fn arm_class(arm: Arm) -> &'static str {
    match arm {
        Arm::Model => "arm-model",
        Arm::Control => "arm-control",
        Arm::Explore => "arm-explore",
    }
}

/// An arm's marker around a point: circle, square, triangle.
pub(super) fn marker(arm: Arm, x: f64, y: f64) -> String {
    match arm {
        Arm::Model => {
            format!("M{:.1} {y:.1}a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0Z", x - 3.5)
        }
        Arm::Control => format!("M{:.1} {:.1}h6v6h-6Z", x - 3.0, y - 3.0),
        Arm::Explore => format!("M{x:.1} {:.1}l4 7h-8Z", y - 4.5),
    }
}

/// An arm's line and marker, as in the chart, for legends and tags.
pub(super) fn swatch(arm: Arm) -> impl IntoView {
    view! {
        <svg class=format!("swatch {}", arm_class(arm)) viewBox="0 0 26 12" width="26" height="12" aria-hidden="true">
            <path class="stroke" d="M1 6H25" />
            <path class="mark" d=marker(arm, 13.0, 6.0) />
        </svg>
    }
}

/// An arm's name with its marker.
pub(super) fn arm_tag(c: Console, arm: Arm) -> impl IntoView {
    view! {
        <span class=format!("arm-tag {}", arm_class(arm))>
            <svg viewBox="0 0 10 10" width="10" height="10" aria-hidden="true">
                <path class="mark" d=marker(arm, 5.0, 5.0) />
            </svg>
            {move || c.t().arm(arm)}
        </span>
    }
}

/// A position or length along an axis, for `left` and `width`.
pub(super) fn css_percent(share: f64) -> String {
    format!("{:.2}%", share.clamp(0.0, 1.0) * 100.0)
}

/// Minutes that this browser's clock is ahead of UTC.
pub(super) fn clock_offset_min() -> i32 {
    -js_sys::Date::new_0().get_timezone_offset() as i32
}
