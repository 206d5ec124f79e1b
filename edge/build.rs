//! Writes the OpenAPI document that the worker serves, so that nothing is generated while it runs.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let document = portico_protocol::openapi::document().to_pretty_json()?;
    std::fs::write(Path::new(&std::env::var("OUT_DIR")?).join("openapi.json"), document)?;
    println!("cargo::rerun-if-changed=build.rs");
    Ok(())
}
