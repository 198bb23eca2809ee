//! Builds the modules of `twg-wasm` and says how large they are: `cargo run -p twg-wasm-pack`.
//!
//! - `js-pkg/wasm/`: the npm package's module with what wasm-bindgen writes around it;
//! - `js-pkg/wasm/twg_plugin.wasm`: the plain module;
//! - `js-pkg/wasm/twg_component.wasm`: the component.
//!
//! Needs `wasm-opt`: `npm ci` in this directory, which `tests/run` does.

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use wasm_bindgen_cli_support::Bindgen;
use wit_component::ComponentEncoder;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// What the modules may use: WebAssembly 2.0, which every browser has had since 2022, without its vector instructions. It must
/// be given here, because a stripped module does not name its features.
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// A SHA-256 that is not unrolled: the flows hash a few short texts.
const COMPACT_SHA2: &str = "--cfg=sha2_backend_soft=\"compact\"";

#[expect(clippy::print_stdout, reason = "a tool of the build says what it made")]
fn main() -> Outcome {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let out = root.join("js-pkg/wasm");
    fs::create_dir_all(&out)?;

    let plugin = out.join("twg_plugin.wasm");
    fs::copy(build(&root, &[])?, &plugin)?;
    optimize(&root, &plugin)?;

    let component = out.join("twg_component.wasm");
    fs::copy(build(&root, &["--features", "component"])?, &component)?;
    optimize(&root, &component)?;
    componentize(&component)?;

    bind(&build(&root, &["--features", "bindgen"])?, &out)?;
    let module = out.join("twg_wasm_bg.wasm");
    optimize(&root, &module)?;

    for file in [plugin, component, module, out.join("twg_wasm.js")] {
        println!("{}", size(&file)?);
    }
    Ok(())
}

/// Compiles `twg-wasm`, and returns the path of the module.
fn build(root: &Path, options: &[&str]) -> Outcome<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--locked", "--quiet", "--package", "twg-wasm", "--profile", "wasm"]);
    cargo.args(["--target", "wasm32-unknown-unknown"]).args(options);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", rustflags()?.join("\u{1f}"));
    run(cargo.current_dir(root))?;
    Ok(root.join(target).join("wasm32-unknown-unknown/wasm/twg_wasm.wasm"))
}

/// The modules quote the places in the source where they may panic. Those must not name paths of the machine that built them,
/// and shorter ones make the module smaller.
fn rustflags() -> Outcome<Vec<String>> {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output()?.stdout;
    let std = Path::new(String::from_utf8(sysroot)?.trim()).join("lib/rustlib/src/rust");
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let crates = cargo_home.ok_or("there is no home directory")?.join("registry/src");
    let unnamed = |path: &Path| format!("--remap-path-prefix={}=", path.display());
    Ok(vec![COMPACT_SHA2.into(), unnamed(&std), unnamed(&crates)])
}

/// What `wasm-bindgen --target web` does.
fn bind(module: &Path, out: &Path) -> Outcome {
    let mut bindgen = Bindgen::new();
    bindgen.input_path(module).web(true)?.typescript(true);
    // Where bundlers and browsers find the module, unless the host passes it.
    bindgen.omit_default_module_path(false);
    bindgen.remove_name_section(true).remove_producers_section(true);
    bindgen.generate(out).map_err(|error| format!("wasm-bindgen: {error:?}").into())
}

/// Makes a component of the module at `path`. wit-bindgen has embedded its interface.
fn componentize(path: &Path) -> Outcome {
    let module = fs::read(path)?;
    let component = ComponentEncoder::default().validate(true).module(&module)?.encode()?;
    Ok(fs::write(path, component)?)
}

/// Makes the module at `path` smaller.
fn optimize(root: &Path, path: &Path) -> Outcome {
    let tool = root.join("wasm/pack/node_modules/.bin/wasm-opt");
    if !tool.exists() {
        return Err("wasm-opt is missing: run `npm ci` in wasm/pack".into());
    }
    let mut wasm_opt = Command::new(tool);
    wasm_opt.args(["-Oz", "--converge", "--strip-debug", "--strip-producers"]);
    wasm_opt.args(["--strip-target-features"]).args(FEATURES);
    run(wasm_opt.arg(path).arg("-o").arg(path))
}

fn run(command: &mut Command) -> Outcome {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}

/// One line: the file's name, its size, and its size on the wire.
fn size(path: &Path) -> Outcome<String> {
    let content = fs::read(path)?;
    let mut gzip =
        Command::new("gzip").arg("-9nc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut input = gzip.stdin.take().ok_or("gzip has no input")?;
    let raw = content.len();
    let feeding = std::thread::spawn(move || input.write_all(&content));
    let zipped = gzip.wait_with_output()?.stdout.len();
    feeding.join().map_err(|_| "gzip was not fed")??;
    let name = path.file_name().unwrap_or_default().display();
    Ok(format!("{name}: {raw} bytes, gzip {zipped}"))
}
