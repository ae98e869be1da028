//! Imports: the paths that a source file names, read from its tokens, so that paths in macros count as well.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// What one source file declares and names outside its tests.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// Every path of two or more names, and every macro call (`println!`), with its line.
    paths: Vec<Named>,
    /// The paths of the names that a `use` brings into scope.
    bindings: BTreeMap<String, Vec<String>>,
    /// Modules that it declares in files of their own.
    children: BTreeSet<String>,
    /// Those of them that only tests compile.
    pub(super) test_modules: BTreeSet<String>,
}

#[derive(Debug)]
struct Named {
    path: Vec<String>,
    line: usize,
    /// The inline modules around it, from the file's own module on.
    inside: Vec<String>,
    /// A `pub use`: the name that it re-exports.
    re_export: Option<String>,
}

/// A path with its start resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// In the same crate, from the crate's root.
    Own(Vec<String>),
    /// In another crate, or a macro.
    Foreign(Vec<String>),
}

impl Source {
    /// Reads a file's text.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let tokens: TokenStream = text.parse().map_err(|error| format!("invalid Rust: {error}"))?;
        let mut source = Self::default();
        let mut names = BTreeSet::new();
        source.scan(tokens, &[], &mut names);
        // A re-export only gives a name; it is an import if the file uses that name as well.
        source.paths.retain(|named| named.re_export.as_ref().is_none_or(|name| names.contains(name)));
        Ok(source)
    }

    /// The paths named in the file of `module`, each with its line.
    pub(super) fn targets(&self, module: &[String]) -> Vec<(Target, usize)> {
        let target = |named: &Named| {
            let from = [module, &named.inside[..]].concat();
            (self.resolve(&named.path, &from, module), named.line)
        };
        self.paths.iter().map(target).collect()
    }

    /// The path of a name that a `use` brings into the file's scope.
    pub(super) fn binding(&self, name: &str, module: &[String]) -> Option<Target> {
        self.bindings.get(name).map(|path| self.resolve(path, module, module))
    }

    fn resolve(&self, path: &[String], from: &[String], module: &[String]) -> Target {
        let (mut path, mut from) = (path.to_vec(), from.to_vec());
        // A path may begin with a name whose path begins with such a name again; valid code does not go this deep.
        for _ in 0..8 {
            let Some((first, rest)) = path.split_first() else { break };
            match first.as_str() {
                "" => return Target::Foreign(rest.to_vec()),
                "crate" => return Target::Own(rest.to_vec()),
                "self" | "super" => {
                    if first == "super" {
                        from.pop();
                    }
                    path = rest.to_vec();
                    if path.first().is_none_or(|name| name != "super") {
                        return Target::Own([from, path].concat());
                    }
                }
                child if self.children.contains(child) => return Target::Own([module, &path[..]].concat()),
                name => match self.bindings.get(name) {
                    Some(replacement) if replacement.first() != Some(first) => {
                        path = [&replacement[..], rest].concat();
                        from = module.to_vec();
                    }
                    _ => break,
                },
            }
        }
        Target::Foreign(path)
    }

    fn scan(&mut self, tokens: TokenStream, inside: &[String], names: &mut BTreeSet<String>) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            let start = at;
            at += 1;
            match &tokens[start] {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    let Some(attribute) = tokens[at..].iter().take(2).find_map(group) else { continue };
                    at += 1 + usize::from(is_punct(tokens.get(at), '!'));
                    if is_test_only(attribute) {
                        at = self.skip_item(&tokens, at);
                    }
                }
                TokenTree::Ident(word) if word == "mod" => {
                    let Some(TokenTree::Ident(name)) = tokens.get(at) else { continue };
                    match tokens.get(at + 1) {
                        Some(TokenTree::Group(body)) => {
                            let inside = [inside, &[name.to_string()]].concat();
                            self.scan(body.stream(), &inside, names);
                            at += 2;
                        }
                        _ => _ = self.children.insert(name.to_string()),
                    }
                }
                TokenTree::Ident(word) if word == "use" && is_use_item(&tokens, start) => {
                    let end = (at..tokens.len()).find(|&end| is_punct(tokens.get(end), ';'));
                    let end = end.unwrap_or(tokens.len());
                    let is_re_export = start > 0 && is_visibility(&tokens[start - 1]);
                    self.add_use(&tokens[at..end], &[], inside, is_re_export);
                    at = end;
                }
                TokenTree::Ident(word) => {
                    names.insert(word.to_string());
                    let global = start > 1 && is_path_separator(&tokens, start - 2);
                    let mut path = if global { vec![String::new()] } else { Vec::new() };
                    path.push(word.to_string());
                    while is_path_separator(&tokens, at) {
                        let Some(TokenTree::Ident(name)) = tokens.get(at + 2) else { break };
                        path.push(name.to_string());
                        at += 3;
                    }
                    let is_macro = is_punct(tokens.get(at), '!') && tokens.get(at + 1).is_some_and(is_group);
                    if is_macro && let Some(name) = path.last_mut() {
                        name.push('!');
                    }
                    if path.len() > 1 || is_macro {
                        self.add(path, word.span().start().line, inside, None);
                    }
                }
                // The path in `pub(in a::b)` is not an import.
                TokenTree::Group(group) if group.stream().to_string().starts_with("in ") => {}
                TokenTree::Group(group) => self.scan(group.stream(), inside, names),
                _ => {}
            }
        }
    }

    fn add(&mut self, path: Vec<String>, line: usize, inside: &[String], re_export: Option<String>) {
        self.paths.push(Named { path, line, inside: inside.to_vec(), re_export });
    }

    /// Adds each leaf of a `use` tree; `before` is the path that leads to it.
    fn add_use(&mut self, tree: &[TokenTree], before: &[String], inside: &[String], is_re_export: bool) {
        let mut path = before.to_vec();
        let mut name = None;
        let mut line = 0;
        let mut rest = tree.iter().enumerate();
        while let Some((at, token)) = rest.next() {
            line = if line == 0 { token.span().start().line } else { line };
            match token {
                TokenTree::Ident(word) if word == "as" => {
                    name = tree.get(at + 1).map(ToString::to_string);
                    rest.next();
                }
                TokenTree::Ident(word) => path.push(word.to_string()),
                TokenTree::Group(group) => {
                    let leaves: Vec<TokenTree> = group.stream().into_iter().collect();
                    for leaf in
                        leaves.split(|token| is_punct(Some(token), ',')).filter(|leaf| !leaf.is_empty())
                    {
                        self.add_use(leaf, &path, inside, is_re_export);
                    }
                    return;
                }
                TokenTree::Punct(punct) if punct.as_char() == '*' => name = Some("*".to_owned()),
                TokenTree::Punct(_) if at == 0 => path.push(String::new()),
                _ => {}
            }
        }
        // `use a::{self, b}` names `a` itself.
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let Some(name) = name.or_else(|| path.last().cloned()) else { return };
        if inside.is_empty() && name != "*" {
            self.bindings.insert(name.clone(), path.clone());
        }
        self.add(path, line, inside, is_re_export.then_some(name));
    }

    /// The index after the item that starts at `at`; a module of tests is noted.
    fn skip_item(&mut self, tokens: &[TokenTree], mut at: usize) -> usize {
        while let Some(token) = tokens.get(at) {
            if let (TokenTree::Ident(word), Some(TokenTree::Ident(name))) = (token, tokens.get(at + 1))
                && word == "mod"
            {
                self.test_modules.insert(name.to_string());
            }
            at += 1;
            if is_punct(Some(token), ';')
                || group(token).is_some_and(|group| group.delimiter() == Delimiter::Brace)
            {
                break;
            }
        }
        at
    }
}

