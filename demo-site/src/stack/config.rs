//! The configuration that workerd reads, as text.
//!
//! The namespaces' unique keys and class names say where an object's file lies: changing one loses what it holds.

use std::path::Path;

/// From this day on workerd's behaviour stays the same, whatever its version.
const COMPATIBILITY_DATE: &str = "2026-05-01";

/// Class, binding. The unique key is `portico-<class>`.
const OBJECTS: [(&str, &str); 9] = [
    ("SiteObject", "SITE"),
    ("VisitorObject", "VISITOR"),
    ("LedgerObject", "LEDGER"),
    ("LearnerObject", "LEARNER"),
    ("DirectoryObject", "DIRECTORY"),
    ("OutboxObject", "OUTBOX"),
    ("GroupObject", "GROUP"),
    ("CensusObject", "CENSUS"),
    ("PagesObject", "PAGES"),
];

/// The configuration. `index.js` and `index_bg.wasm` lie beside it; the operator's key comes from the environment, so
/// that no secret stands in a file which is easily shown around.
pub(super) fn text(port: u16, objects: &Path, assets: &Path) -> String {
    let namespaces: Vec<String> = OBJECTS
        .iter()
        .map(|(class, _)| format!("(className = \"{class}\", uniqueKey = \"portico-{class}\", enableSql = true)"))
        .collect();
    let bindings: Vec<String> = OBJECTS
        .iter()
        .map(|(class, binding)| format!("(name = \"{binding}\", durableObjectNamespace = \"{class}\")"))
        .chain([
            "(name = \"ASSETS\", service = \"assets\")".to_owned(),
            "(name = \"PORTICO_OPERATOR_KEY\", fromEnvironment = \"PORTICO_OPERATOR_KEY\")".to_owned(),
        ])
        .collect();
    format!(
        r#"using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  # Garbage is collected often and at once instead of rarely and long: what each request leaves survives V8's young generation,
  # whose collections take ten milliseconds where it may grow.
  v8Flags = ["--max-semi-space-size=4"],
  services = [
    (name = "edge", worker = .edge),
    (name = "objects", disk = (path = {objects}, writable = true)),
    (name = "assets", disk = (path = {assets})),
    # The world of a demo is this machine; where the edge serves others, webhooks reach the public network only.
    (name = "internet", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true))),
  ],
  sockets = [(name = "http", address = "127.0.0.1:{port}", http = (), service = "edge")],
);

const edge :Workerd.Worker = (
  modules = [
    (name = "index.js", esModule = embed "index.js"),
    (name = "./index_bg.wasm", wasm = embed "index_bg.wasm"),
  ],
  compatibilityDate = "{COMPATIBILITY_DATE}",
  durableObjectNamespaces = [
    {namespaces},
  ],
  durableObjectStorage = (localDisk = "objects"),
  bindings = [
    {bindings},
  ],
);
"#,
        objects = quoted(objects),
        assets = quoted(assets),
        namespaces = namespaces.join(",\n    "),
        bindings = bindings.join(",\n    "),
    )
}

/// A path as a string literal of Cap'n Proto.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted() {
        assert_eq!(quoted(Path::new("/a b/\"c\"\\d")), r#""/a b/\"c\"\\d""#);
    }

    #[test]
    fn every_object_has_a_namespace_and_a_binding() {
        let text = text(8787, Path::new("/data/objects"), Path::new("/dist/assets"));
        for (class, binding) in OBJECTS {
            assert!(text.contains(&format!("uniqueKey = \"portico-{class}\", enableSql = true")), "{text}");
            assert!(text.contains(&format!("name = \"{binding}\", durableObjectNamespace = \"{class}\"")), "{text}");
        }
        assert!(text.contains("address = \"127.0.0.1:8787\""), "{text}");
    }
}
