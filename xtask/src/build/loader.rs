//! The loader: TypeScript, checked by the compiler, bundled to one script. It names the widget that it loads.

use anyhow::{Context, Result, bail};

use super::app::Built;
use super::assets::Assets;
use super::target::Target;
use crate::command::command;
use crate::places::Places;
use crate::setup::BuildTools;
use crate::step::{Done, step};

/// Checks and bundles `widget/loader/loader.ts` to the asset `portico.js`.
pub(crate) fn build(
    places: &Places,
    tools: &BuildTools,
    target: &Target,
    assets: &Assets,
    widget: &Built,
) -> Result<()> {
    step(places, "build loader", |step| {
        let folder = places.root.join("widget/loader");
        let source = folder.join("loader.ts");
        if !source.exists() {
            bail!("{} is missing", source.display());
        }
        let mut tsc = tools.npm.tsc();
        tsc.arg("--noEmit").current_dir(&folder);
        if folder.join("tsconfig.json").exists() {
            tsc.args(["--project", "tsconfig.json"]);
        } else {
            tsc.args(["--ignoreConfig", "--strict", "--target", "es2022", "--module", "esnext"]).args([
                "--lib",
                "es2022,dom,dom.iterable",
                "--moduleResolution",
                "bundler",
                "loader.ts",
            ]);
        }
        step.run(&mut tsc, "Mend the type errors above.")?;
        let results = target.results("app")?;
        let (bundle, small) = (results.join("loader.js"), results.join("portico.js"));
        step.run(
            command(tools.npm.esbuild())
                .arg(&source)
                .args(["--bundle", "--format=iife", "--target=es2022", "--legal-comments=none"])
                .arg(format!("--define:PORTICO_WIDGET=\"{}\"", widget.stem))
                .arg(format!("--outfile={}", bundle.display()))
                .arg("--log-level=warning"),
            // Of an address that it can work out, the bundler wants the file.
            "See the messages above. An `import()` of the widget needs an address made at run time (`new URL(…).href`).",
        )?;
        // The bundler's own minifier leaves 4 % more after compression, and this file is on every page.
        step.run(
            tools
                .npm
                .terser()
                .arg(&bundle)
                .args(["--ecma", "2022", "--toplevel", "--mangle"])
                .args(["--compress", "passes=3,pure_getters=true", "--output"])
                .arg(&small),
            "See the messages above.",
        )?;
        let script = std::fs::read(&small).with_context(|| format!("cannot read {}", small.display()))?;
        assets.put("portico.js", &script)?;
        let types = folder.join("portico.d.ts");
        if types.exists() {
            assets.put("portico.d.ts", &std::fs::read(&types)?)?;
        }
        Ok(((), Done::Now(String::new())))
    })
}
