//! The calculator as it is seen and worked.

use std::rc::Rc;

use js_sys::{Float64Array, Function};
use reactive_graph::signal::ArcRwSignal;
use reactive_graph::traits::{Get, Update};
use send_wrapper::SendWrapper;
use tachys::html::element::{
    details, div, fieldset, input, label, legend, output, p, span, strong, summary, table, tbody, td, th, thead, tr,
};
use tachys::html::event;
use tachys::prelude::*;
use tachys::svg;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Event, HtmlInputElement};

use crate::chart::{Chart, HEIGHT, Tick, VIEW_BOX, WIDTH, chart, sides};
use crate::format::Format;
use crate::money::{Year, instalment, loan, savings};
use crate::settings::{Range, Settings};
use crate::words::{Words, words};

/// What is reckoned with.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Figures {
    borrows: bool,
    first: f64,
    monthly: f64,
    save_years: f64,
    amount: f64,
    loan_years: f64,
}

/// Everything that the parts of the view have in common. A page has one thread; signals ask for what can leave it.
type Desk = SendWrapper<Rc<Shared>>;

struct Shared {
    figures: ArcRwSignal<Figures>,
    settings: Settings,
    format: Format,
    words: &'static Words,
    mirrored: bool,
    on_settled: Function,
}

impl Shared {
    fn course(&self) -> (Figures, Vec<Year>) {
        let figures = self.figures.get();
        let Settings { save, borrow, .. } = &self.settings;
        let course = if figures.borrows {
            loan(figures.amount, borrow.rate, figures.loan_years as u32)
        } else {
            savings(figures.first, figures.monthly, save.rate, figures.save_years as u32)
        };
        (figures, course)
    }

    fn years(&self, figures: &Figures) -> String {
        self.format.years(if figures.borrows { figures.loan_years } else { figures.save_years })
    }

    /// Tells what somebody settled on.
    fn settle(&self) {
        let figures = self.figures.get();
        let (purpose, sum, chosen) = if figures.borrows {
            ("borrow", figures.amount, &[figures.amount, figures.loan_years][..])
        } else {
            let sum = figures.first + figures.monthly * 12.0 * figures.save_years;
            ("save", sum, &[figures.first, figures.monthly, figures.save_years][..])
        };
        let chosen = Float64Array::from(chosen);
        let _ = self.on_settled.call3(&JsValue::NULL, &purpose.into(), &sum.into(), &chosen);
    }
}

/// The calculator.
pub(crate) fn calculator(settings: Settings, locale: &str, on_settled: Function) -> impl RenderHtml + use<> {
    let Settings { save, borrow, .. } = &settings;
    let figures = ArcRwSignal::new(Figures {
        borrows: settings.borrows,
        first: save.first.start,
        monthly: save.monthly.start,
        save_years: save.years.start,
        amount: borrow.amount.start,
        loan_years: borrow.years.start,
    });
    let words = words(locale);
    let desk = SendWrapper::new(Rc::new(Shared {
        figures,
        format: Format::new(locale, &settings.currency),
        settings,
        words,
        mirrored: words.lang == "ar",
        on_settled,
    }));
    div()
        .class("calculator")
        .part("calculator")
        .role("group")
        .aria_label(words.title)
        .lang(words.lang)
        .dir(if desk.mirrored { "rtl" } else { "ltr" })
        // The group measures itself, so what is arranged by its width lies within.
        .child(div().class("sheet").child((
            div().class("inputs").child((purpose(&desk), saving(&desk), borrowing(&desk))),
            div().class("outcome").child((result(&desk), drawing(&desk), figures_table(&desk))),
        )))
}

fn purpose(desk: &Desk) -> impl RenderHtml + use<> {
    let words = desk.words;
    let choice = |borrows: bool, name: &'static str| {
        let (desk, chosen) = (desk.clone(), desk.clone());
        label().child((
            input()
                .r#type("radio")
                .name("purpose")
                .prop("checked", move || chosen.figures.get().borrows == borrows)
                .on(event::change, move |_| {
                    desk.figures.update(|figures| figures.borrows = borrows);
                    desk.settle();
                }),
            span().child(name),
        ))
    };
    fieldset().class("purpose").child((
        legend().child(words.purpose),
        div().class("choices").child((choice(false, words.save), choice(true, words.borrow))),
    ))
}

