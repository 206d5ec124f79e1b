//! A browser application: a crate becomes `<stem>-<hash>.js` and `<stem>-<hash>.wasm`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::assets::Assets;
use super::target::Target;
use super::{integrity, short_hash};
use crate::command::command;
use crate::places::Places;
use crate::setup::BuildTools;
use crate::step::{Done, Step, step};
use crate::versions::{WASM_BINDGEN, WASM_TARGET};

/// Named one by one: `--all-features` makes modules that browsers refuse.
const WASM_FEATURES: [&str; 8] = [
    "bulk-memory",
    "bulk-memory-opt",
    "reference-types",
    "sign-ext",
    "nontrapping-float-to-int",
    "mutable-globals",
    "multivalue",
    "call-indirect-overlong",
];
const PROFILE: &str = "widget";
/// To be raised when the steps after cargo change, so that results of the old steps are not taken.
const RECIPE: u32 = 1;

/// Which crate becomes which asset, and who starts it.
pub(crate) struct App {
    package: &'static str,
    features: &'static [&'static str],
    stem: &'static str,
    start: Start,
}

/// Who calls the module's `init` with the address of the `.wasm` file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// The page's own script, which imports the module (the loader decides whether and when).
    Caller,
    /// The module itself, as soon as it is loaded, so that the page needs no inline script.
    Itself,
}

impl App {
    /// Offers and gadgets in host pages.
    pub(crate) const WIDGET: Self = Self {
        package: "portico-widget",
        features: &["--no-default-features", "--features", "browser"],
        stem: "widget",
        start: Start::Caller,
    };
    /// The savings and loan calculator.
    pub(crate) const CALCULATOR: Self =
        Self { package: "portico-calculator", features: &[], stem: "calculator", start: Start::Caller };
    /// The bank's people's own pages.
    pub(crate) const CONSOLE: Self =
        Self { package: "portico-console", features: &[], stem: "console", start: Start::Itself };
}

/// The names of a built application's files, without the folder.
pub(crate) struct Built {
    /// `<stem>-<hash>`, common to both files.
    pub(crate) stem: String,
    /// Integrity of the script.
    pub(crate) js_integrity: String,
    /// Integrity of the WebAssembly module.
    pub(crate) wasm_integrity: String,
}

impl Built {
    fn js(&self) -> String {
        format!("{}.js", self.stem)
    }

    fn wasm(&self) -> String {
        format!("{}.wasm", self.stem)
    }
}

/// Compiles, makes the glue, optimises, and puts the two files among the assets.
pub(crate) fn build(places: &Places, tools: &BuildTools, target: &Target, assets: &Assets, app: &App) -> Result<Built> {
    step(places, &format!("build {}", app.stem), |step| {
        step.slow("compiling");
        let mut cargo = tools.wasm.cargo()?;
        cargo
            .current_dir(&places.root)
            .args(["build", "--lib", "--package", app.package, "--target", WASM_TARGET, "--profile", PROFILE])
            .args(app.features);
        target.apply(&mut cargo);
        step.run(&mut cargo, "Mend the errors above.")?;
        let compiled = target.module(PROFILE, &app.package.replace('-', "_"));
        let input = std::fs::read(&compiled).with_context(|| {
            format!("{} has no {}: its crate-type must contain \"cdylib\"", app.package, compiled.display())
        })?;
        let result = target.results("app")?.join(short_hash(&[
            &input,
            app.stem.as_bytes(),
            WASM_BINDGEN.as_bytes(),
            tools.npm.id().as_bytes(),
            &RECIPE.to_le_bytes(),
        ]));
        let known = result.exists();
        if !known {
            let partial = Places::partial(&result);
            std::fs::create_dir_all(&partial)?;
            finish(step, tools, app, &compiled, &partial)?;
            std::fs::rename(&partial, &result).with_context(|| format!("cannot create {}", result.display()))?;
        }
        let wasm = read(&result.join("app.wasm"))?;
        let glue = read(&result.join("app.js"))?;
        let stem = format!("{}-{}", app.stem, short_hash(&[&wasm, &glue]));
        let script = match app.start {
            Start::Caller => glue,
            Start::Itself => self_starting(glue, &format!("{stem}.wasm")),
        };
        let built = Built { stem, js_integrity: integrity(&script), wasm_integrity: integrity(&wasm) };
        assets.put_instead(app.stem, &built.js(), &script)?;
        assets.put_instead(app.stem, &built.wasm(), &wasm)?;
        let done = if known { Done::Cached } else { Done::Now(String::new()) };
        Ok((built, done))
    })
}

