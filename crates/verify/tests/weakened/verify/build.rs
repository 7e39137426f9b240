//! Compiles the sources of another crate with checks that a test can switch off.

fn main() {
    #[expect(clippy::print_stdout, reason = "this is how a build script speaks")]
    {
        println!("cargo::rustc-cfg=weakened");
        println!("cargo::rerun-if-changed=build.rs");
    }
}
