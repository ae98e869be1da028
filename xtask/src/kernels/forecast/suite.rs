//! Suite: compiles the programs that the guests load, each with one requirement.
//!
//! A source is one object, or one for each part: parts are the words in its `#if defined(PART)`. libbpf creates all maps and
//! resolves all externs of an object, so what a kernel may lack of these is a part.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::fixtures::Tools;
use crate::shell::{self, Outcome};

/// The sources, from the workspace's root.
const FOLDER: &str = "xtask/src/kernels/forecast/suite";

/// Compiles the suite into a folder, and returns the objects.
pub(super) fn build(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let tools = Tools::find()?;
    let mut objects = Vec::new();
    let mut build = |source: &Path, name: &str, flags: &[String]| {
        let object = folder.join(format!("{name}.o"));
        tools.compile(&shell::root(), source, "el", flags, &object)?;
        objects.push(object);
        Outcome::Ok(())
    };
    for entry in fs::read_dir(shell::root().join(FOLDER))? {
        let file = entry?.file_name();
        let Some(name) = file.to_str().and_then(|file| file.strip_suffix(".bpf.c")) else { continue };
        let source = Path::new(FOLDER).join(&file);
        let text = fs::read_to_string(shell::root().join(&source))?;
        let parts = parts(&text);
        if parts.is_empty() {
            build(&source, name, &[])?;
        }
        for part in parts {
            build(&source, &format!("{name}_{}", part.to_lowercase()), &flags(part))?;
        }
    }
    objects.sort();
    Ok(objects)
}

fn flags(part: &str) -> Vec<String> {
    let cpu = part.strip_prefix("CPU_").map(|cpu| format!("-mcpu={}", cpu.to_lowercase()));
    [format!("-D{part}")].into_iter().chain(cpu).collect()
}

/// The parts of a source.
fn parts(text: &str) -> BTreeSet<&str> {
    text.split("defined(").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_source() {
        let check = |text: &str, expect: &[&str]| {
            assert_eq!(parts(text).into_iter().collect::<Vec<_>>(), expect, "{text}");
        };
        check("int x;", &[]);
        check("#if defined(B) || defined(A)\n#elif defined(B)\n#endif\n", &["A", "B"]);
        assert_eq!(flags("RINGBUF"), ["-DRINGBUF"]);
        assert_eq!(flags("CPU_V4"), ["-DCPU_V4", "-mcpu=v4"]);
    }
}
