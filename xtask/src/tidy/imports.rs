//! Imports: the paths that a source file names outside its tests, read from its tokens, so that paths in macros count as well.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path, name by name; a path in the same crate begins with `crate`.
pub(super) type Names = Vec<String>;

/// What one source file names and declares outside its tests.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// Every path of two or more names, and every macro call (`println!`), with its line.
    pub(super) paths: Vec<(Names, usize)>,
    /// The paths of the names that a `use` brings into scope.
    pub(super) bindings: BTreeMap<String, Names>,
    /// Modules that only tests compile.
    pub(super) test_modules: BTreeSet<String>,
    /// Modules in files of their own.
    children: BTreeSet<String>,
    /// Re-exports: name, path, line.
    re_exports: Vec<(String, Names, usize)>,
    /// Every name outside a `use`.
    names: BTreeSet<String>,
}

impl Source {
    /// Reads the text of the file that holds `module`.
    pub(super) fn parse(text: &str, module: &[String]) -> Result<Self, String> {
        let tokens: TokenStream = text.parse().map_err(|error| format!("invalid Rust: {error}"))?;
        let mut source = Self::default();
        source.scan(tokens);
        // A re-export only gives a name; it is an import if the file uses that name as well.
        for (name, path, line) in &source.re_exports {
            if source.names.contains(name) {
                source.paths.push((path.clone(), *line));
            }
        }
        let paths = source.paths.iter_mut().map(|(path, _)| path);
        for path in paths.chain(source.bindings.values_mut()) {
            *path = absolute(path, module, &source.children);
        }
        Ok(source)
    }

    fn scan(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut rest = &tokens[..];
        let mut is_public = false;
        while let [token, after @ ..] = rest {
            rest = after;
            match token {
                TokenTree::Punct(_) if is_test_only(token, after) => rest = self.skip_item(&after[1..]),
                TokenTree::Ident(word) if word == "mod" => {
                    if let [TokenTree::Ident(name), end, ..] = after
                        && is_punct(end, ';')
                    {
                        self.children.insert(name.to_string());
                    }
                }
                // In `impl Trait + use<'a>` it is not an item.
                TokenTree::Ident(word)
                    if word == "use" && !after.first().is_some_and(|next| is_punct(next, '<')) =>
                {
                    let len = after.iter().take_while(|token| !is_punct(token, ';')).count();
                    self.add_use(&after[..len], &[], is_public);
                    rest = &after[len..];
                }
                TokenTree::Ident(word) => {
                    self.names.insert(word.to_string());
                    let mut path = vec![word.to_string()];
                    while let [colon, second, TokenTree::Ident(name), after @ ..] = rest
                        && is_punct(colon, ':')
                        && is_punct(second, ':')
                    {
                        path.push(name.to_string());
                        rest = after;
                    }
                    let is_macro = matches!(rest, [mark, TokenTree::Group(_), ..] if is_punct(mark, '!'));
                    if is_macro && let Some(name) = path.last_mut() {
                        name.push('!');
                    }
                    if path.len() > 1 || is_macro {
                        self.paths.push((path, word.span().start().line));
                    }
                }
                TokenTree::Group(group) => self.scan(group.stream()),
                _ => {}
            }
            // `pub` or the end of `pub(crate)`.
            is_public = match token {
                TokenTree::Ident(word) => word == "pub",
                TokenTree::Group(group) => group.delimiter() == Delimiter::Parenthesis,
                _ => false,
            };
        }
    }

    /// Adds each leaf of a `use` tree; `before` is the path that leads to it.
    fn add_use(&mut self, tree: &[TokenTree], before: &[String], is_re_export: bool) {
        let Some(last) = tree.last() else { return };
        let mut path = before.to_vec();
        for token in tree {
            match token {
                TokenTree::Ident(word) if word == "as" => break,
                TokenTree::Ident(word) => path.push(word.to_string()),
                TokenTree::Group(group) => {
                    let leaves: Vec<TokenTree> = group.stream().into_iter().collect();
                    for leaf in leaves.split(|token| is_punct(token, ',')) {
                        self.add_use(leaf, &path, is_re_export);
                    }
                    return;
                }
                _ => {}
            }
        }
        // `use a::{self, b}` names `a` itself.
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let name = match last {
            TokenTree::Ident(word) if word != "self" => word.to_string(),
            _ => path.last().cloned().unwrap_or_default(),
        };
        let line = last.span().start().line;
        self.bindings.insert(name.clone(), path.clone());
        match is_re_export {
            true => self.re_exports.push((name, path, line)),
            false => self.paths.push((path, line)),
        }
    }

