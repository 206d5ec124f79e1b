//! The npm package, packed and used by an application with the real React.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use portico_tests::{Browser, World, offer_in};
use serde_json::{Value, json};

fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(said)
}

fn from_env(name: &str) -> Result<PathBuf> {
    Ok(std::env::var_os(name).with_context(|| format!("{name} is not set; `cargo xtask test` sets it"))?.into())
}

/// Packs the package and unpacks it among the modules of an application in `folder`.
fn install(folder: &Path) -> Result<()> {
    let packed = run(Command::new("npm")
        .args(["pack", "--silent", "--pack-destination"])
        .arg(folder)
        .current_dir(from_env("PORTICO_DIST")?.join("npm")))?;
    let modules = folder.join("node_modules");
    std::fs::create_dir_all(&modules)?;
    run(Command::new("tar").arg("-xzf").arg(folder.join(packed.trim())).arg("-C").arg(&modules))?;
    std::fs::rename(modules.join("package"), modules.join("portico-web"))?;
    for entry in std::fs::read_dir(from_env("PORTICO_NODE_MODULES")?)? {
        let entry = entry?;
        std::os::unix::fs::symlink(entry.path(), modules.join(entry.file_name()))?;
    }
    Ok(())
}

#[tokio::test]
async fn an_application_with_react_shows_offers() -> Result<()> {
    let folder = tempfile::tempdir()?;
    install(folder.path())?;
    let modules = folder.path().join("node_modules");
    let app = folder.path().join("app.tsx");
    std::fs::write(&app, include_str!("app.tsx"))?;
    run(Command::new("node")
        .arg(modules.join("typescript/bin/tsc"))
        .args(["--ignoreConfig", "--noEmit", "--strict", "--target", "es2022", "--module", "esnext"])
        .args(["--moduleResolution", "bundler", "--lib", "es2022,dom,dom.iterable", "--jsx", "react-jsx"])
        .arg(&app)
        .current_dir(folder.path()))?;
    let bundle = folder.path().join("app.js");
    let esbuild = std::fs::read_dir(modules.join("@esbuild"))?.next().context("no esbuild for this machine")??;
    run(Command::new(esbuild.path().join("bin/esbuild"))
        .arg(&app)
        .args(["--bundle", "--define:process.env.NODE_ENV=\"production\"", "--log-level=warning"])
        .arg(format!("--outfile={}", bundle.display()))
        .current_dir(folder.path()))?;

    let world = World::start().await?;
    let browser = Browser::start().await?;
    browser.open(&format!("{}/situations/react/", world.bank)).await?;
    browser.cdp("Runtime.evaluate", json!({ "expression": std::fs::read_to_string(&bundle)? })).await?;
    browser.until(&offer_in("home-hero")).await?;
    browser.until("return document.querySelector('output').textContent === 'home-hero'").await?;
    browser.run("document.querySelector('button').click()").await?;
    browser.until(&offer_in("product-side")).await?;
    browser.until("return document.querySelector('output').textContent === 'home-hero product-side'").await?;
    let calculator = "return document.querySelector('portico-gadget').shadowRoot?.querySelector('input[type=radio]:checked')?.parentElement.textContent";
    assert_eq!(browser.until(calculator).await?, "Borrow");
    browser.picture("situation-react").await?;

    // What the manifest says of the elements is so.
    let text = std::fs::read_to_string(modules.join("portico-web/custom-elements.json"))?;
    let manifest: Value = serde_json::from_str(&text)?;
    for element in manifest["modules"][0]["declarations"].as_array().into_iter().flatten() {
        for attribute in element["attributes"].as_array().into_iter().flatten() {
            let (tag, name) = (&element["tagName"], &attribute["name"]);
            let reflects = format!(
                "const at = document.createElement({tag}); at[{name}] = 'x'; return at.getAttribute({name}) === 'x'"
            );
            assert_eq!(browser.run(&reflects).await?, true, "{tag} {name}");
        }
    }
    assert_eq!(browser.complaints().await?, Vec::<String>::new());
    Ok(())
}