/// A figure of [`Figures`]: how it is read and set.
type Place = fn(&mut Figures) -> &mut f64;

fn saving(desk: &Desk) -> impl RenderHtml + use<> {
    let (save, words, shown) = (desk.settings.save, desk.words, desk.clone());
    div().class("fields").hidden(move || shown.figures.get().borrows).child((
        field(desk, words.first, save.first, |figures| &mut figures.first, Format::money),
        field(desk, words.monthly, save.monthly, |figures| &mut figures.monthly, Format::money),
        field(desk, words.term, save.years, |figures| &mut figures.save_years, Format::years),
    ))
}

fn borrowing(desk: &Desk) -> impl RenderHtml + use<> {
    let (borrow, words, shown) = (desk.settings.borrow, desk.words, desk.clone());
    div().class("fields").hidden(move || !shown.figures.get().borrows).child((
        field(desk, words.amount, borrow.amount, |figures| &mut figures.amount, Format::money),
        field(desk, words.term, borrow.years, |figures| &mut figures.loan_years, Format::years),
    ))
}

/// A slider, a box to type into, and how the figure reads.
fn field(
    desk: &Desk,
    name: &'static str,
    range: Range,
    place: Place,
    format: fn(&Format, f64) -> String,
) -> impl RenderHtml + use<> {
    let value = {
        let desk = desk.clone();
        move || *place(&mut desk.figures.get())
    };
    let set = {
        let desk = desk.clone();
        move |value: f64| desk.figures.update(|figures| *place(figures) = range.nearest(value))
    };
    let (slide, typed, settle) = (set.clone(), value.clone(), desk.clone());
    let bounded =
        |kind: &'static str| input().r#type(kind).min(plain(range.min)).max(plain(range.max)).step(plain(range.step));
    let reading = {
        let (desk, value) = (desk.clone(), value.clone());
        move || format(&desk.format, value())
    };
    let spoken = reading.clone();
    let settled = settle.clone();
    div().class("field").child((
        label().child((
            span().class("name").child(name),
            bounded("number").inputmode("numeric").prop("value", typed).on(event::change, move |event: Event| {
                if let Some(typed) = read(&event) {
                    set(typed.1);
                    // What is out of range, or between steps, is put right where it was typed.
                    typed.0.set_value(&plain(range.nearest(typed.1)));
                    settled.settle();
                }
            }),
        )),
        bounded("range")
            .aria_label(name)
            .attr("aria-valuetext", spoken)
            .prop("value", value)
            .on(event::input, move |event: Event| {
                if let Some((_, value)) = read(&event) {
                    slide(value);
                }
            })
            .on(event::change, move |_| settle.settle()),
        output().aria_hidden("true").child(reading),
    ))
}

fn read(event: &Event) -> Option<(HtmlInputElement, f64)> {
    let field: HtmlInputElement = event.target()?.dyn_into().ok()?;
    let value = field.value_as_number();
    value.is_finite().then_some((field, value))
}

/// A number as a field's value has it, by the browser: to write floats by ourselves would weigh a fifth of the module.
fn plain(value: f64) -> String {
    js_sys::Number::from(value).to_string_with_radix(10).map(String::from).unwrap_or_default()
}

