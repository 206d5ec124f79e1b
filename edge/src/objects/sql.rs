//! SQLite of a Durable Object, as little as we need of it.
//!
//! Statements between two `await`s commit together or not at all (the platform's write coalescing), and no answer
//! leaves the object before they are durable (its output gate). Integers pass through f64: they stay below 2^53.

use std::cell::OnceCell;

use js_sys::Array;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::{SqlStorage, SqlStorageValue, State};

use crate::error::Failure;

/// One object's database.
#[derive(Clone)]
pub(crate) struct Sql(SqlStorage);

/// An object's database, opened when first needed.
#[derive(Default)]
pub(crate) struct Database(OnceCell<Sql>);

impl Database {
    /// The database, its schema brought up the first time.
    pub(crate) fn get(&self, state: &State, schema: &[&str]) -> Result<&Sql, Failure> {
        if self.0.get().is_none() {
            let sql = Sql(state.storage().sql());
            for statement in schema {
                sql.run(statement, Vec::new())?;
            }
            return Ok(self.0.get_or_init(|| sql));
        }
        self.0.get().ok_or(Failure::Internal("the database is not open"))
    }
}

impl Database {
    /// Brings the schema up in a database whose tables are gone.
    pub(crate) fn begin_anew(&self, schema: &[&str]) -> Result<(), Failure> {
        let sql = self.0.get().ok_or(Failure::Internal("the database is not open"))?;
        schema.iter().try_for_each(|statement| sql.run(statement, Vec::new()))
    }

    /// The database if it is open.
    pub(crate) fn opened(&self) -> Option<&Sql> {
        self.0.get()
    }
}

#[wasm_bindgen(module = "/src/boundary.js")]
extern "C" {
    /// Runs a statement with values. Its rows come as bytes: a byte says how many values each has, and then a byte for each
    /// value of which kind it is; see [`Rows`].
    #[wasm_bindgen(catch)]
    fn query(sql: &JsValue, statement: &str, values: Array) -> Result<Vec<u8>, JsValue>;
}

/// One row.
pub(crate) struct Row(std::vec::IntoIter<Value>);

/// A value of a row.
enum Value {
    Missing,
    Number(f64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Sql {
    pub(crate) fn run(&self, statement: &str, values: Vec<SqlStorageValue>) -> Result<(), Failure> {
        self.query(statement, values).map(drop)
    }

    pub(crate) fn rows(&self, statement: &str, values: Vec<SqlStorageValue>) -> Result<Vec<Row>, Failure> {
        let bytes = self.query(statement, values)?;
        Rows(&bytes).collect::<Option<_>>().ok_or(Failure::Internal("rows that break off"))
    }

    pub(crate) fn first(&self, statement: &str, values: Vec<SqlStorageValue>) -> Result<Option<Row>, Failure> {
        Ok(self.rows(statement, values)?.into_iter().next())
    }

    fn query(&self, statement: &str, values: Vec<SqlStorageValue>) -> Result<Vec<u8>, Failure> {
        let values: Array = values.into_iter().map(JsValue::from).collect();
        Ok(query(self.0.as_ref(), statement, values).map_err(worker::Error::from)?)
    }
}

/// Rows as `query` writes them. One that breaks off is the last, and nothing.
struct Rows<'a>(&'a [u8]);

impl Rows<'_> {
    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*chunk)
    }

    fn row(&mut self) -> Option<Row> {
        let [columns] = self.chunk()?;
        (0..columns).map(|_| self.value()).collect::<Option<Vec<Value>>>().map(|values| Row(values.into_iter()))
    }

    fn value(&mut self) -> Option<Value> {
        Some(match self.chunk()? {
            [0] => Value::Missing,
            [1] => Value::Number(f64::from_le_bytes(self.chunk()?)),
            [kind @ (2 | 3)] => {
                let length = usize::try_from(u32::from_le_bytes(self.chunk()?)).ok()?;
                let (content, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                let content = content.to_vec();
                if kind == 2 { Value::Text(String::from_utf8(content).ok()?) } else { Value::Bytes(content) }
            }
            _ => return None,
        })
    }
}

impl Iterator for Rows<'_> {
    type Item = Option<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let row = self.row();
        if row.is_none() {
            self.0 = &[];
        }
        Some(row)
    }
}

impl Row {
    pub(crate) fn text(&mut self) -> Result<String, Failure> {
        match self.0.next() {
            Some(Value::Text(text)) => Ok(text),
            _ => Err(Failure::Internal("a text was expected in a row")),
        }
    }

    pub(crate) fn number(&mut self) -> Result<u64, Failure> {
        match self.0.next() {
            Some(Value::Number(number)) if number >= 0.0 && number.fract() == 0.0 => Ok(number as u64),
            _ => Err(Failure::Internal("a whole number from 0 on was expected in a row")),
        }
    }

    pub(crate) fn real(&mut self) -> Result<f64, Failure> {
        match self.0.next() {
            Some(Value::Number(number)) => Ok(number),
            _ => Err(Failure::Internal("a number was expected in a row")),
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, Failure> {
        match self.0.next() {
            Some(Value::Bytes(bytes)) => Ok(bytes),
            Some(Value::Text(text)) => Ok(text.into_bytes()),
            _ => Err(Failure::Internal("bytes were expected in a row")),
        }
    }
}

/// A number as SQLite takes it.
pub(crate) fn number(number: u64) -> SqlStorageValue {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_to_their_end_or_not_at_all() {
        let mut bytes = vec![4, 0, 1];
        bytes.extend(7.5_f64.to_le_bytes());
        bytes.extend([2, 3, 0, 0, 0]);
        bytes.extend("王".as_bytes());
        bytes.extend([3, 2, 0, 0, 0, 0xFF, 0xFE]);
        bytes.extend([1, 1]);
        bytes.extend(9_f64.to_le_bytes());
        let rows: Option<Vec<Row>> = Rows(&bytes).collect();
        let mut rows = rows.unwrap().into_iter();
        let mut row = rows.next().unwrap();
        assert!(row.text().is_err());
        assert_eq!(row.real().unwrap(), 7.5);
        assert_eq!(row.text().unwrap(), "王");
        assert_eq!(row.bytes().unwrap(), [0xFF, 0xFE]);
        assert!(row.bytes().is_err());
        assert_eq!(rows.next().unwrap().number().unwrap(), 9);
        assert!(rows.next().is_none());
        for end in 1..bytes.len() {
            // Between two rows there is an end as well.
            let rows: Option<Vec<Row>> = Rows(bytes.get(..end).unwrap()).collect();
            assert_eq!(rows.map(|rows| rows.len()), (end == bytes.len() - 10).then_some(1), "{end}");
        }
        assert!(Rows(&[1, 9]).collect::<Option<Vec<Row>>>().is_none());
    }
}