fn group(token: &TokenTree) -> Option<&Group> {
    if let TokenTree::Group(group) = token { Some(group) } else { None }
}

fn is_group(token: &TokenTree) -> bool {
    group(token).is_some()
}

fn is_punct(token: Option<&TokenTree>, char: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == char)
}

fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')
}

/// Whether `use` begins an item; in `impl Trait + use<'a>` it does not.
fn is_use_item(tokens: &[TokenTree], at: usize) -> bool {
    !is_punct(tokens.get(at + 1), '<')
}

/// Whether this token can end `pub` or `pub(crate)`.
fn is_visibility(token: &TokenTree) -> bool {
    match token {
        TokenTree::Ident(word) => word == "pub",
        TokenTree::Group(group) => group.delimiter() == Delimiter::Parenthesis,
        _ => false,
    }
}

/// Whether an attribute keeps its item for tests: `#[cfg(test)]`, `#[cfg(all(test, unix))]`.
fn is_test_only(attribute: &Group) -> bool {
    let text = attribute.stream().to_string().replace(' ', "");
    let words =
        |text: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "test");
    text.starts_with("cfg(") && words(&text) && !text.contains("not(") && !text.contains("any(")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(path: &str) -> Vec<String> {
        path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    /// The paths in a file of module `a::b`, those of the crate with `crate::` before them.
    fn targets(text: &str) -> Vec<String> {
        let targets = Source::parse(text).unwrap().targets(&module("a::b"));
        let text = |target: Target| match target {
            Target::Own(path) => [&["crate".to_owned()], &path[..]].concat().join("::"),
            Target::Foreign(path) => path.join("::"),
        };
        targets.into_iter().map(|(target, line)| format!("{} {line}", text(target))).collect()
    }

    #[test]
    fn finds_paths() {
        let check = |text: &str, expect: &[&str]| assert_eq!(targets(text), expect, "{text}");
        check("use crate::x::Y;", &["crate::x::Y 1"]);
        check("use crate::{x, y::{self, Z as W}};", &["crate::x 1", "crate::y 1", "crate::y::Z 1"]);
        check("use crate::x::*;", &["crate::x 1"]);
        check("fn f() {\n crate::x::y()\n}", &["crate::x::y 2"]);
        check("use super::c::D;\nuse super::super::e;", &["crate::a::c::D 1", "crate::e 2"]);
        check("use self::c::D;", &["crate::a::b::c::D 1"]);
        check("mod c; use c::D; fn f() { c::e() }", &["crate::a::b::c::D 1", "crate::a::b::c::e 1"]);
        check("use crate::x; fn f() { x::y::z() }", &["crate::x 1", "crate::x::y::z 1"]);
        check("use std::io; fn f() { io::stdin() }", &["std::io 1", "std::io::stdin 1"]);
        check("fn f() { vec![super::c::D] }", &["vec! 1", "crate::a::c::D 1"]);
        check("fn f() { println!(\"\") }", &["println! 1"]);
        check("mod inner { use super::c; }", &["crate::a::b::c 1"]);
        check("fn f() -> impl Read + use<> {}", &[]);
        check("fn f() { ::c::d() } mod c;", &["c::d 1"]);
        check("fn f() { a.b(); a!=b } pub(in crate::a) fn g() {}", &[]);
        check("// crate::x::y\n/// crate::x\nconst A: &str = \"crate::x\";", &[]);
    }

    #[test]
    fn tests_and_names_for_others_do_not_count() {
        let check = |text: &str, expect: &[&str]| assert_eq!(targets(text), expect, "{text}");
        check("#[cfg(test)]\nmod tests { use crate::x; }\nuse crate::y;", &["crate::y 3"]);
        check("#[cfg(test)] use crate::x; #[cfg(all(test, unix))] fn f() { crate::x::y() }", &[]);
        check("#[cfg(not(test))] use crate::x;", &["crate::x 1"]);
        check("pub use crate::x::Y;", &[]);
        check("pub(crate) use crate::x::Y; fn f(_: Y) {}", &["crate::x::Y 1"]);
        let source = Source::parse("#[cfg(test)] mod helpers; mod other;").unwrap();
        assert_eq!(source.test_modules, BTreeSet::from(["helpers".to_owned()]));
        assert!(Source::parse("fn f( {").is_err());
    }
}
