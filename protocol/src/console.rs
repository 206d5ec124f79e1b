//! How a person gets into the console.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A one-time link.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConsoleLink {
    /// Opens the console once; the code stands in the fragment, which no server logs.
    pub url: String,
}

/// The code of a one-time link.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConsoleLogin {
    /// As it stands in the link.
    pub code: String,
}
