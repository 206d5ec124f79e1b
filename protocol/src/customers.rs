//! `PUT /v1/customers/{id}` and `POST /v1/customers:batch`: what the site's servers know of their customers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::FieldError;

/// What is to be stored of a customer, in the place of what was.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct CustomerProfile {
    /// Values of attributes whose source is `profile`, by name, each of its type.
    #[schema(value_type = Object)]
    pub attributes: BTreeMap<String, serde_json::Value>,
}

/// One line of an import.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CustomerLine {
    /// The customer's id, as identity tokens name it in `sub`.
    pub id: String,
    /// As in [`CustomerProfile`].
    #[schema(value_type = Object)]
    pub attributes: BTreeMap<String, serde_json::Value>,
}

/// One line of the answer to an import, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportedLine {
    /// Number of the line, from 1. Empty lines count and have no answer.
    pub line: u64,
    /// What became of it.
    pub status: Imported,
    /// What is wrong with it, with its place in the line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Imported {
    /// Stored.
    Stored,
    /// Wrong; sending it again will not help.
    Refused,
    /// It could not be stored at the moment; send it again.
    Failed,
}
