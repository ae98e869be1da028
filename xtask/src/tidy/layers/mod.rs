//! Layers: the modules of each package in order, as `docs/architecture.md` lists them, compared with the imports.
//!
//! ```text
//! ## Modules
//!
//! ### btfgen-core
//!
//! 1. `types`: the graph of types
//! 2. `read` (I/O): reads hub files
//! 3. `lib` (I/O): the crate's root
//! ```
//!
//! A module imports only modules above it. Only modules marked `(I/O)` touch files, the environment, processes, the network or
//! the standard streams, and only they import modules that do. Files of one folder module do not import each other in a circle.

use std::collections::{BTreeMap, BTreeSet};

use super::imports::{Names, Source};

/// The document, from the workspace's root.
pub(super) const DOCUMENT: &str = "docs/architecture.md";

/// Paths that touch the world: macros, the standard library, and crates that exist for it.
const IO: &[&str] = &[
    "eprint!",
    "eprintln!",
    "print!",
    "println!",
    "std::env",
    "std::fs",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::net",
    "std::os::unix::net",
    "std::process",
    "libc",
    "memmap2",
    "nix",
    "rustix",
    "tempfile",
    "ureq",
];

/// A listed module: a top-level module of a package, or the crate's root, `lib` or `main`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layer {
    name: String,
    io: bool,
}

/// Reads the list of one package.
pub(super) fn parse(document: &str, package: &str) -> Vec<Layer> {
    let section = document.split("\n## ").find_map(|section| section.strip_prefix("Modules\n"));
    let heading = format!("{package}\n");
    let list = section.unwrap_or_default().split("### ").find_map(|list| list.strip_prefix(&heading));
    let layer = |line: &str| {
        let (_, rest) = line.split_once(". `")?;
        let (name, rest) = rest.split_once('`')?;
        Some(Layer { name: name.to_owned(), io: rest.starts_with(" (I/O)") })
    };
    list.unwrap_or_default().lines().filter_map(layer).collect()
}

/// A source file of a package.
struct File<'a> {
    path: &'a str,
    /// Its module, from the crate's root.
    module: Names,
    source: Source,
}

/// An import of one file by another.
struct Import<'a> {
    from: &'a File<'a>,
    to: &'a File<'a>,
    line: usize,
}

impl File<'_> {
    /// The name of its layer.
    fn layer(&self) -> &str {
        let root = if self.path.ends_with("main.rs") { "main" } else { "lib" };
        self.module.get(1).map_or(root, String::as_str)
    }
}

/// Checks the files of one package, given with their paths from the workspace's root; `src` is the package's folder of sources.
pub(super) fn check(layers: &[Layer], src: &str, texts: &[(&str, &str)]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut files = Vec::new();
    for (path, text) in texts {
        let module = module(path.strip_prefix(src).unwrap_or(path));
        match Source::parse(text, &module) {
            Ok(source) => files.push(File { path, module, source }),
            Err(error) => faults.push(format!("{path}: {error}")),
        }
    }
    leave_out_tests(&mut files);
    check_list(layers, src, &files, &mut faults);
    let imports = imports(&files);
    check_order(layers, &imports, &mut faults);
    check_circles(&imports, &mut faults);
    check_io(layers, &files, &mut faults);
    faults
}

/// The module of a source file: `crate` of the crate's roots, `crate::a::b` of `a/b.rs` and of `a/b/mod.rs`.
fn module(relative: &str) -> Names {
    let path = relative.trim_start_matches('/').trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    let below = path.split('/').filter(|_| !["lib", "main"].contains(&path));
    std::iter::once("crate").chain(below).map(str::to_owned).collect()
}

/// Removes the files that only tests compile.
fn leave_out_tests(files: &mut Vec<File<'_>>) {
    let child = |file: &File<'_>, name: &String| [&file.module[..], std::slice::from_ref(name)].concat();
    let tests: Vec<Names> =
        files.iter().flat_map(|file| file.source.test_modules.iter().map(|name| child(file, name))).collect();
    files.retain(|file| !tests.iter().any(|test| file.module.starts_with(test)));
}

fn position(layers: &[Layer], name: &str) -> Option<usize> {
    layers.iter().position(|layer| layer.name == name)
}

fn is_io(layers: &[Layer], name: &str) -> bool {
    layers.iter().any(|layer| layer.name == name && layer.io)
}

