// Entry of the console's module: `cargo xtask build` fills in the hashed name of the WebAssembly file and bundles this
// with wasm-bindgen's glue (target web) into /assets/console-<hash>.js.
import init from "./portico_console.js";

init({ module_or_path: "{{wasm}}" }).catch((error) => {
  const box = document.querySelector("#console > .boot");
  if (box) box.textContent = "The console could not start: " + error.message + ". Reload the page; if it stays, this browser or its policy refuses WebAssembly.";
  throw error;
});
