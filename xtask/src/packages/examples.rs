//! Examples: every public item of a library is in an example of its documentation, as C-EXAMPLE of Rust's API guidelines asks.

use std::collections::BTreeSet;

use rustdoc_types::{Crate, Id, Item, ItemEnum, Visibility};

/// An item that needs an example.
struct Documented<'c> {
    item: &'c Item,
    /// The type or trait that it belongs to.
    owner: Option<&'c Item>,
}

/// The number of public items, and the paths of those that are in no example.
///
/// An item is in an example if its documentation has one, or if its name is in an example of the type that it belongs to or of an item
/// that its documentation links to. A type or free function may be named in the example of any item. Items of other crates are not
/// checked.
pub(super) fn check(library: &Crate) -> (usize, Vec<String>) {
    let mut found = Vec::new();
    collect(library, library.root, None, &mut found);
    let all_words: BTreeSet<&str> = found.iter().flat_map(|it| words(it.item)).collect();
    let is_in_example = |it: &Documented<'_>| {
        let names: Vec<&str> = it.names().collect();
        let linked = it.item.links.values().filter_map(|id| library.index.get(id));
        let is_named = |words: &BTreeSet<&str>| words.contains(names[names.len() - 1]);
        !words(it.item).is_empty()
            || linked.map(words).any(|words| names.iter().any(|name| words.contains(name)))
            || it.owner.map_or_else(|| is_named(&all_words), |owner| is_named(&words(owner)))
    };
    let missing = found.iter().filter(|it| !is_in_example(it)).map(Documented::path).collect();
    (found.len(), missing)
}

/// Collects the items that users can name.
fn collect<'c>(library: &'c Crate, id: Id, owner: Option<&'c Item>, found: &mut Vec<Documented<'c>>) {
    let Some(item) = library.index.get(&id) else { return };
    if !matches!(item.visibility, Visibility::Public | Visibility::Default) {
        return;
    }
    let (is_documented, owner_of_content, content) = match &item.inner {
        ItemEnum::Module(it) => (false, None, it.items.clone()),
        ItemEnum::Use(it) => (false, None, it.id.into_iter().collect()),
        ItemEnum::Struct(it) => (true, Some(item), associated(library, &it.impls)),
        ItemEnum::Enum(it) => (true, Some(item), associated(library, &it.impls)),
        ItemEnum::Union(it) => (true, Some(item), associated(library, &it.impls)),
        ItemEnum::Trait(it) => (true, Some(item), it.items.clone()),
        ItemEnum::Function(_) | ItemEnum::Constant { .. } | ItemEnum::Static(_) => (true, None, Vec::new()),
        ItemEnum::AssocConst { .. } | ItemEnum::Macro(_) | ItemEnum::ProcMacro(_) => (true, None, Vec::new()),
        _ => return,
    };
    if is_documented {
        found.push(Documented { item, owner });
    }
    content.into_iter().for_each(|id| collect(library, id, owner_of_content, found));
}

/// The items of a type's own implementations; traits document their own.
fn associated(library: &Crate, impls: &[Id]) -> Vec<Id> {
    let items = |id: &Id| match &library.index.get(id)?.inner {
        ItemEnum::Impl(it) if it.trait_.is_none() => Some(it.items.clone()),
        _ => None,
    };
    impls.iter().filter_map(items).flatten().collect()
}

/// The words of an item's examples.
fn words(item: &Item) -> BTreeSet<&str> {
    item.docs.as_deref().map(words_of_examples).unwrap_or_default()
}

/// The words of the Rust code in a documentation, without comments and the lines that rustdoc hides.
fn words_of_examples(docs: &str) -> BTreeSet<&str> {
    let is_rust = |block: &&str| {
        matches!(block.lines().next(), Some("" | "no_run" | "ignore" | "should_panic" | "compile_fail"))
    };
    let examples = docs.split("```").skip(1).step_by(2).filter(is_rust);
    let lines = examples.flat_map(|example| example.lines().skip(1));
    let lines = lines.filter(|line| !line.starts_with("# ") && !line.trim_start().starts_with("//"));
    let words = lines.flat_map(|line| line.split(|char: char| !char.is_alphanumeric() && char != '_'));
    words.filter(|word| !word.is_empty()).collect()
}

impl Documented<'_> {
    /// The name of the owner, if there is one, and its own.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.owner.into_iter().chain([self.item]).filter_map(|item| item.name.as_deref())
    }

    fn path(&self) -> String {
        self.names().collect::<Vec<_>>().join("::")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_that_a_reader_sees() {
        let check = |docs: &str, expect: &[&str]| {
            assert_eq!(words_of_examples(docs).into_iter().collect::<Vec<_>>(), expect, "{docs:?}");
        };
        check("No example.", &[]);
        check("```toml\nkey = 1\n```\n```\n// comment\nf()\n```", &["f"]);
        check("Text.\n```no_run\nlet a = Host::current();\n```\nText.", &["Host", "a", "current", "let"]);
        check(
            "```\n# let hidden = 1;\n#[derive(Debug)]\n```\nand\n```\nlen_2\n```",
            &["Debug", "derive", "len_2"],
        );
    }
}
