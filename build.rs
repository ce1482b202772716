//! Keeps the release binary small although it holds line tables.

#[allow(clippy::disallowed_methods, clippy::print_stdout)] // how Cargo and build scripts speak
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_OS", "linux") {
        println!("cargo::rustc-link-arg-bins=-Wl,--compress-debug-sections=zlib");
        // Names of local functions: 4 MB. Backtraces find file and line without them.
        println!("cargo::rustc-link-arg-bins=-Wl,--discard-all");
    }
}
