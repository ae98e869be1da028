//! Paths: environment variables and globs in them, and the files that they match.

use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::error::ConfigError;
use crate::cargo::Script;

/// A path as given.
#[derive(Debug, Clone)]
pub(super) enum PathText {
    /// Used literally.
    Path(PathBuf),
    /// With `$NAME` for environment variables, and `*`, `?`, `[...]` where a glob is meant.
    Text(String),
}

const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// The path of a text, which is not a glob.
pub(super) fn one(path: &PathText, base: &Path, script: &mut Script) -> Result<PathBuf, ConfigError> {
    match path {
        PathText::Path(path) => Ok(base.join(path)),
        PathText::Text(text) => Ok(base.join(expand(text, script, str::to_owned)?)),
    }
}

/// The objects that globs match: in the globs' order, sorted within each, none twice.
pub(super) fn objects(
    texts: &[PathText],
    base: &Path,
    script: &mut Script,
) -> Result<Vec<PathBuf>, ConfigError> {
    let mut objects: Vec<PathBuf> = Vec::new();
    for text in texts {
        let found = match text {
            // If it is missing, reading it fails later with an error that names it.
            PathText::Path(path) => vec![base.join(path)],
            PathText::Text(text) => glob_files(text, OBJECTS_HINT, base, script)?,
        };
        for object in found {
            script.rerun_if_changed(&object);
            if !objects.contains(&object) {
                objects.push(object);
            }
        }
    }
    if objects.is_empty() { Err(ConfigError::NoObjects) } else { Ok(objects) }
}

/// What to do if a glob over objects matches nothing.
const OBJECTS_HINT: &str = "; call generate() after compiling; with libbpf-cargo's SkeletonBuilder set \
     .obj($OUT_DIR/NAME.bpf.o)";

/// The files that a glob matches, sorted; `hint` says what to do if there are none.
pub(crate) fn glob_files(
    text: &str,
    hint: &'static str,
    base: &Path,
    script: &mut Script,
) -> Result<Vec<PathBuf>, ConfigError> {
    let expanded = expand(text, script, Pattern::escape)?;
    let pattern = match (Path::new(&expanded).is_absolute(), base.to_str()) {
        (true, _) => expanded,
        (false, Some("")) => expanded,
        (false, Some(base)) => format!("{}/{expanded}", Pattern::escape(base)),
        (false, None) => {
            return Err(ConfigError::NoMatch { text: text.to_owned(), folder: base.to_owned(), hint });
        }
    };
    let glob_error = |source| ConfigError::Glob { text: text.to_owned(), source };
    let folder = folder_of(&pattern);
    let mut found = Vec::new();
    for path in glob::glob_with(&pattern, OPTIONS).map_err(glob_error)? {
        let path = path.map_err(|source| ConfigError::Unreadable { text: text.to_owned(), source })?;
        if !path.is_dir() {
            found.push(path);
        }
    }
    if found.is_empty() {
        return Err(ConfigError::NoMatch { text: text.to_owned(), folder, hint });
    }
    // A new file in the folder may match.
    if pattern.contains(['*', '?']) {
        script.rerun_if_changed(&folder);
    }
    found.sort();
    Ok(found)
}

/// The deepest folder that holds every possible match of a glob.
fn folder_of(pattern: &str) -> PathBuf {
    // `Pattern::escape` writes `[*]` for `*`, so a bracket with one character is that character.
    let mut literal = String::new();
    let mut rest = pattern;
    while let Some(character) = rest.chars().next() {
        let escaped = rest.strip_prefix('[').and_then(|rest| {
            let inner = rest.chars().next()?;
            let after = rest[inner.len_utf8()..].strip_prefix(']')?;
            Some((inner, after))
        });
        match (character, escaped) {
            ('[', Some((inner, after))) => {
                literal.push(inner);
                rest = after;
            }
            ('*' | '?' | '[', _) => break,
            _ => {
                literal.push(character);
                rest = &rest[character.len_utf8()..];
            }
        }
    }
    match literal.rsplit_once('/') {
        Some(("", _)) => PathBuf::from("/"),
        Some((folder, _)) => PathBuf::from(folder),
        None => PathBuf::from("."),
    }
}

/// Replaces `$NAME` and `${NAME}` by the variable's value, through `escape`, and `$$` by `$`.
fn expand(text: &str, script: &mut Script, escape: fn(&str) -> String) -> Result<String, ConfigError> {
    let dollar = || ConfigError::Dollar { text: text.to_owned() };
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            expanded.push('$');
            rest = after;
            continue;
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, after) = match after.strip_prefix('{') {
            Some(braced) => braced.split_once('}').ok_or_else(dollar)?,
            None => after.split_at(after.find(|c| !is_name(c)).unwrap_or(after.len())),
        };
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(dollar());
        }
        let value = script.var(name).and_then(|value| value.into_string().ok());
        let value =
            value.ok_or_else(|| ConfigError::Variable { text: text.to_owned(), name: name.to_owned() })?;
        expanded.push_str(&escape(&value));
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands() {
        let check = |text: &str, expect: Result<&str, &str>| {
            let mut script = Script::with_env(&[("OUT_DIR", "/o [1]"), ("V", "v")]);
            let got = expand(text, &mut script, Pattern::escape).map_err(|error| error.to_string());
            assert_eq!(got.as_deref().map_err(String::as_str), expect);
        };
        check("src/*.o", Ok("src/*.o"));
        check("$OUT_DIR/*.o", Ok("/o [[]1[]]/*.o"));
        check("a${V}b/$V.$V", Ok("avb/v.v"));
        check("$$V", Ok("$V"));
        check("", Ok(""));
        check("$NO/x", Err("\"$NO/x\" uses environment variable NO, which is unset or not UTF-8"));
        let dollar = |text: &str| {
            format!("{text:?} has a $ without a name: write $NAME, ${{NAME}}, or $$ for the sign itself")
        };
        for text in ["$", "a$/b", "${", "${}", "${A B}", "${A"] {
            check(text, Err(&dollar(text)));
        }
    }

    #[test]
    fn finds_the_folder_of_a_glob() {
        let check = |pattern: &str, expect: &str| assert_eq!(folder_of(pattern), Path::new(expect));
        check("/a/b/*.o", "/a/b");
        check("/a/b*/c/*.o", "/a");
        check("/a/[[]1[]]/[ab].o", "/a/[1]");
        check("/*.o", "/");
        check("*.o", ".");
        check("a/b.o", "a");
    }
}
