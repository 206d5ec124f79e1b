//! A decision's explanation, arranged for reading.

use std::cmp::Ordering;

use portico_engine::config::ContactScope;
use portico_engine::{Driver, Exclusion, OfferTrace, PlacementTrace};
use portico_protocol::report::DecisionSample;

use super::{plot, stats};
use crate::text::Lang;

/// The offers of a placement by how they fared.
pub(crate) struct Fared<'a> {
    /// Shown, first rank first.
    pub(crate) chosen: Vec<&'a OfferTrace>,
    /// Could have been shown, highest score first.
    pub(crate) eligible: Vec<&'a OfferTrace>,
    /// Could not.
    pub(crate) excluded: Vec<(&'a OfferTrace, &'a Exclusion)>,
}

/// Sorts a placement's offers by how they fared.
pub(crate) fn fared(placement: &PlacementTrace) -> Fared<'_> {
    let mut fared = Fared { chosen: Vec::new(), eligible: Vec::new(), excluded: Vec::new() };
    for offer in &placement.offers {
        match (&offer.rank, &offer.excluded) {
            (Some(_), _) => fared.chosen.push(offer),
            (None, Some(why)) => fared.excluded.push((offer, why)),
            (None, None) => fared.eligible.push(offer),
        }
    }
    fared.chosen.sort_by_key(|offer| offer.rank);
    fared.eligible.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap_or(Ordering::Equal));
    fared
}

/// The offers shown in the first placement, by id.
pub(crate) fn headline(sample: &DecisionSample) -> Vec<&str> {
    sample.placements.first().map_or_else(Vec::new, |placement| {
        fared(placement).chosen.into_iter().map(|offer| offer.offer.as_str()).collect()
    })
}

