fn main() {
    println!("cargo:rustc-link-lib=dylib=gcc_eh");
}
