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

use super::imports::{Source, Target};

/// The document, from the workspace's root.
pub(super) const DOCUMENT: &str = "docs/architecture.md";

/// Paths that touch the world.
const IO: &[&str] = &[
    "dbg!",
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
];
/// Other crates that exist to touch the world.
const IO_CRATES: &[&str] = &["axum", "libc", "memmap2", "nix", "rustix", "tempfile", "tokio", "ureq"];

/// The ordered modules of one package.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Layers {
    modules: Vec<Layer>,
}

#[derive(Debug, PartialEq, Eq)]
struct Layer {
    name: String,
    io: bool,
}

/// Reads the lists of all packages; the second value is what is wrong with them.
pub(super) fn parse(document: &str) -> (BTreeMap<String, Layers>, Vec<String>) {
    let (mut packages, mut faults) = (BTreeMap::<String, Layers>::new(), Vec::new());
    let section = document.split("\n## ").find_map(|section| section.strip_prefix("Modules\n"));
    let mut package = String::new();
    for line in section.unwrap_or_default().lines() {
        if let Some(name) = line.strip_prefix("### ") {
            name.trim().clone_into(&mut package);
            if packages.insert(package.clone(), Layers::default()).is_some() {
                faults.push(format!("{DOCUMENT}: {package} has two lists of modules"));
            }
        } else if line.starts_with(|c: char| c.is_ascii_digit()) {
            match (layer(line), packages.get_mut(&package)) {
                (Some(layer), Some(layers)) if layers.position(&layer.name).is_none() => {
                    layers.modules.push(layer);
                }
                (Some(layer), Some(_)) => {
                    faults.push(format!("{DOCUMENT}: {package}: module `{}` is listed twice", layer.name));
                }
                _ => faults.push(format!(
                    "{DOCUMENT}: invalid line {line:?}: write \"1. `name`: what it holds\" or \"1. `name` (I/O): ...\" below a \
                     heading \"### package\""
                )),
            }
        }
    }
    (packages, faults)
}

fn layer(line: &str) -> Option<Layer> {
    let (number, rest) = line.split_once(". `")?;
    let (name, rest) = rest.split_once('`')?;
    let io = rest.strip_prefix(" (I/O)");
    let text = io.unwrap_or(rest).strip_prefix(": ")?;
    number.parse::<u32>().ok().filter(|_| !text.trim().is_empty())?;
    Some(Layer { name: name.to_owned(), io: io.is_some() })
}

impl Layers {
    fn position(&self, name: &str) -> Option<usize> {
        self.modules.iter().position(|layer| layer.name == name)
    }
}

/// A source file of a package.
struct File<'a> {
    path: &'a str,
    /// Its module, from the crate's root.
    module: Vec<String>,
    source: Source,
}

/// An import of one file by another, by their indices.
struct Import {
    from: usize,
    to: usize,
    line: usize,
}

/// Checks the files of one package, given with their paths from the workspace's root; `src` is the package's folder of sources.
pub(super) fn check(layers: &Layers, src: &str, texts: &[(&str, &str)]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut files = Vec::new();
    for (path, text) in texts {
        let relative = path.strip_prefix(src).unwrap_or(path).trim_start_matches('/');
        match Source::parse(text) {
            Ok(source) => files.push(File { path, module: module(relative), source }),
            Err(error) => faults.push(format!("{path}: {error}")),
        }
    }
    leave_out_tests(&mut files);
    let package = Package { layers, files };
    package.check_list(src, &mut faults);
    let imports = package.imports();
    package.check_order(&imports, &mut faults);
    package.check_circles(&imports, &mut faults);
    package.check_io(&mut faults);
    faults
}

/// The module of a source file: none of the crate's roots, `a::b` of `a/b.rs` and of `a/b/mod.rs`.
fn module(relative: &str) -> Vec<String> {
    let path = relative.trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if ["lib", "main"].contains(&path) { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
}

/// Removes the files that only tests compile.
fn leave_out_tests(files: &mut Vec<File<'_>>) {
    let child = |file: &File<'_>, name: &String| [&file.module[..], std::slice::from_ref(name)].concat();
    let tests: Vec<Vec<String>> =
        files.iter().flat_map(|file| file.source.test_modules.iter().map(|name| child(file, name))).collect();
    files.retain(|file| !tests.iter().any(|test| file.module.starts_with(test)));
}

struct Package<'a> {
    layers: &'a Layers,
    files: Vec<File<'a>>,
}

impl<'a> Package<'a> {
    /// The listed name of the top-level module that holds a file: a crate's root is `lib` or `main`.
    fn layer_name(&self, file: usize) -> &str {
        let file = &self.files[file];
        let root = if file.path.ends_with("main.rs") { "main" } else { "lib" };
        file.module.first().map_or(root, String::as_str)
    }

    fn is_io(&self, name: &str) -> bool {
        self.layers.modules.iter().any(|layer| layer.name == name && layer.io)
    }

    /// The list names every module, and nothing else.
    fn check_list(&self, src: &str, faults: &mut Vec<String>) {
        let names: BTreeSet<&str> = (0..self.files.len()).map(|file| self.layer_name(file)).collect();
        for name in names.iter().filter(|name| self.layers.position(name).is_none()) {
            faults.push(format!(
                "{DOCUMENT}: {src}: module `{name}` is not listed: add it below the modules that it imports"
            ));
        }
        for layer in self.layers.modules.iter().filter(|layer| !names.contains(layer.name.as_str())) {
            faults.push(format!("{DOCUMENT}: {src}: no module `{}`: remove it from the list", layer.name));
        }
    }

