//! The offers table: rows, order, filter, export.

use portico_engine::Arm;
use portico_protocol::report::{Counts, OfferReport};

use super::curve::ARMS;

/// One arm's counts of one offer, as the table shows them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cell {
    pub(crate) impressions: u64,
    pub(crate) clicks: u64,
    /// Responses of the funnel's last stage.
    pub(crate) last: u64,
}

impl Cell {
    /// Clicks per impression; nothing without impressions.
    pub(crate) fn click_rate(&self) -> Option<f64> {
        rate(self.clicks, self.impressions)
    }

    /// Responses of the last stage per impression.
    pub(crate) fn last_rate(&self) -> Option<f64> {
        rate(self.last, self.impressions)
    }
}

fn rate(count: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| count as f64 / of as f64)
}

/// One offer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) offer: String,
    pub(crate) title: String,
    pub(crate) group: String,
    /// Its share of all impressions.
    pub(crate) share: f64,
    /// In the order of [`ARMS`].
    pub(crate) cells: [Cell; 3],
}

/// A column that can sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Title,
    Group,
    Share,
    Impressions(Arm),
    ClickRate(Arm),
    LastRate(Arm),
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

/// How the table is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sort {
    pub(crate) column: Column,
    pub(crate) direction: Direction,
}

impl Default for Sort {
    fn default() -> Self {
        Sort { column: Column::Share, direction: Direction::Down }
    }
}

impl Sort {
    /// What a press on a column's header leads to: text begins with A, figures with the largest; again turns it round.
    pub(crate) fn pressed(self, column: Column) -> Sort {
        let direction = match (self.column == column, self.direction, column) {
            (true, Direction::Up, _) => Direction::Down,
            (true, Direction::Down, _) => Direction::Up,
            (false, _, Column::Title | Column::Group) => Direction::Up,
            (false, _, _) => Direction::Down,
        };
        Sort { column, direction }
    }

    /// As remembered between visits.
    pub(crate) fn to_text(self) -> String {
        let direction = match self.direction {
            Direction::Up => "up",
            Direction::Down => "down",
        };
        format!("{} {direction}", self.column.name())
    }

    /// From what was remembered; unknown words are forgotten.
    pub(crate) fn from_text(text: &str) -> Option<Sort> {
        let (column, direction) = text.split_once(' ')?;
        let direction = match direction {
            "up" => Direction::Up,
            "down" => Direction::Down,
            _ => return None,
        };
        let column = columns().find(|c| c.name() == column)?;
        Some(Sort { column, direction })
    }
}

impl Column {
    fn name(self) -> String {
        let arm = |what: &str, arm| format!("{what}:{}", arm_name(arm));
        match self {
            Column::Title => "title".to_owned(),
            Column::Group => "group".to_owned(),
            Column::Share => "share".to_owned(),
            Column::Impressions(a) => arm("impressions", a),
            Column::ClickRate(a) => arm("click-rate", a),
            Column::LastRate(a) => arm("last-rate", a),
        }
    }
}

fn columns() -> impl Iterator<Item = Column> {
    let arms = ARMS.into_iter().flat_map(|a| [Column::Impressions(a), Column::ClickRate(a), Column::LastRate(a)]);
    [Column::Title, Column::Group, Column::Share].into_iter().chain(arms)
}

fn arm_name(arm: Arm) -> &'static str {
    match arm {
        Arm::Model => "model",
        Arm::Explore => "explore",
        Arm::Control => "control",
    }
}

/// The rows that match `filter`, sorted. Every word of the filter must occur in title, id or group.
pub(crate) fn rows(offers: &[OfferReport], stages: &[String], filter: &str, sort: Sort) -> Vec<Row> {
    let all: u64 = offers.iter().flat_map(|o| o.arms.values()).map(|c| c.impressions).sum();
    let words: Vec<String> = filter.split_whitespace().map(str::to_lowercase).collect();
    let mut rows: Vec<Row> = offers
        .iter()
        .map(|offer| {
            let cells = ARMS.map(|arm| offer.arms.get(&arm).map_or(Cell::default(), |counts| cell(counts, stages)));
            let impressions: u64 = cells.iter().map(|c| c.impressions).sum();
            Row {
                offer: offer.offer.clone(),
                title: offer.title.clone(),
                group: offer.group.clone(),
                share: impressions as f64 / all.max(1) as f64,
                cells,
            }
        })
        .filter(|row| {
            let text = format!("{} {} {}", row.title, row.offer, row.group).to_lowercase();
            words.iter().all(|word| text.contains(word))
        })
        .collect();
    // Stable: equal rows stay in configured order, so the table does not flicker while figures are still equal.
    rows.sort_by(|a, b| {
        let order = match sort.column {
            Column::Title => a.title.to_lowercase().cmp(&b.title.to_lowercase()),
            Column::Group => a.group.to_lowercase().cmp(&b.group.to_lowercase()),
            _ => figure(a, sort.column).total_cmp(&figure(b, sort.column)),
        };
        match sort.direction {
            Direction::Up => order,
            Direction::Down => order.reverse(),
        }
    });
    rows
}

fn cell(counts: &Counts, stages: &[String]) -> Cell {
    let of = |stage: Option<&String>| stage.and_then(|s| counts.stages.get(s)).copied().unwrap_or_default();
    Cell { impressions: counts.impressions, clicks: of(stages.first()), last: of(stages.last()) }
}