/// Why an offer could not be chosen, in words. `title` gives an offer's title by its id.
pub(crate) fn excluded(lang: Lang, own: &str, why: &Exclusion, title: impl Fn(&str) -> String) -> String {
    let whose = |of: &str| -> String {
        match (of.split_once(':'), lang) {
            (Some(("offer", id)), Lang::En) if id == own => "its own rule".to_owned(),
            (Some(("offer", id)), Lang::Zh) if id == own => "它自己的规则".to_owned(),
            (Some(("offer", id)), Lang::En) => format!("the rule of offer “{}”", title(id)),
            (Some(("offer", id)), Lang::Zh) => format!("优惠“{}”的规则", title(id)),
            (Some(("group", id)), Lang::En) => format!("the rule of group “{id}”"),
            (Some(("group", id)), Lang::Zh) => format!("分组“{id}”的规则"),
            (_, Lang::En) => format!("rule “{of}”"),
            (_, Lang::Zh) => format!("规则“{of}”"),
        }
    };
    match (why, lang) {
        (Exclusion::Rule { of }, Lang::En) => capital(&whose(of)) + " says no",
        (Exclusion::Rule { of }, Lang::Zh) => whose(of) + "不允许",
        (Exclusion::Unknown { of, missing }, Lang::En) => {
            let verb = if missing.len() == 1 { "is not known" } else { "are not known" };
            format!("{} cannot be answered: {} {verb}", capital(&whose(of)), list(lang, missing))
        }
        (Exclusion::Unknown { of, missing }, Lang::Zh) => {
            format!("{}无法判断：缺少 {}", whose(of), list(lang, missing))
        }
        (Exclusion::Dates, Lang::En) => "Its time has not come or is over".to_owned(),
        (Exclusion::Dates, Lang::Zh) => "不在有效期内".to_owned(),
        (Exclusion::Channel, Lang::En) => "It is not offered on this channel".to_owned(),
        (Exclusion::Channel, Lang::Zh) => "不在此渠道提供".to_owned(),
        (Exclusion::Dismissed, Lang::En) => "The visitor dismissed it lately".to_owned(),
        (Exclusion::Dismissed, Lang::Zh) => "访客最近关闭过它".to_owned(),
        (Exclusion::Holds { product }, Lang::En) => format!("The visitor holds “{product}” already"),
        (Exclusion::Holds { product }, Lang::Zh) => format!("访客已持有“{product}”"),
        (Exclusion::Contact { per, most, within_days }, Lang::En) => {
            let whose = match per {
                ContactScope::Offer => "It",
                ContactScope::Group => "Its group",
                ContactScope::Site => "The whole site",
            };
            format!("{whose} may be shown at most {most}× in {within_days} days, and has been")
        }
        (Exclusion::Contact { per, most, within_days }, Lang::Zh) => {
            let whose = match per {
                ContactScope::Offer => "该优惠",
                ContactScope::Group => "其所在组",
                ContactScope::Site => "全站",
            };
            format!("{whose}在 {within_days} 天内最多展示 {most} 次，已达上限")
        }
        (Exclusion::Cap, Lang::En) => "It has been shown or taken up as often as it may".to_owned(),
        (Exclusion::Cap, Lang::Zh) => "已达到总量上限".to_owned(),
        (Exclusion::Ramp, Lang::En) => "It is new and takes part in some decisions only".to_owned(),
        (Exclusion::Ramp, Lang::Zh) => "新优惠，目前只参与部分决策".to_owned(),
        (Exclusion::GroupShown, Lang::En) => "The page shows another offer of its group".to_owned(),
        (Exclusion::GroupShown, Lang::Zh) => "页面已展示同组的其他优惠".to_owned(),
        (Exclusion::ShownElsewhere, Lang::En) => "An earlier placement of the page shows it".to_owned(),
        (Exclusion::ShownElsewhere, Lang::Zh) => "同一页面靠前的展位已展示它".to_owned(),
        (Exclusion::Broken { detail }, Lang::En) => format!("It is off because its configuration is broken: {detail}"),
        (Exclusion::Broken { detail }, Lang::Zh) => format!("配置有误，已停用：{detail}"),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

fn list(lang: Lang, words: &[String]) -> String {
    match (lang, words) {
        (Lang::Zh, _) => words.join("、"),
        (Lang::En, [all @ .., last]) if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        (Lang::En, _) => words.concat(),
    }
}

/// One stage of one offer as drawn: positions along the axis from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct StageMarks {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) mean: f64,
    pub(crate) sampled: f64,
}

/// The end of the probability axis that a stage of a placement needs: the same for all its offers, so that they can
/// be compared at a glance.
pub(crate) fn stage_axis(placement: &PlacementTrace, stage: &str) -> f64 {
    let most = placement
        .offers
        .iter()
        .flat_map(|offer| &offer.stages)
        .filter(|s| s.stage == stage)
        .map(|s| stats::probability_range(s.mean, s.deviation).high.max(s.sampled))
        .fold(0.0, f64::max);
    plot::ticks(0.0, most.max(1e-4), 4).last().copied().unwrap_or(1.0).min(1.0)
}

/// Where the marks of a stage go on an axis that ends at `end`.
pub(crate) fn stage_marks(stage: &portico_engine::StageTrace, end: f64) -> StageMarks {
    let range = stats::probability_range(stage.mean, stage.deviation);
    let place = |p: f64| (p / end).clamp(0.0, 1.0);
    StageMarks {
        low: place(range.low),
        high: place(range.high),
        mean: place(stage.mean),
        sampled: place(stage.sampled),
    }
}

/// Drivers with the length of their bar, −1 to 1: for ones strongest first, then against ones.
pub(crate) fn drivers(drivers: &[Driver]) -> Vec<(&Driver, f64)> {
    let most = drivers.iter().map(|d| d.weight.abs()).fold(0.0, f64::max);
    let mut bars: Vec<_> = drivers.iter().map(|d| (d, if most > 0.0 { d.weight / most } else { 0.0 })).collect();
    bars.sort_by(|(a, _), (b, _)| match (a.weight >= 0.0, b.weight >= 0.0) {
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        _ => b.weight.abs().total_cmp(&a.weight.abs()),
    });
    bars
}

#[cfg(test)]
mod tests {
    use super::*;
    use portico_engine::{Arm, StageTrace};

    fn offer(id: &str, rank: Option<u32>, score: Option<f64>, excluded: Option<Exclusion>) -> OfferTrace {
        OfferTrace {
            offer: id.to_owned(),
            rank,
            excluded,
            score,
            stages: vec![StageTrace { stage: "click".to_owned(), mean: 0.03, sampled: 0.05, deviation: 0.4 }],
            kpis: Default::default(),
            drivers: Vec::new(),
        }
    }

    fn placement() -> PlacementTrace {
        PlacementTrace {
            placement: "home".to_owned(),
            arm: Arm::Model,
            offers: vec![
                offer("b", Some(2), Some(1.0), None),
                offer("x", None, None, Some(Exclusion::Dates)),
                offer("low", None, Some(0.1), None),
                offer("a", Some(1), Some(2.0), None),
                offer("high", None, Some(0.9), None),
            ],
        }
    }

    #[test]
    fn offers_are_told_apart_by_how_they_fared() {
        let placement = placement();
        let fared = fared(&placement);
        let ids = |offers: &[&OfferTrace]| offers.iter().map(|o| o.offer.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&fared.chosen), ["a", "b"]);
        assert_eq!(ids(&fared.eligible), ["high", "low"]);
        assert_eq!(fared.excluded.len(), 1);
    }

    #[test]
    fn exclusions_in_words() {
        fn check(why: Exclusion, en: &str, zh: &str) {
            let title = |id: &str| format!("<{id}>");
            assert_eq!(excluded(Lang::En, "me", &why, title), en);
            assert_eq!(excluded(Lang::Zh, "me", &why, title), zh);
        }
        let facts = |facts: &[&str]| facts.iter().map(|f| f.to_string()).collect();
        check(Exclusion::Rule { of: "offer:me".into() }, "Its own rule says no", "它自己的规则不允许");
        check(Exclusion::Rule { of: "offer:x".into() }, "The rule of offer “<x>” says no", "优惠“<x>”的规则不允许");
        check(
            Exclusion::Rule { of: "group:save".into() },
            "The rule of group “save” says no",
            "分组“save”的规则不允许",
        );
        check(
            Exclusion::Unknown { of: "group:save".into(), missing: facts(&["age"]) },
            "The rule of group “save” cannot be answered: age is not known",
            "分组“save”的规则无法判断：缺少 age",
        );
        check(
            Exclusion::Unknown { of: "offer:me".into(), missing: facts(&["age", "income", "job"]) },
            "Its own rule cannot be answered: age, income and job are not known",
            "它自己的规则无法判断：缺少 age、income、job",
        );
        check(Exclusion::Dates, "Its time has not come or is over", "不在有效期内");
        check(Exclusion::Channel, "It is not offered on this channel", "不在此渠道提供");
        check(Exclusion::Dismissed, "The visitor dismissed it lately", "访客最近关闭过它");
        check(Exclusion::ShownElsewhere, "An earlier placement of the page shows it", "同一页面靠前的展位已展示它");
        check(
            Exclusion::Broken { detail: "no group".into() },
            "It is off because its configuration is broken: no group",
            "配置有误，已停用：no group",
        );
    }

    #[test]
    fn stages_share_an_axis_that_holds_every_mark() {
        let placement = placement();
        let end = stage_axis(&placement, "click");
        assert!((end - 0.06).abs() < 1e-9, "{end}");
        for offer in &placement.offers {
            for stage in &offer.stages {
                let marks = stage_marks(stage, end);
                assert!(marks.low < marks.mean && marks.mean < marks.high && marks.high <= 1.0, "{marks:?}");
            }
        }
    }

    #[test]
    fn drivers_for_come_before_drivers_against() {
        let all = [("a", -2.0), ("b", 0.5), ("c", 1.0), ("d", -0.1)]
            .map(|(fact, weight)| Driver { fact: fact.to_owned(), weight });
        let got: Vec<_> = drivers(&all).into_iter().map(|(d, bar)| (d.fact.clone(), bar)).collect();
        let expect = [("c", 0.5), ("b", 0.25), ("a", -1.0), ("d", -0.05)].map(|(f, b)| (f.to_owned(), b));
        assert_eq!(got, expect);
    }
}
