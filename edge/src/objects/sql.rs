//! SQLite of a Durable Object, as little as we need of it.
//!
//! Statements between two `await`s commit together or not at all (the platform's write coalescing), and no answer
//! leaves the object before they are durable (its output gate). Integers pass through f64: they stay below 2^53.

use std::cell::OnceCell;

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
    /// The database if it is open.
    pub(crate) fn opened(&self) -> Option<&Sql> {
        self.0.get()
    }
}

/// One row.
pub(crate) struct Row(std::vec::IntoIter<SqlStorageValue>);

impl Sql {
    pub(crate) fn run(&self, statement: &str, values: Vec<SqlStorageValue>) -> Result<(), Failure> {
        self.0.exec(statement, values)?;
        Ok(())
    }

    pub(crate) fn rows(&self, statement: &str, values: Vec<SqlStorageValue>) -> Result<Vec<Row>, Failure> {
        let cursor = self.0.exec(statement, values)?;
        cursor.raw().map(|row| Ok(Row(row?.into_iter()))).collect()
    }

    pub(crate) fn first(&self, statement: &str, values: Vec<SqlStorageValue>) -> Result<Option<Row>, Failure> {
        Ok(self.rows(statement, values)?.into_iter().next())
    }
}

impl Row {
    pub(crate) fn text(&mut self) -> Result<String, Failure> {
        match self.0.next() {
            Some(SqlStorageValue::String(text)) => Ok(text),
            _ => Err(Failure::Internal("a text was expected in a row")),
        }
    }

    pub(crate) fn number(&mut self) -> Result<u64, Failure> {
        match self.0.next() {
            Some(SqlStorageValue::Integer(number)) => {
                u64::try_from(number).map_err(|_| Failure::Internal("a negative number in a row"))
            }
            _ => Err(Failure::Internal("a number was expected in a row")),
        }
    }

    pub(crate) fn real(&mut self) -> Result<f64, Failure> {
        match self.0.next() {
            Some(SqlStorageValue::Float(number)) => Ok(number),
            Some(SqlStorageValue::Integer(number)) => Ok(number as f64),
            _ => Err(Failure::Internal("a number was expected in a row")),
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, Failure> {
        match self.0.next() {
            Some(SqlStorageValue::Blob(bytes)) => Ok(bytes),
            Some(SqlStorageValue::String(text)) => Ok(text.into_bytes()),
            _ => Err(Failure::Internal("bytes were expected in a row")),
        }
    }
}

/// A number as SQLite takes it.
pub(crate) fn number(number: u64) -> SqlStorageValue {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}
