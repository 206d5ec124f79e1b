//! Every version of a tool that set-up installs, in this one file.
//!
//! npm tools are the exception: `package.json` and `package-lock.json` at the root pin them, with checksums.

/// Same as the `wasm-bindgen` crate in `Cargo.lock`: its glue format has no compatibility between versions.
pub(crate) const WASM_BINDGEN: &str = "0.2.130";

/// Same as the `worker` crate in `Cargo.lock`, with which it shares the format of the worker's shim.
pub(crate) const WORKER_BUILD: &str = "0.8.7";

/// Checks licences, sources and banned crates.
pub(crate) const CARGO_DENY: &str = "0.20.2";

/// The oldest Node that the npm tools run on.
pub(crate) const NODE_MAJOR_MIN: u32 = 20;

/// The oldest Python 3 that the benchmarks' packages run on.
pub(crate) const PYTHON_MINOR_MIN: u32 = 11;

/// What benchmarks need from PyPI: the learner they compare with, and a reader of R's data files.
pub(crate) const BENCH_PYTHON_PACKAGES: [&str; 3] = ["vowpalwabbit==9.11.2", "numpy==2.4.6", "rdata==1.1.0"];

/// What the widget's benchmark measures beside it: npm's name, version and integrity of the package.
pub(crate) const BENCH_PEERS: [(&str, &str, &str); 3] = [
    (
        "@adobe/alloy",
        "2.33.1",
        "sha512-yg+HD3Oslhrmt3stSwtKc22qbwjR4ehFzXfc8RCEwultr41y85S2dSsojvPt2Mife0IZ4Wp/1EexGp1f6TbWDg==",
    ),
    (
        "posthog-js",
        "1.449.2",
        "sha512-vji+h92IHaLlFSEnRH1hwe8uLWGOdDUImmPXexj/+V7Xm7HTxIQisYE/Kom7Aaw4DRpzfdhQxiyAN1YVYR4G8Q==",
    ),
    (
        "deep-chat",
        "2.4.2",
        "sha512-wQNd6Z6HDoH7OMeoQKpmxDm9XdWrRjMkBJ2yl5tsYND9Dz2UCv/BdGVM8vK2V0mhO1u+OniHYPWDGvjlNxjCeQ==",
    ),
];

/// The target of everything that runs in a browser or in workerd.
pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";

#[cfg(test)]
mod tests {
    use super::*;

    /// The version that `Cargo.lock` holds for a package, `None` if absent.
    fn locked(lock: &str, package: &str) -> Option<String> {
        let entry = format!("name = \"{package}\"");
        let mut lines = lock.lines().skip_while(|line| *line != entry);
        lines.next()?;
        let version = lines.next()?.strip_prefix("version = \"")?;
        Some(version.trim_end_matches('"').to_owned())
    }

    #[test]
    fn locked_reads_the_line_after_the_name() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.2.3\"\n";
        assert_eq!(locked(lock, "a").as_deref(), Some("1.2.3"));
        assert_eq!(locked(lock, "b"), None);
    }

    #[test]
    fn tools_match_the_crates_in_the_lock_file() {
        let lock = include_str!("../../Cargo.lock");
        for (package, tool) in [("wasm-bindgen", WASM_BINDGEN), ("worker", WORKER_BUILD)] {
            // A package that no member uses yet is not in the lock file.
            if let Some(version) = locked(lock, package) {
                assert_eq!(version, tool, "{package} in Cargo.lock differs from versions.rs");
            }
        }
    }
}
