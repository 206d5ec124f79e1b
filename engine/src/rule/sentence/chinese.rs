//! Conditions in Simplified Chinese.

use super::{Clause, LISTED, Polarity};
use crate::rule::compare::{Bound, DateTest, How, Order, SetTest, Test};
use crate::rule::text::Case;

pub(super) fn clause(clause: &Clause<'_>, polarity: Polarity) -> String {
    match clause {
        Clause::Known(fact) => format!("{}{}", spaced_after(fact), polarity.pick("已知", "未知")),
        Clause::Fact(fact, test) => comparison(fact, test, polarity),
        Clause::Events { name, within_days, bound } => {
            let days = if *within_days == 1 { "今天".to_owned() } else { format!("最近 {within_days} 天内") };
            format!("{days}“{name}”的次数{}", number(*bound, polarity))
        }
        Clause::Segment(name) => format!("访客{}分群“{name}”", polarity.pick("属于", "不属于")),
        Clause::Tier(name, levels) => {
            format!("{}层级{}{}", spaced_after(name), polarity.pick("为", "不为"), one_of(levels, polarity))
        }
    }
}

fn comparison(fact: &str, test: &Test, polarity: Polarity) -> String {
    let (fact, not) = (spaced_after(fact), polarity.pick("", "不"));
    match test {
        Test::Number(bound) => format!("{fact}{}", number(*bound, polarity)),
        Test::Is(flag) => format!("{fact}为{}", if *flag == (polarity == Polarity::Holds) { "是" } else { "否" }),
        Test::Text { how, words, case } => {
            let words = one_of(words, polarity);
            let said = match how {
                How::Is => format!("{not}为{words}"),
                How::Contains => format!("{not}包含{words}"),
                How::StartsWith => format!("{not}以{words}开头"),
                How::EndsWith => format!("{not}以{words}结尾"),
                How::Matches => format!("{not}符合{words}"),
                How::UrlMatches => format!("{not}位于{words}"),
            };
            let case = if *case == Case::Ignored { "（不区分大小写）" } else { "" };
            format!("{fact}{said}{case}")
        }
        Test::Set(SetTest::Holds(product)) => format!("访客{}“{product}”", polarity.pick("持有", "未持有")),
        Test::Set(SetTest::Overlaps(words)) => format!("{fact}{not}包含{}", one_of(words, polarity)),
        Test::Set(SetTest::ContainsAll(words)) => match words.as_slice() {
            [word] => format!("{fact}{not}包含“{word}”"),
            words => format!("{fact}{}包含{}", polarity.pick("同时", "未同时"), listed(words)),
        },
        Test::Set(SetTest::Size(bound)) => format!("{fact}的数量{}", number(*bound, polarity)),
        Test::Date(DateTest::Before(moment)) => format!("{fact}{not}早于 {moment}"),
        Test::Date(DateTest::After(moment)) => format!("{fact}{not}晚于 {moment}"),
        Test::Date(DateTest::On(moment)) => format!("{fact}{not}在 {moment} 当天"),
        Test::Date(DateTest::WithinDays(days)) => format!("{fact}{not}在最近 {days} 天内"),
        Test::Date(DateTest::OlderThanDays(days)) => format!("{fact}{not}早于 {days} 天前"),
        Test::Date(DateTest::WithinNextDays(days)) => format!("{fact}{not}在未来 {days} 天内"),
        Test::Near { centre, km, name } => {
            let place = match name {
                Some(name) => format!("“{name}”"),
                None => format!("纬度 {}、经度 {} 处", centre.lat(), centre.lon()),
            };
            format!("{fact}{}{place}周围 {km} 公里以内", polarity.pick("在", "不在"))
        }
    }
}

fn number(bound: Bound, polarity: Polarity) -> String {
    match bound {
        Bound::Between(low, high) => format!("{} {low} 到 {high} 之间", polarity.pick("在", "不在")),
        Bound::Order(order, number) => {
            let order = match polarity.pick(order, order.opposite()) {
                Order::Eq => "等于",
                Order::Ne => "不等于",
                Order::Lt => "小于",
                Order::Le => "不超过",
                Order::Gt => "大于",
                Order::Ge => "不低于",
            };
            format!("{order} {number}")
        }
    }
}

/// A space between a Latin word and the Chinese one after it.
fn spaced_after(name: &str) -> String {
    let latin = name.chars().next_back().is_some_and(|last| last.is_ascii_alphanumeric());
    if latin { format!("{name} ") } else { name.to_owned() }
}

fn one_of(words: &[impl AsRef<str>], polarity: Polarity) -> String {
    match words {
        [word] => format!("“{}”", word.as_ref()),
        words => listed(words) + polarity.pick("之一", "中的任何一项"),
    }
}

fn listed(words: &[impl AsRef<str>]) -> String {
    let named: Vec<String> = words.iter().take(LISTED).map(|word| format!("“{}”", word.as_ref())).collect();
    match words.len().saturating_sub(LISTED) {
        0 => named.join("、"),
        _ => format!("{}等 {} 项", named.join("、"), words.len()),
    }
}
