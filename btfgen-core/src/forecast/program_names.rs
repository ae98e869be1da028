//! Program names: the programs that a user names, and the nearest ones if there is none of that name.

use std::fmt;

use super::data::ObjectForecast;

/// Number of programs that are suggested.
const MAX_NEAREST: usize = 3;

/// A name or glob that no program matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSuchProgram {
    /// The name or glob.
    pub name: String,
    /// The nearest programs.
    pub nearest: Vec<String>,
    /// Number of all programs.
    pub count: usize,
}

impl NoSuchProgram {
    /// Finds the programs that are nearest to a name or glob.
    pub fn new(name: &str, objects: &[ObjectForecast]) -> Self {
        let programs = objects.iter().flat_map(|object| &object.programs);
        let mut nearest: Vec<&str> = programs.map(|program| program.name.as_str()).collect();
        let count = nearest.len();
        let literal: String = name.chars().filter(|char| !['*', '?', '[', ']'].contains(char)).collect();
        nearest.sort_by_cached_key(|program| (edit_distance(&literal, program), *program));
        nearest.dedup();
        let nearest = nearest.into_iter().take(MAX_NEAREST).map(str::to_owned).collect();
        Self { name: name.to_owned(), nearest, count }
    }
}

impl fmt::Display for NoSuchProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, nearest, count } = self;
        write!(f, "{name:?} matches no program; ")?;
        match *count {
            0 => f.write_str("the objects have none"),
            count if count == nearest.len() => write!(f, "the objects have {}", nearest.join(", ")),
            count => write!(f, "nearest of {count}: {}", nearest.join(", ")),
        }
    }
}

/// The number of characters to insert, remove or replace to make one text of the other.
fn edit_distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (index, own) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, other) in to.chars().enumerate() {
            let replaced = diagonal + usize::from(own != other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[row.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::ProgramForecast;

    #[test]
    fn distances() {
        let check = |from, to, expect| {
            assert_eq!(edit_distance(from, to), expect, "{from} {to}");
            assert_eq!(edit_distance(to, from), expect, "{to} {from}");
        };
        check("", "", 0);
        check("", "abc", 3);
        check("abc", "abc", 0);
        check("handel_exec", "handle_exec", 2);
        check("exec", "exit", 2);
        check("kitten", "sitting", 3);
    }

    #[test]
    fn suggests_the_nearest() {
        let check = |names: &[&str], name: &str, expect: &str| {
            let program = |name: &&str| ProgramForecast { name: (*name).to_owned(), ..Default::default() };
            let object =
                ObjectForecast { programs: names.iter().map(program).collect(), ..ObjectForecast::default() };
            assert_eq!(NoSuchProgram::new(name, &[object]).to_string(), expect);
        };
        check(&[], "a", "\"a\" matches no program; the objects have none");
        check(&["on_exit", "on_exec"], "x", "\"x\" matches no program; the objects have on_exec, on_exit");
        check(
            &["on_exit", "on_exec", "open", "on_fork", "close"],
            "handle_exec*",
            "\"handle_exec*\" matches no program; nearest of 5: on_exec, on_exit, close",
        );
    }
}
