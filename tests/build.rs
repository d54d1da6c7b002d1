//! Compiles the tests of clients in on demand: `KLATSCH_INTEROP=all` (tests/interop/README.md).

fn main() {
    println!("cargo::rustc-check-cfg=cfg(interop_all)");
    println!("cargo::rerun-if-env-changed=KLATSCH_INTEROP");
    if std::env::var("KLATSCH_INTEROP").is_ok_and(|clients| clients == "all") {
        println!("cargo::rustc-cfg=interop_all");
    }
}