    /// The tokens after the item that `tokens` start with; a module of tests is noted.
    fn skip_item<'t>(&mut self, tokens: &'t [TokenTree]) -> &'t [TokenTree] {
        let is_end = |token: &TokenTree| match token {
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
            token => is_punct(token, ';'),
        };
        let len = tokens.iter().position(is_end).map_or(tokens.len(), |end| end + 1);
        let (item, rest) = tokens.split_at(len);
        if let Some([_, name]) = item.windows(2).find(|pair| pair[0].to_string() == "mod") {
            self.test_modules.insert(name.to_string());
        }
        rest
    }
}

/// The path from the crate's root; another crate's path stays as it is.
fn absolute(path: &[String], module: &[String], children: &BTreeSet<String>) -> Names {
    let relative = path.iter().take_while(|name| *name == "self" || *name == "super").count();
    if relative == 0 && !path.first().is_some_and(|first| children.contains(first)) {
        return path.to_vec();
    }
    let levels_up = path[..relative].iter().filter(|name| *name == "super").count();
    [&module[..module.len() - levels_up], &path[relative..]].concat()
}

fn is_punct(token: &TokenTree, char: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == char)
}

/// Whether these tokens start `#[cfg(test)]`.
fn is_test_only(token: &TokenTree, after: &[TokenTree]) -> bool {
    let attribute = |token: &TokenTree| token.to_string().replace(' ', "") == "[cfg(test)]";
    is_punct(token, '#') && after.first().is_some_and(attribute)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Source, String> {
        Source::parse(text, &["crate", "a", "b"].map(str::to_owned))
    }

    /// Checks the paths in a file of module `a::b`, each with its line.
    fn check(text: &str, expect: &[&str]) {
        let paths = parse(text).unwrap().paths.into_iter();
        let paths: Vec<String> = paths.map(|(path, line)| format!("{} {line}", path.join("::"))).collect();
        assert_eq!(paths, expect, "{text}");
    }

    #[test]
    fn finds_paths() {
        check("use crate::x::Y;", &["crate::x::Y 1"]);
        check("use crate::{x, y::{self, Z as W}};", &["crate::x 1", "crate::y 1", "crate::y::Z 1"]);
        check("use crate::x::*;", &["crate::x 1"]);
        check("fn f() {\n crate::x::y()\n}", &["crate::x::y 2"]);
        check("use super::c::D;\nuse super::super::e;", &["crate::a::c::D 1", "crate::e 2"]);
        check("use self::c::D;", &["crate::a::b::c::D 1"]);
        check("mod c; use c::D; fn f() { c::e() }", &["crate::a::b::c::D 1", "crate::a::b::c::e 1"]);
        check("use std::io; fn f() { io::stdin() }", &["std::io 1", "io::stdin 1"]);
        check("fn f() { vec![super::c::D] }", &["vec! 1", "crate::a::c::D 1"]);
        check("fn f() { println!(\"\") }", &["println! 1"]);
        check("fn f() -> impl Read + use<> {}", &[]);
        check("fn f() { a.b(); a!=b }", &[]);
        check("// crate::x::y\n/// crate::x\nconst A: &str = \"crate::x\";", &[]);
    }

    #[test]
    fn tests_and_names_for_others_do_not_count() {
        check("#[cfg(test)]\nmod tests { use crate::x; }\nuse crate::y;", &["crate::y 3"]);
        check("#[cfg(test)] use crate::x; #[cfg(test)] fn f() { crate::x::y() }", &[]);
        check("#[cfg(not(test))] use crate::x;", &["crate::x 1"]);
        check("pub use crate::x::Y;", &[]);
        check("pub(crate) use crate::x::Y; fn f(_: Y) {}", &["crate::x::Y 1"]);
        let source = parse("#[cfg(test)] mod helpers; mod other;").unwrap();
        assert_eq!(source.test_modules, BTreeSet::from(["helpers".to_owned()]));
        assert!(parse("fn f( {").is_err());
    }
}