/// The list names every module, and nothing else.
fn check_list(layers: &[Layer], src: &str, files: &[File<'_>], faults: &mut Vec<String>) {
    let names: BTreeSet<&str> = files.iter().map(File::layer).collect();
    for name in names.iter().filter(|name| position(layers, name).is_none()) {
        faults.push(format!(
            "{DOCUMENT}: {src}: module `{name}` is not listed: add \"1. `{name}`: ...\" below the modules that it imports"
        ));
    }
    for layer in layers.iter().filter(|layer| !names.contains(layer.name.as_str())) {
        faults.push(format!("{DOCUMENT}: {src}: no module `{}`: remove it from the list", layer.name));
    }
}

/// Imports between different files, the first of each pair.
fn imports<'a>(files: &'a [File<'a>]) -> Vec<Import<'a>> {
    let mut imports = BTreeMap::new();
    for from in files {
        for (path, line) in &from.source.paths {
            if let Some(to) = definition(files, path)
                && to.path != from.path
            {
                imports.entry((from.path, to.path)).or_insert(Import { from, to, line: *line });
            }
        }
    }
    imports.into_values().collect()
}

/// The file that defines the item of a path; re-exports are followed to the definition.
fn definition<'a>(files: &'a [File<'a>], path: &[String]) -> Option<&'a File<'a>> {
    let mut path = path.to_vec();
    // Real code re-exports an item fewer times.
    for _ in 0..8 {
        let in_file = |file: &&File<'_>| path.starts_with(&file.module);
        let file = files.iter().filter(in_file).max_by_key(|file| file.module.len())?;
        let (_, rest) = path.split_at(file.module.len());
        let binding = rest.first().and_then(|name| file.source.bindings.get(name));
        let Some(binding) = binding else { return Some(file) };
        path = [binding, &rest[1..]].concat();
    }
    None
}

fn check_order(layers: &[Layer], imports: &[Import<'_>], faults: &mut Vec<String>) {
    for Import { from, to, line } in imports {
        let (path, name, imported) = (from.path, from.layer(), to.layer());
        if let (Some(own), Some(other)) = (position(layers, name), position(layers, imported))
            && other > own
        {
            faults.push(format!(
                "{path}:{line}: `{name}` imports `{imported}`, which {DOCUMENT} lists below it: move what both need into a \
                 module above"
            ));
        }
        if !is_io(layers, name) && is_io(layers, imported) {
            faults.push(format!(
                "{path}:{line}: `{name}` imports `{imported}`, which is marked (I/O), but is not marked itself: pass it what \
                 was read"
            ));
        }
    }
}

/// Circles between files of one layer.
fn check_circles(imports: &[Import<'_>], faults: &mut Vec<String>) {
    let mut rest: Vec<&Import<'_>> =
        imports.iter().filter(|import| import.from.layer() == import.to.layer()).collect();
    // A file that imports no other, or that no other imports, is in no circle.
    loop {
        let len = rest.len();
        let from: BTreeSet<&str> = rest.iter().map(|import| import.from.path).collect();
        let to: BTreeSet<&str> = rest.iter().map(|import| import.to.path).collect();
        rest.retain(|import| from.contains(import.to.path) && to.contains(import.from.path));
        if rest.len() == len {
            break;
        }
    }
    if !rest.is_empty() {
        let step =
            |import: &&Import<'_>| format!("{}:{} imports {}", import.from.path, import.line, import.to.path);
        let steps: Vec<String> = rest.iter().map(step).collect();
        faults.push(format!("files import each other in a circle: {}", steps.join(", ")));
    }
}

/// Only marked modules touch the world; one fault a file and kind.
fn check_io(layers: &[Layer], files: &[File<'_>], faults: &mut Vec<String>) {
    for file in files.iter().filter(|file| !is_io(layers, file.layer())) {
        let mut found = BTreeMap::new();
        for (path, line) in &file.source.paths {
            if let Some(what) = io(path) {
                found.entry(what).or_insert(line);
            }
        }
        for (what, line) in found {
            faults.push(format!(
                "{}:{line}: `{}` uses {what}, but {DOCUMENT} does not mark it (I/O): move that into a marked module",
                file.path,
                file.layer()
            ));
        }
    }
}

/// Which of the things that touch the world a path names.
fn io(path: &[String]) -> Option<&'static str> {
    // `io` is always the module of the standard library.
    let prefix = if path.first().is_some_and(|first| first == "io") { "std::" } else { "" };
    let path = format!("{prefix}{}::", path.join("::"));
    if path.starts_with("std::env::consts::") {
        return None;
    }
    IO.iter().copied().find(|known| path.starts_with(&format!("{known}::")))
}

#[cfg(test)]
mod tests;
