//! The loader: TypeScript, checked by the compiler and bundled to five scripts. `portico.js` stands in pages; it names its
//! second half, which names the doctor, what gadgets need and what looks at our own cost; these name the WebAssembly modules. Each name comes with the hash of what it names, so whoever pins the first pins
//! all of them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::app::Built;
use super::assets::Assets;
use super::target::Target;
use super::{integrity, short_hash};
use crate::command::command;
use crate::places::Places;
use crate::setup::BuildTools;
use crate::step::{Done, Step, step};

/// Major and minor version: a page that loads `portico-<release>.js` gets mended files of this release and no later one.
const RELEASE: &str = concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));

/// Checks and bundles what lies in `widget/loader`.
pub(crate) fn build(
    places: &Places,
    tools: &BuildTools,
    target: &Target,
    assets: &Assets,
    widget: &Built,
    calculator: &Built,
) -> Result<()> {
    step(places, "build loader", |step| {
        let folder = places.root.join("widget/loader");
        step.run(
            tools.npm.tsc().arg("--noEmit").current_dir(&folder).args(["--project", "tsconfig.json"]),
            "Mend the type errors above.",
        )?;
        let bundle = Bundle { step, tools, results: target.results("app")? };
        let names = [
            ("PORTICO_CALCULATOR", calculator.stem.as_str()),
            ("PORTICO_CALCULATOR_JS_HASH", &calculator.js_integrity),
            ("PORTICO_CALCULATOR_WASM_HASH", &calculator.wasm_integrity),
        ];
        let gadget = bundle.make(&folder.join("gadget/gadget.ts"), Kind::Module, &names)?;
        let file = assets.put_hashed("gadget", "js", &gadget)?;
        let doctor = bundle.make(&folder.join("doctor/doctor.ts"), Kind::Module, &[])?;
        let doctor_file = assets.put_hashed("doctor", "js", &doctor)?;
        let field = bundle.make(&folder.join("field/field.ts"), Kind::Module, &[])?;
        let field_file = assets.put_hashed("field", "js", &field)?;
        let profile = bundle.make(&folder.join("profile/profile.ts"), Kind::Module, &[])?;
        let profile_file = assets.put_hashed("profile", "js", &profile)?;
        let names = [
            ("PORTICO_PROFILE", profile_file.as_str()),
            ("PORTICO_PROFILE_HASH", &integrity(&profile)),
            ("PORTICO_FIELD", &field_file),
            ("PORTICO_FIELD_HASH", &integrity(&field)),
            ("PORTICO_GADGET", &file),
            ("PORTICO_GADGET_HASH", &integrity(&gadget)),
            ("PORTICO_DOCTOR", &doctor_file),
            ("PORTICO_DOCTOR_HASH", &integrity(&doctor)),
            ("PORTICO_WIDGET", &widget.stem),
            ("PORTICO_WIDGET_JS_HASH", &widget.js_integrity),
            ("PORTICO_WIDGET_WASM_HASH", &widget.wasm_integrity),
        ];
        let more = bundle.make(&folder.join("more/more.ts"), Kind::Module, &names)?;
        let file = assets.put_hashed("more", "js", &more)?;
        let names = [("PORTICO_MORE", file.as_str()), ("PORTICO_MORE_HASH", &integrity(&more))];
        let script = bundle.make(&folder.join("loader.ts"), Kind::Script, &names)?;
        assets.put("portico.js", &script)?;
        assets.put(&format!("portico-{RELEASE}.js"), &script)?;
        let pinned = format!("portico-{}.js", short_hash(&[&script]));
        assets.put_instead("portico", &pinned, &script)?;
        assets.put("portico.d.ts", &std::fs::read(folder.join("portico.d.ts"))?)?;
        package(&places.root.join("widget"), &places.dist().join("npm"))?;
        let said = format!("/portico-{RELEASE}.js; pinned: /assets/{pinned} integrity=\"{}\"", integrity(&script));
        Ok(((), Done::Now(said)))
    })
}

/// Lays out `dist/npm`, ready for `npm pack`: the files of `widget/npm` with the workspace's version, and the loader's types.
fn package(widget: &Path, into: &Path) -> Result<()> {
    let write = |name: &str, content: &[u8]| {
        let path = into.join(name);
        std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    };
    if into.exists() {
        std::fs::remove_dir_all(into).with_context(|| format!("cannot remove {}", into.display()))?;
    }
    std::fs::create_dir_all(into).with_context(|| format!("cannot create {}", into.display()))?;
    for entry in std::fs::read_dir(widget.join("npm")).context("cannot read widget/npm")? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let content = std::fs::read(entry.path()).with_context(|| format!("cannot read widget/npm/{name}"))?;
        if name == "package.json" {
            let mut manifest: Value = serde_json::from_slice(&content).context("widget/npm/package.json")?;
            manifest["version"] = env!("CARGO_PKG_VERSION").into();
            write(&name, (serde_json::to_string_pretty(&manifest)? + "\n").as_bytes())?;
        } else {
            write(&name, &content)?;
        }
    }
    write("portico.d.ts", &std::fs::read(widget.join("loader/portico.d.ts")).context("cannot read portico.d.ts")?)
}

/// How a bundle is run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// By a tag in somebody's page.
    Script,
    /// By an import.
    Module,
}

struct Bundle<'a> {
    step: &'a Step,
    tools: &'a BuildTools,
    results: PathBuf,
}

impl Bundle<'_> {
    /// One script out of an entry and all that it imports, with values for the names it declares.
    fn make(&self, entry: &Path, kind: Kind, names: &[(&str, &str)]) -> Result<Vec<u8>> {
        let Self { step, tools, results } = self;
        let stem = entry.file_stem().unwrap_or_default().to_string_lossy();
        let (bundle, small) = (results.join(format!("{stem}.bundle.js")), results.join(format!("{stem}.js")));
        let format = if kind == Kind::Module { "esm" } else { "iife" };
        step.run(
            command(tools.npm.esbuild())
                .arg(entry)
                .args(["--bundle", &format!("--format={format}"), "--target=es2022", "--legal-comments=none"])
                .args(names.iter().map(|(name, value)| format!("--define:{name}=\"{value}\"")))
                .arg(format!("--outfile={}", bundle.display()))
                .arg("--log-level=warning"),
            // Of an address that it can work out, the bundler wants the file.
            "See the messages above. An `import()` of an asset needs an address made at run time.",
        )?;
        // The bundler's own minifier leaves 4 % more after compression, and the first of these is on every page.
        step.run(
            tools
                .npm
                .terser()
                .arg(&bundle)
                .args(["--ecma", "2022", "--toplevel", "--mangle"])
                .args((kind == Kind::Module).then_some("--module"))
                .args(["--compress", "passes=3,pure_getters=true", "--output"])
                .arg(&small),
            "See the messages above.",
        )?;
        std::fs::read(&small).with_context(|| format!("cannot read {}", small.display()))
    }
}
