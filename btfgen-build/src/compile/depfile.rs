//! Depfile: the Makefile rule that `clang -MD` writes, and its inputs.

use std::path::PathBuf;

/// The inputs that a depfile names, in its order.
pub(super) fn inputs(bytes: &[u8]) -> Vec<PathBuf> {
    let text = String::from_utf8_lossy(bytes);
    // The target ends at the first colon before a blank; its name may contain other colons.
    let rest = text.split_once(": ").or_else(|| text.split_once(":\\\n")).map_or("", |(_, rest)| rest);
    let mut inputs = Vec::new();
    let mut word = String::new();
    let mut characters = rest.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, characters.peek()) {
            // Clang escapes only these characters; any other backslash is part of a name.
            ('\\', Some(&next @ (' ' | '#'))) | ('$', Some(&next @ '$')) => {
                word.push(next);
                characters.next();
            }
            ('\\', Some('\n' | '\r')) | (' ' | '\t' | '\r', _) => end(&mut word, &mut inputs),
            ('\n', _) => {
                end(&mut word, &mut inputs);
                // The rule continues only after an escaped line break, which clang indents.
                if !matches!(characters.peek(), Some(' ' | '\t')) {
                    break;
                }
            }
            _ => word.push(character),
        }
    }
    end(&mut word, &mut inputs);
    inputs
}

fn end(word: &mut String, inputs: &mut Vec<PathBuf>) {
    if !word.is_empty() {
        inputs.push(PathBuf::from(std::mem::take(word)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_inputs() {
        let check = |text: &str, expect: &[&str]| {
            assert_eq!(inputs(text.as_bytes()), expect.iter().map(PathBuf::from).collect::<Vec<_>>());
        };
        check("a.o: a.c b.h\n", &["a.c", "b.h"]);
        check("/o/a.o: /s/a.c \\\n  /s/b.h \\\n  /usr/c.h\n", &["/s/a.c", "/s/b.h", "/usr/c.h"]);
        check(
            "a.o: with\\ blank.h \\\n  a$$b.h a\\#b.h a\\b.h\n",
            &["with blank.h", "a$b.h", "a#b.h", "a\\b.h"],
        );
        check("a.o: a.c\n\nb.h:\n", &["a.c"]);
        check("a.o: a.c", &["a.c"]);
        check("", &[]);
        check("no rule", &[]);
    }
}