/// What a column sorts by; what has no rate comes after what has the lowest.
fn figure(row: &Row, column: Column) -> f64 {
    let cell = |arm| ARMS.iter().position(|a| *a == arm).and_then(|i| row.cells.get(i)).copied().unwrap_or_default();
    match column {
        Column::Title | Column::Group => 0.0,
        Column::Share => row.share,
        Column::Impressions(arm) => cell(arm).impressions as f64,
        Column::ClickRate(arm) => cell(arm).click_rate().unwrap_or(-1.0),
        Column::LastRate(arm) => cell(arm).last_rate().unwrap_or(-1.0),
    }
}

/// All counts as CSV (RFC 4180) with a byte-order mark, so that spreadsheets read Chinese titles.
pub(crate) fn csv(offers: &[OfferReport], stages: &[String]) -> String {
    let mut out = String::from("\u{feff}offer,title,group,arm,impressions,dismissals");
    for stage in stages {
        out.push(',');
        out.push_str(&field(stage));
    }
    for offer in offers {
        for arm in ARMS {
            let counts = offer.arms.get(&arm).cloned().unwrap_or_default();
            out.push_str("\r\n");
            let words = [&offer.offer, &offer.title, &offer.group].map(|text| field(text));
            out.push_str(&words.join(","));
            out.push_str(&format!(",{},{},{}", arm_name(arm), counts.impressions, counts.dismissals));
            for stage in stages {
                out.push_str(&format!(",{}", counts.stages.get(stage).copied().unwrap_or_default()));
            }
        }
    }
    out.push_str("\r\n");
    out
}

/// One CSV field. A title that a spreadsheet would run as a formula is marked as text.
fn field(text: &str) -> String {
    let text = match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{text}"),
        _ => text.to_owned(),
    };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(id: &str, title: &str, group: &str, model: [u64; 3], control: [u64; 3]) -> OfferReport {
        let counts = |[impressions, clicks, applied]: [u64; 3]| Counts {
            impressions,
            dismissals: 1,
            stages: [("click".to_owned(), clicks), ("applied".to_owned(), applied)].into(),
        };
        OfferReport {
            offer: id.to_owned(),
            title: title.to_owned(),
            group: group.to_owned(),
            arms: [(Arm::Model, counts(model)), (Arm::Control, counts(control))].into(),
        }
    }

    fn some() -> (Vec<OfferReport>, Vec<String>) {
        let offers = vec![
            offer("savings", "Savings Plus", "save", [600, 30, 3], [100, 2, 0]),
            offer("loan", "=Car, \"loan\"", "borrow", [200, 20, 2], [100, 9, 0]),
            offer("new", "New card", "cards", [0, 0, 0], [0, 0, 0]),
        ];
        (offers, ["click", "applied"].map(str::to_owned).to_vec())
    }

    #[test]
    fn sorted_by_each_column() {
        fn check(column: Column, expect: [&str; 3]) {
            let (offers, stages) = some();
            let sort = Sort { column, direction: Direction::Down };
            let got: Vec<_> = rows(&offers, &stages, "", sort).into_iter().map(|r| r.offer).collect();
            assert_eq!(got, expect, "{column:?}");
        }
        check(Column::Title, ["savings", "new", "loan"]);
        check(Column::Group, ["savings", "new", "loan"]);
        check(Column::Share, ["savings", "loan", "new"]);
        check(Column::Impressions(Arm::Control), ["savings", "loan", "new"]);
        check(Column::ClickRate(Arm::Model), ["loan", "savings", "new"]);
        check(Column::LastRate(Arm::Model), ["loan", "savings", "new"]);
        check(Column::LastRate(Arm::Explore), ["savings", "loan", "new"]);
    }

    #[test]
    fn filter_wants_every_word() {
        fn check(filter: &str, expect: usize) {
            let (offers, stages) = some();
            assert_eq!(rows(&offers, &stages, filter, Sort::default()).len(), expect, "{filter}");
        }
        check("", 3);
        check("SAVINGS", 1);
        check("card new", 1);
        check("card loan", 0);
    }

    #[test]
    fn shares_are_of_all_impressions() {
        let (offers, stages) = some();
        let rows = rows(&offers, &stages, "savings", Sort::default());
        assert_eq!(rows.first().map(|r| (r.share, r.cells.map(|c| c.clicks))), Some((0.7, [30, 2, 0])));
    }

    #[test]
    fn sort_is_remembered() {
        for column in columns() {
            for direction in [Direction::Up, Direction::Down] {
                let sort = Sort { column, direction };
                assert_eq!(Sort::from_text(&sort.to_text()), Some(sort));
            }
        }
        assert_eq!(Sort::from_text("price up"), None);
        let sort = Sort::default().pressed(Column::Title);
        assert_eq!(sort.direction, Direction::Up);
        assert_eq!(sort.pressed(Column::Title).direction, Direction::Down);
    }

    #[test]
    fn csv_is_quoted_and_harmless() {
        let (offers, stages) = some();
        let csv = csv(&offers, &stages);
        let mut lines = csv.split("\r\n");
        assert_eq!(lines.next(), Some("\u{feff}offer,title,group,arm,impressions,dismissals,click,applied"));
        assert_eq!(lines.next(), Some("savings,Savings Plus,save,model,600,1,30,3"));
        assert_eq!(lines.nth(2), Some("loan,\"'=Car, \"\"loan\"\"\",borrow,model,200,1,20,2"));
        assert_eq!(csv.matches("\r\n").count(), 10);
    }
}
