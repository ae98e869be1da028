//! Tests of the layers, each with a package of its own in a few lines.

use super::*;

/// A list of `pure` and `high`, which do not touch the world, and `edge`, which does.
const LIST: &str = "# A\n\n## Modules\n\nText.\n\n### p\n\n1. `pure`: values\n2. `high`: more\n3. `edge` (I/O): files\n4. `lib` (I/O): \
                    all\n\n## Next\n\n### q\n";

/// Checks a package with these files and empty ones for the rest of the list.
fn faults(list: &str, files: &[(&str, &str)]) -> Vec<String> {
    let mut texts: BTreeMap<String, &str> = BTreeMap::new();
    for path in ["pure.rs", "high.rs", "edge.rs", "lib.rs"] {
        if !files.iter().any(|(other, _)| *other == path.replace(".rs", "/mod.rs")) {
            texts.insert(format!("p/src/{path}"), "");
        }
    }
    texts.extend(files.iter().map(|(path, text)| (format!("p/src/{path}"), *text)));
    let texts: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    check(&parse(list, "p"), "p/src", &texts)
}

fn check_faults(files: &[(&str, &str)], expect: &[&str]) {
    let faults = faults(LIST, files);
    assert_eq!(faults.len(), expect.len(), "{files:?}: {faults:?}");
    for (fault, expect) in faults.iter().zip(expect) {
        assert!(fault.contains(expect), "{fault}");
    }
}

#[test]
fn reads_the_list() {
    let layers = parse(LIST, "p");
    let names: Vec<(&str, bool)> = layers.iter().map(|layer| (layer.name.as_str(), layer.io)).collect();
    assert_eq!(names, [("pure", false), ("high", false), ("edge", true), ("lib", true)]);
    assert_eq!(parse(LIST, "q"), []);
    assert_eq!(parse("", "p"), []);
}

#[test]
fn modules_import_what_is_above() {
    let check = check_faults;
    check(&[("high.rs", "use crate::pure::A;")], &[]);
    check(&[("lib.rs", "mod pure; mod edge; pub use pure::A; use edge::b;")], &[]);
    check(&[("pure.rs", "//!\nuse crate::high::A;")], &["p/src/pure.rs:2: `pure` imports `high`"]);
    check(&[("pure.rs", "fn f() { crate::high::a() }")], &["pure.rs:1: `pure` imports `high`"]);
    check(&[("pure.rs", "fn f() { vec![super::high::a()] }")], &["`pure` imports `high`"]);
    // What the root only names is where it is defined; what it defines is below all.
    let root =
        ("lib.rs", "mod pure; mod high; pub use pure::A; pub use high::B; pub use std::fmt; pub fn c() {}");
    check(&[root, ("high.rs", "use crate::A;")], &[]);
    check(&[root, ("high.rs", "use crate::fmt;")], &[]);
    check(&[root, ("pure.rs", "use crate::B;")], &["`pure` imports `high`"]);
    check(&[root, ("edge.rs", "fn f() { crate::c() }")], &["`edge` imports `lib`"]);
    // Tests may import anything.
    check(&[("pure.rs", "#[cfg(test)] mod tests { use crate::high; }")], &[]);
    check(&[("pure.rs", "#[cfg(test)] mod tests;"), ("pure/tests.rs", "use crate::high;")], &[]);
    check(
        &[("pure.rs", "mod more;"), ("pure/more.rs", "use crate::high;")],
        &["pure/more.rs:1: `pure` imports"],
    );
}

#[test]
fn the_list_is_complete() {
    check_faults(&[("new.rs", "")], &["p/src: module `new` is not listed"]);
    check_faults(&[("new/mod.rs", ""), ("new/part.rs", "")], &["p/src: module `new` is not listed"]);
    check_faults(&[("main.rs", "")], &["module `main` is not listed"]);
    let more = LIST.replace("3. `edge`", "3. `gone`: x\n3. `edge`");
    assert_eq!(
        faults(&more, &[]),
        ["docs/architecture.md: p/src: no module `gone`: remove it from the list"]
    );
    check_faults(&[("pure.rs", "fn f( {")], &["p/src/pure.rs: invalid Rust", "no module `pure`"]);
}

#[test]
fn files_import_without_circles() {
    let check = check_faults;
    let parts = "pub(crate) mod a; pub(crate) mod b;";
    let whole = ("pure/mod.rs", "mod a; mod b; use a::A; use b::B;");
    check(&[whole, ("pure/a.rs", "use super::b::B;"), ("pure/b.rs", "")], &[]);
    check(
        &[("pure/mod.rs", parts), ("pure/a.rs", "use super::b::B;"), ("pure/b.rs", "//!\nuse super::a::A;")],
        &["p/src/pure/a.rs:1 imports p/src/pure/b.rs, p/src/pure/b.rs:2 imports p/src/pure/a.rs"],
    );
    check(
        &[("pure/mod.rs", "mod a; use a::A; struct B;"), ("pure/a.rs", "use super::B;")],
        &["p/src/pure/a.rs:1 imports p/src/pure/mod.rs"],
    );
    // What a folder only re-exports is imported from where it is defined.
    let folder = ("pure/mod.rs", "mod a; mod b; pub use a::A; pub use b::B;");
    check(&[folder, ("pure/a.rs", ""), ("pure/b.rs", "use super::A;")], &[]);
    check(&[folder, ("pure/a.rs", "use crate::pure::B;"), ("pure/b.rs", "use super::A;")], &["circle"]);
    check(
        &[
            ("pure/mod.rs", "mod a; mod b; mod c;"),
            ("pure/a.rs", "use super::b;"),
            ("pure/b.rs", "use super::c;"),
            ("pure/c.rs", "use super::a;"),
        ],
        &["p/src/pure/c.rs:1 imports p/src/pure/a.rs"],
    );
    check(
        &[
            ("pure/mod.rs", "mod a;"),
            ("pure/a.rs", "#[cfg(test)] mod tests { use super::super::b; }"),
            ("pure/b.rs", "use super::a;"),
        ],
        &[],
    );
}

#[test]
fn only_marked_modules_touch_the_world() {
    let check = check_faults;
    let edge = "use std::fs; fn f() { println!(); rustix::fs::open() }";
    check(&[("edge.rs", edge)], &[]);
    check(&[("pure.rs", edge)], &["uses println!", "uses rustix", "pure.rs:1: `pure` uses std::fs"]);
    check(&[("pure.rs", "use std::{env, net::IpAddr};")], &["uses std::env", "uses std::net"]);
    check(&[("pure.rs", "use std::io; fn f() { io::stdin() }")], &["uses std::io::stdin"]);
    check(&[("pure.rs", "fn f() { std::process::exit(1) }")], &["uses std::process"]);
    check(&[("pure.rs", "use std::{io::Read, path::Path}; const A: &str = std::env::consts::ARCH;")], &[]);
    check(&[("pure.rs", "mod fs; use fs::A;"), ("pure/fs.rs", "")], &[]);
    check(&[("pure.rs", "#[cfg(test)] mod tests { use std::fs; }")], &[]);
    check(
        &[("high.rs", ""), ("pure.rs", "use crate::edge::A;")],
        &["`pure` imports `edge`, which docs", "`pure` imports `edge`, which is marked (I/O)"],
    );
}
