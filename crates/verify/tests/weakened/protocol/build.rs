//! Compiles the sources of another crate with checks that a test can switch off.

fn main() {
    println!("cargo::rustc-cfg=weakened");
    println!("cargo::rerun-if-changed=build.rs");
}