fn result(desk: &Desk) -> impl RenderHtml + use<> {
    let words = desk.words;
    let of = |text: fn(&Desk, &Figures, &[Year]) -> String| {
        let desk = desk.clone();
        move || {
            let (figures, course) = desk.course();
            text(&desk, &figures, &course)
        }
    };
    fn last(course: &[Year]) -> Year {
        course.last().copied().unwrap_or(Year { paid: 0.0, interest: 0.0, balance: 0.0 })
    }
    fn each(desk: &Desk, figures: &Figures) -> f64 {
        instalment(figures.amount, desk.settings.borrow.rate, figures.loan_years as u32)
    }
    let before = of(|desk, figures, _| {
        if figures.borrows {
            desk.words.result_borrow.to_owned()
        } else {
            desk.words.with_result_save(&desk.years(figures))
        }
    });
    let figure = of(|desk, figures, course| {
        if figures.borrows { desk.format.exact(each(desk, figures)) } else { desk.format.money(last(course).balance) }
    });
    let first_name =
        of(|desk, figures, _| (if figures.borrows { desk.words.total } else { desk.words.paid }).to_owned());
    let first = of(|desk, figures, course| {
        if figures.borrows {
            desk.format.money(figures.amount + last(course).interest)
        } else {
            desk.format.money(last(course).paid)
        }
    });
    let interest = of(|desk, _, course| desk.format.money(last(course).interest));
    let rate = of(|desk, figures, _| {
        let Settings { save, borrow, .. } = &desk.settings;
        if figures.borrows {
            desk.words.with_rate_borrow(&desk.format.percent(borrow.rate))
        } else {
            desk.words.with_rate_save(&desk.format.percent(save.rate))
        }
    });
    div().class("result").child((
        div().attr("aria-live", "polite").child((
            p().class("before").child(before),
            strong().class("figure").part("figure").child(figure),
            p().class("parts").child((
                span().class("key paid").child((first_name, " ", strong().child(first))),
                span().class("key interest").child((words.interest, " ", strong().child(interest))),
            )),
        )),
        p().class("rate").child(rate),
    ))
}

fn drawing(desk: &Desk) -> impl RenderHtml + use<> {
    let desk = desk.clone();
    let (left, right) = sides();
    let named = {
        let desk = desk.clone();
        move || {
            let (figures, course) = desk.course();
            let years = desk.years(&figures);
            let last = course.last().copied().unwrap_or(Year { paid: 0.0, interest: 0.0, balance: 0.0 });
            if figures.borrows {
                desk.words.with_chart_borrow(&desk.format.money(figures.amount), &years)
            } else {
                let (paid, interest) = (desk.format.money(last.paid), desk.format.money(last.interest));
                desk.words.with_chart_save(&interest, &paid, &years)
            }
        }
    };
    let drawn = move || {
        let (figures, course) = desk.course();
        let Chart { lower, upper, values, years } = chart(&course, figures.borrows, desk.mirrored);
        let (start, end) = if desk.mirrored { (WIDTH - right, WIDTH - left) } else { (left, right) };
        let beside = if desk.mirrored { end + 8 } else { start - 8 };
        let value = |Tick { value, at }: Tick| {
            svg::g().child((
                svg::line().attr("x1", start).attr("x2", end).attr("y1", at).attr("y2", at),
                svg::text().attr("x", beside).attr("y", at + 4).class("value").child(desk.format.short(value)),
            ))
        };
        let year = |Tick { value, at }: Tick| {
            svg::text().attr("x", at).attr("y", HEIGHT - 8).class("year").child((value as i32).to_string())
        };
        let values: Vec<_> = values.into_iter().map(value).collect();
        let years: Vec<_> = years.into_iter().map(year).collect();
        svg::g().child((
            svg::g().class("lines").child(values),
            svg::path().class("lower").attr("d", lower),
            svg::path().class("upper").attr("d", upper),
            svg::g().class("years").child(years),
        ))
    };
    svg::svg().class("chart").attr("viewBox", VIEW_BOX).role("img").aria_label(named).child(drawn)
}

fn figures_table(desk: &Desk) -> impl RenderHtml + use<> {
    let (desk, words) = (desk.clone(), desk.words);
    let head = {
        let desk = desk.clone();
        move || {
            let borrows = desk.figures.get().borrows;
            (if borrows { words.balance } else { words.savings }).to_owned()
        }
    };
    let rows = move || {
        let (_, course) = desk.course();
        let row = |(year, at): (u32, &Year)| {
            tr().child((
                th().scope("row").child(year.to_string()),
                td().child(desk.format.money(at.paid)),
                td().child(desk.format.money(at.interest)),
                td().child(desk.format.money(at.balance)),
            ))
        };
        (0_u32..).zip(&course).skip(1).map(row).collect::<Vec<_>>()
    };
    details().class("table").child((
        summary().child(words.table),
        table().child((
            thead().child(tr().child((
                th().scope("col").child(words.year),
                th().scope("col").child(words.paid),
                th().scope("col").child(words.interest),
                th().scope("col").child(head),
            ))),
            tbody().child(rows),
        )),
    ))
}