/// The steps after cargo: `into/app.js` and `into/app.wasm` out of the compiled module.
fn finish(step: &Step, tools: &BuildTools, app: &App, compiled: &Path, into: &Path) -> Result<()> {
    let glue = into.join("glue");
    step.slow("wasm-bindgen");
    step.run(
        command(&tools.wasm_bindgen)
            .args(["--target", "web", "--no-typescript", "--omit-default-module-path"])
            .args(["--remove-name-section", "--remove-producers-section", "--out-name", "app", "--out-dir"])
            .arg(&glue)
            .arg(compiled),
        "Does the version of wasm-bindgen in Cargo.lock equal the one in xtask/src/versions.rs?",
    )?;
    step.slow("wasm-opt");
    let module = glue.join("app_bg.wasm");
    step.run(
        command(tools.npm.wasm_opt())
            .arg("-Oz")
            .args(WASM_FEATURES.map(|feature| format!("--enable-{feature}")))
            .args(["--strip-debug", "--strip-producers", "--strip-target-features", "-o"])
            .arg(into.join("app.wasm"))
            .arg(&module),
        "If it names a feature, add it to the list in xtask/src/build/app.rs, and see that browsers accept the result.",
    )?;
    let entry = match app.start {
        Start::Caller => glue.join("app.js"),
        Start::Itself => start_entry(&glue)?,
    };
    step.run(
        command(tools.npm.esbuild())
            .arg(entry)
            .args(["--bundle", "--minify", "--format=esm", "--target=es2022", "--legal-comments=none"])
            .arg(format!("--outfile={}", into.join("app.js").display()))
            .arg("--log-level=warning"),
        "See the messages above.",
    )
}

/// Stands in the bundled script for the `.wasm` file's name, which is known only when the script's content is.
const WASM_PLACE: &str = "__portico_wasm__";

fn start_entry(glue: &Path) -> Result<PathBuf> {
    let entry = glue.join("start.js");
    let text = format!(
        "import init from \"./app.js\";\ninit({{ module_or_path: new URL(\"{WASM_PLACE}\", import.meta.url) }});\n"
    );
    std::fs::write(&entry, text).with_context(|| format!("cannot write {}", entry.display()))?;
    Ok(entry)
}

fn self_starting(glue: Vec<u8>, wasm: &str) -> Vec<u8> {
    String::from_utf8_lossy(&glue).replace(WASM_PLACE, wasm).into_bytes()
}

/// The console's page and style: `{{module}}`, `{{wasm}}` and `{{style}}` in the page become the hashed names.
pub(crate) fn console_page(places: &Places, assets: &Assets, console: &Built) -> Result<()> {
    let folder = places.root.join("console");
    let style = assets.put_hashed("console", "css", &read(&folder.join("console.css"))?)?;
    let page = String::from_utf8(read(&folder.join("index.html"))?).context("console/index.html is not UTF-8")?;
    let page = fill(&page, &[("module", &console.js()), ("wasm", &console.wasm()), ("style", &style)]);
    assets.put("console.html", page.as_bytes())
}

fn fill(page: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(page.to_owned(), |page, (name, value)| page.replace(&format!("{{{{{name}}}}}"), value))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_the_hashed_files() {
        let page = fill("<script src=\"/assets/{{module}}\"></script>{{other}}", &[("module", "console-1.js")]);
        assert_eq!(page, "<script src=\"/assets/console-1.js\"></script>{{other}}");
    }

    #[test]
    fn a_self_starting_script_names_its_wasm() {
        let script = self_starting(b"init(new URL(\"__portico_wasm__\",import.meta.url))".to_vec(), "console-1.wasm");
        assert_eq!(script, b"init(new URL(\"console-1.wasm\",import.meta.url))");
    }
}
