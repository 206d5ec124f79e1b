//! The arrows of `docs/architecture`: which crate may depend on which, from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::command::{cargo, output};
use crate::places::Places;
use crate::step::say;

/// For each of our crates, those of ours that it may depend on in normal builds. `portico-tests` may on anything.
const ALLOWED: [(&str, &[&str]); 10] = [
    ("portico-engine", &[]),
    ("portico-protocol", &["portico-engine"]),
    ("portico-words", &[]),
    // The engine for what the edge alone paints: why an offer was chosen.
    ("portico-widget", &["portico-protocol", "portico-engine"]),
    ("portico-calculator", &["portico-protocol"]),
    ("portico-console", &["portico-protocol", "portico-engine"]),
    ("portico-edge", &["portico-protocol", "portico-engine", "portico-widget"]),
    ("portico-demo-site", &["portico-protocol", "portico-engine"]),
    ("portico-inside", &["portico-engine"]),
    ("xtask", &[]),
];
/// What the engine must not reach, however indirectly: a platform, an asynchronous runtime, entropy.
const NOT_IN_ENGINE: [&str; 6] = ["worker", "web-sys", "js-sys", "wasm-bindgen", "tokio", "getrandom"];
const ENGINE: &str = "portico-engine";
const TESTS: &str = "portico-tests";

/// Package → the packages it depends on in normal builds.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// Whether the workspace keeps to the arrows; says each one that is broken.
pub(crate) fn check(places: &Places) -> Result<bool> {
    let metadata = output(cargo(&places.root).args(["metadata", "--format-version=1", "--all-features"]))?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata is not JSON")?;
    let broken = broken(&graph(&metadata));
    for arrow in &broken {
        say(&format!("not allowed: {arrow}"));
    }
    Ok(broken.is_empty())
}

/// The normal dependencies in cargo's resolved graph. Two versions of a package are one node: the rules name packages.
fn graph(metadata: &Value) -> Graph {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let names: BTreeMap<String, String> = list(&metadata["packages"])
        .iter()
        .filter_map(|package| Some((package["id"].as_str()?.to_owned(), package["name"].as_str()?.to_owned())))
        .collect();
    let mut graph = Graph::new();
    for node in list(&metadata["resolve"]["nodes"]) {
        let Some(name) = node["id"].as_str().and_then(|id| names.get(id)) else { continue };
        let normal = list(&node["deps"]).into_iter().filter(|dependency| {
            // `kind` is null for a normal dependency; "dev" and "build" are named.
            list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null())
        });
        let normal = normal.filter_map(|dependency| names.get(dependency["pkg"].as_str()?).cloned());
        graph.entry(name.clone()).or_default().extend(normal);
    }
    graph
}

/// Every arrow that is not allowed, as text.
fn broken(graph: &Graph) -> Vec<String> {
    let ours = |name: &str| name == TESTS || ALLOWED.iter().any(|(ours, _)| *ours == name);
    let mut broken = Vec::new();
    for (package, dependencies) in graph {
        let allowed = ALLOWED.iter().find(|(name, _)| name == package).map(|(_, allowed)| *allowed);
        for dependency in dependencies.iter().filter(|dependency| ours(dependency)) {
            if package != TESTS && !allowed.is_some_and(|allowed| allowed.contains(&dependency.as_str())) {
                broken.push(format!("{package} -> {dependency}"));
            }
        }
        if package.starts_with("portico-") && !ours(package) {
            broken.push(format!("{package} is not in the list of xtask/src/check/arrows.rs"));
        }
    }
    let reached = reachable(graph, ENGINE);
    broken
        .extend(NOT_IN_ENGINE.iter().filter(|name| reached.contains(**name)).map(|name| format!("{ENGINE} -> {name}")));
    broken
}

fn reachable(graph: &Graph, from: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(package) = open.pop() {
        for next in graph.get(&package).into_iter().flatten() {
            if reached.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph_of(arrows: &[(&str, &str)]) -> Graph {
        let mut graph = Graph::new();
        for (from, to) in arrows {
            graph.entry((*from).to_owned()).or_default().insert((*to).to_owned());
            graph.entry((*to).to_owned()).or_default();
        }
        graph
    }

    #[test]
    fn arrows() {
        let check = |arrows: &[(&str, &str)], expect: &[&str]| assert_eq!(broken(&graph_of(arrows)), expect);
        check(&[("portico-edge", "portico-widget"), ("portico-widget", "portico-protocol")], &[]);
        check(&[("portico-tests", "portico-edge"), ("portico-tests", "portico-demo-site")], &[]);
        check(&[("portico-protocol", "portico-widget")], &["portico-protocol -> portico-widget"]);
        check(&[("portico-console", "portico-edge")], &["portico-console -> portico-edge"]);
        check(&[("portico-engine", "serde"), ("serde", "getrandom")], &["portico-engine -> getrandom"]);
        check(&[("portico-new", "serde")], &["portico-new is not in the list of xtask/src/check/arrows.rs"]);
    }

    #[test]
    fn only_normal_dependencies_count() {
        let metadata = serde_json::json!({
            "packages": [{ "id": "e#1", "name": "portico-engine" }, { "id": "g#1", "name": "getrandom" }],
            "resolve": { "nodes": [
                { "id": "e#1", "deps": [{ "pkg": "g#1", "dep_kinds": [{ "kind": "dev" }] }] },
                { "id": "g#1", "deps": [] },
            ] },
        });
        assert_eq!(graph(&metadata)["portico-engine"], BTreeSet::new());
        let with_normal = metadata.to_string().replace("\"dev\"", "null");
        let metadata: Value = serde_json::from_str(&with_normal).unwrap();
        assert_eq!(broken(&graph(&metadata)), ["portico-engine -> getrandom"]);
    }
}
