//! Links the unwinder statically on Linux with glibc.
//!
//! The standard library asks for `libgcc_s.so`, whose loading is a sixth of the time that `twg auth
//! token` takes. `libgcc_eh.a` holds the same functions; named here, it comes first on the linker's
//! command line, and the shared library is then not needed. Where there is no such archive, nothing
//! changes.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |variable: &str, value: &str| std::env::var(variable).is_ok_and(|v| v == value);
    let glibc = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu");
    let native = std::env::var("HOST").ok() == std::env::var("TARGET").ok();
    if glibc && native && has_static_unwinder() {
        println!("cargo:rustc-link-lib=dylib=gcc_eh");
    }
}

/// The compiler driver that links prints a path if it has the archive, and else the bare name.
fn has_static_unwinder() -> bool {
    let output = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output();
    output.is_ok_and(|o| Path::new(String::from_utf8_lossy(&o.stdout).trim()).is_absolute())
}
