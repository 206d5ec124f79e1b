//! Who the visitors are: rows of a table of real customers, each attribute in a handful of bins.
//!
//! The table is read from a CSV file that `cargo xtask bench` makes (see `covariates.py`) and is no part of the
//! project. Without the file visitors are synthetic, and the report says so.

use std::path::Path;

use crate::chance::{Chance, Purpose};

/// Bins of a numeric attribute at most, of about equal size.
const MOST_BINS: usize = 5;
/// Shape of the synthetic table.
const SYNTHETIC_ROWS: usize = 9_822;
const SYNTHETIC_ATTRIBUTES: usize = 24;
/// What synthetic attributes have in common, as a correlation: real ones are not independent.
const SYNTHETIC_FACTORS: usize = 4;

/// The visitors.
#[derive(Debug)]
pub(crate) struct Table {
    /// Where it is from, for the report.
    pub(crate) origin: String,
    pub(crate) attributes: Vec<Attribute>,
    /// Values by row: what the engine is told.
    pub(crate) rows: Vec<Vec<Value>>,
    /// Bins by row, in the same order: what worlds answer to and what Vowpal Wabbit is told.
    pub(crate) bins: Vec<Vec<u8>>,
}

/// One attribute.
#[derive(Debug)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// Its type.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A number with the inner edges of its bins; the lower edge belongs to the bin.
    Number(Vec<f64>),
    /// One of these words.
    Words(Vec<String>),
}

/// One value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Number(f64),
    Word(String),
}

impl Attribute {
    /// How many bins it has.
    pub(crate) fn bins(&self) -> usize {
        match &self.kind {
            Kind::Number(edges) => edges.len() + 1,
            Kind::Words(words) => words.len(),
        }
    }
}

impl Table {
    /// Reads a CSV file whose header names each column `name:number` or `name:word`.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let mut lines = text.lines();
        let header: Vec<(String, bool)> = lines
            .next()
            .unwrap_or_default()
            .split(',')
            .map(|column| match column.split_once(':') {
                Some((name, "number")) => Ok((name.to_owned(), true)),
                Some((name, "word")) => Ok((name.to_owned(), false)),
                _ => Err(format!("`{column}` in the header of {} names no type", path.display())),
            })
            .collect::<Result<_, _>>()?;
        let mut rows = Vec::new();
        for line in lines {
            let row: Option<Vec<Value>> =
                line.split(',')
                    .zip(&header)
                    .map(|(text, (_, number))| {
                        if *number { text.parse().ok().map(Value::Number) } else { Some(Value::Word(text.to_owned())) }
                    })
                    .collect();
            let row = row.filter(|row| row.len() == header.len());
            rows.push(
                row.ok_or_else(|| format!("row {} of {} does not fit its header", rows.len() + 1, path.display()))?,
            );
        }
        if rows.is_empty() {
            return Err(format!("{} has no rows", path.display()));
        }
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self::new(&format!("real, `{name}`"), header.into_iter().map(|(name, _)| name).collect(), rows))
    }

    /// Visitors who never lived: correlated numbers.
    pub(crate) fn synthetic() -> Self {
        let mut chance = Chance::new(0, Purpose::Covariates, 0);
        let loadings: Vec<Vec<f64>> = (0..SYNTHETIC_ATTRIBUTES)
            .map(|_| (0..SYNTHETIC_FACTORS).map(|_| 0.5 * chance.normal()).collect())
            .collect();
        let rows = (0..SYNTHETIC_ROWS)
            .map(|_| {
                let factors: Vec<f64> = (0..SYNTHETIC_FACTORS).map(|_| chance.normal()).collect();
                loadings
                    .iter()
                    .map(|loading| {
                        let common: f64 = loading.iter().zip(&factors).map(|(load, factor)| load * factor).sum();
                        Value::Number((10.0 * (common + 0.7 * chance.normal())).round())
                    })
                    .collect()
            })
            .collect();
        let names = (0..SYNTHETIC_ATTRIBUTES).map(|at| format!("x{at}")).collect();
        Self::new("SYNTHETIC, the real table could not be had", names, rows)
    }

    fn new(origin: &str, names: Vec<String>, rows: Vec<Vec<Value>>) -> Self {
        let attributes: Vec<Attribute> = names
            .into_iter()
            .enumerate()
            .map(|(at, name)| {
                let column: Vec<&Value> = rows.iter().map(|row| &row[at]).collect();
                Attribute { name, kind: kind(&column) }
            })
            .collect();
        let bins = rows
            .iter()
            .map(|row| row.iter().zip(&attributes).map(|(value, of)| bin(&of.kind, value)).collect())
            .collect();
        let origin = format!("{origin}: {} rows, {} attributes", rows.len(), attributes.len());
        Self { origin, attributes, rows, bins }
    }
}

fn kind(column: &[&Value]) -> Kind {
    let mut numbers: Vec<f64> = Vec::new();
    let mut words: Vec<String> = Vec::new();
    for value in column {
        match value {
            Value::Number(number) => numbers.push(*number),
            Value::Word(word) => words.push(word.clone()),
        }
    }
    if numbers.is_empty() {
        words.sort_unstable();
        words.dedup();
        return Kind::Words(words);
    }
    numbers.sort_unstable_by(f64::total_cmp);
    let mut edges: Vec<f64> = (1..MOST_BINS)
        .map(|part| numbers[part * numbers.len() / MOST_BINS])
        .filter(|edge| *edge > numbers[0])
        .collect();
    edges.dedup();
    if edges.is_empty() {
        // More than four fifths are alike: those against the others.
        edges.extend(numbers.iter().find(|number| **number > numbers[0]));
    }
    Kind::Number(edges)
}

fn bin(kind: &Kind, value: &Value) -> u8 {
    let bin = match (kind, value) {
        (Kind::Number(edges), Value::Number(number)) => edges.partition_point(|edge| edge <= number),
        (Kind::Words(words), Value::Word(word)) => words.partition_point(|other| other < word),
        _ => 0,
    };
    bin as u8
}