    /// Imports between different files, the first of each pair.
    fn imports(&self) -> Vec<Import> {
        let mut imports = BTreeMap::new();
        for (from, file) in self.files.iter().enumerate() {
            for (target, line) in file.source.targets(&file.module) {
                let Some(to) = self.file_of(target, from, 0) else { continue };
                if to != from {
                    imports.entry((from, to)).or_insert(line);
                }
            }
        }
        imports.into_iter().map(|((from, to), line)| Import { from, to, line }).collect()
    }

    /// The file that defines the item of a path; re-exports are followed to the definition.
    fn file_of(&self, target: Target, from: usize, depth: u32) -> Option<usize> {
        let Target::Own(path) = target else { return None };
        let find = |module: &[String]| self.files.iter().position(|file| file.module == module);
        let root = if self.files[from].module.is_empty() { Some(from) } else { find(&[]) };
        let mut current = root?;
        for (at, name) in path.iter().enumerate() {
            if let Some(child) = find(&path[..=at]) {
                current = child;
                continue;
            }
            let file = &self.files[current];
            return match file.source.binding(name, &file.module) {
                Some(Target::Own(replacement)) if depth < 8 => {
                    self.file_of(Target::Own([&replacement[..], &path[at + 1..]].concat()), from, depth + 1)
                }
                // A name of another crate.
                Some(Target::Foreign(_)) => None,
                _ => Some(current),
            };
        }
        Some(current)
    }

    fn check_order(&self, imports: &[Import], faults: &mut Vec<String>) {
        for Import { from, to, line } in imports {
            let (name, imported) = (self.layer_name(*from), self.layer_name(*to));
            let path = self.files[*from].path;
            if let (Some(own), Some(other)) = (self.layers.position(name), self.layers.position(imported))
                && other > own
            {
                faults.push(format!(
                    "{path}:{line}: `{name}` imports `{imported}`, which {DOCUMENT} lists below it: move what both need into a \
                     module above"
                ));
            }
            if !self.is_io(name) && self.is_io(imported) {
                faults.push(format!(
                    "{path}:{line}: `{name}` imports `{imported}`, which is marked (I/O), but is not marked itself: pass it what \
                     was read"
                ));
            }
        }
    }

    /// Circles between the files of one folder module.
    fn check_circles(&self, imports: &[Import], faults: &mut Vec<String>) {
        let mut reported = BTreeSet::new();
        for start in 0..self.files.len() {
            let Some(circle) = self.circle(start, imports).filter(|_| !reported.contains(&start)) else {
                continue;
            };
            reported.extend(circle.iter().map(|import| import.from));
            let steps: Vec<String> = circle
                .iter()
                .map(|import| {
                    let (from, to) = (&self.files[import.from], &self.files[import.to]);
                    format!("{}:{} imports {}", from.path, import.line, to.path)
                })
                .collect();
            faults.push(format!("files import each other in a circle: {}", steps.join(", ")));
        }
    }

    /// The shortest circle of imports through a file, within its folder module.
    fn circle<'i>(&self, start: usize, imports: &'i [Import]) -> Option<Vec<&'i Import>> {
        let mut paths: Vec<Vec<&Import>> = vec![Vec::new()];
        let mut seen = BTreeSet::new();
        while !paths.is_empty() {
            let mut longer = Vec::new();
            for path in &paths {
                let end = path.last().map_or(start, |import| import.to);
                let inside = |import: &&Import| self.layer_name(import.to) == self.layer_name(start);
                for import in imports.iter().filter(|import| import.from == end).filter(inside) {
                    let next = [&path[..], &[import]].concat();
                    if import.to == start {
                        return Some(next);
                    }
                    if seen.insert(import.to) {
                        longer.push(next);
                    }
                }
            }
            paths = longer;
        }
        None
    }

    /// Only marked modules touch the world; one fault a file and kind.
    fn check_io(&self, faults: &mut Vec<String>) {
        for (number, file) in self.files.iter().enumerate() {
            let name = self.layer_name(number);
            if self.layers.position(name).is_none() || self.is_io(name) {
                continue;
            }
            let mut found = BTreeMap::new();
            for (target, line) in file.source.targets(&file.module) {
                if let Some(what) = io(&target) {
                    found.entry(what).or_insert(line);
                }
            }
            for (what, line) in found {
                faults.push(format!(
                    "{}:{line}: `{name}` uses {what}, but {DOCUMENT} does not mark it (I/O): move that into a marked module",
                    file.path
                ));
            }
        }
    }
}

/// Which of the things that touch the world a path names.
fn io(target: &Target) -> Option<&'static str> {
    let Target::Foreign(path) = target else { return None };
    let path = path.join("::");
    // Constants of the compiler.
    if path.starts_with("std::env::consts") {
        return None;
    }
    let is_below = |known: &&str| path == *known || path.starts_with(&format!("{known}::"));
    IO.iter().chain(IO_CRATES).copied().find(is_below)
}

#[cfg(test)]
mod tests;
