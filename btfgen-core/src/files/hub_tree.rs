//! Hub tree: a folder in the BTFHub archive's layout, `<distro>/<version>/<arch>/<release>.btf...`.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use btfgen_runtime::KernelId;

use super::error::{FileError, HubError, Note};
use super::operations::read_dir;
use crate::hub::Form;

/// A kernel of a hub tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// The kernel.
    pub id: KernelId,
    /// Its BTF file.
    pub path: PathBuf,
    /// The file's form.
    pub form: Form,
}

/// What a hub tree holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing {
    /// Each kernel once, ordered by its id.
    pub kernels: Vec<TreeEntry>,
    /// Other entries, in the order of the walk.
    pub notes: Vec<Note>,
}

/// Folders above a kernel's file: distro, version and arch.
const DEPTH: usize = 3;

/// Lists the kernels of a hub tree.
///
/// A kernel is listed once, in the form that is cheapest to read. A symbolic link to another folder of the tree (`focal` to
/// `20.04`) lists nothing, since the folder is listed under its own name. Anything else becomes a note.
///
/// # Errors
/// When there is no such folder, a folder cannot be read, or no kernel is found.
pub fn list(root: &Path) -> Result<Listing, HubError> {
    if !root.exists() {
        return Err(HubError::NoSuchHub { path: root.to_owned() });
    }
    let real_root = root.canonicalize().map_err(FileError::on("open hub tree", root))?;
    let mut walk =
        Walk { root, real_root, outside: HashMap::new(), found: BTreeMap::new(), notes: Vec::new() };
    walk.folder(&mut Vec::new())?;
    let Walk { found, notes, .. } = walk;
    if found.is_empty() {
        return Err(HubError::NoKernel { root: root.to_owned(), notes });
    }
    let entry =
        |(id, (form, path)): (KernelId, (Form, PathBuf))| TreeEntry { id, path: root.join(path), form };
    Ok(Listing { kernels: found.into_iter().map(entry).collect(), notes })
}

struct Walk<'a> {
    root: &'a Path,
    real_root: PathBuf,
    /// Folders outside the tree that links lead to, and the first such link.
    outside: HashMap<PathBuf, PathBuf>,
    found: BTreeMap<KernelId, (Form, PathBuf)>,
    notes: Vec<Note>,
}

impl Walk<'_> {
    /// Walks one folder; `parts` are the names that lead to it. Depth is limited, so link loops end.
    fn folder(&mut self, parts: &mut Vec<String>) -> Result<(), HubError> {
        let relative: PathBuf = parts.iter().collect();
        for name in read_dir(&self.root.join(&relative))? {
            let path = relative.join(&name);
            let Some(name) = name.to_str() else {
                self.odd(path, "a name that is not UTF-8");
                continue;
            };
            if name.starts_with('.') {
                self.odd(path, "hidden");
                continue;
            }
            // Follows links. Broken and circular links have no metadata.
            let Ok(meta) = fs::metadata(self.root.join(&path)) else {
                self.odd(path, "a link that leads nowhere");
                continue;
            };
            match (meta.is_dir(), parts.len() == DEPTH) {
                (false, true) if meta.is_file() => self.file(parts, name, path),
                (true, false) if self.is_own(&path)? => {
                    parts.push(name.to_owned());
                    self.folder(parts)?;
                    parts.pop();
                }
                (true, false) => {}
                (true, true) => self.odd(path, "a folder where kernels are expected"),
                (false, true) => self.odd(path, "not a regular file"),
                (false, false) => self.odd(path, "a file where folders are expected"),
            }
        }
        Ok(())
    }

    /// Whether to walk a folder under this name. False for a link to a folder that is walked anyway, or to another level.
    fn is_own(&mut self, path: &Path) -> Result<bool, HubError> {
        let full = self.root.join(path);
        let is_link = fs::symlink_metadata(&full).map_err(FileError::on("read folder", &full))?.is_symlink();
        if !is_link {
            return Ok(true);
        }
        let real = full.canonicalize().map_err(FileError::on("read folder", &full))?;
        let target = match real.strip_prefix(&self.real_root) {
            Ok(inside) if inside.components().count() != path.components().count() => {
                self.odd(path.to_owned(), "a link to a folder of another level");
                return Ok(false);
            }
            Ok(inside) if !inside.components().any(|part| is_hidden(part.as_os_str())) => inside.to_owned(),
            _ => match self.outside.get(&real) {
                Some(first) => first.clone(),
                None => {
                    self.outside.insert(real, path.to_owned());
                    return Ok(true);
                }
            },
        };
        self.notes.push(Note::Alias { path: path.to_owned(), target });
        Ok(false)
    }

    fn file(&mut self, parts: &[String], name: &str, path: PathBuf) {
        let Some((release, form)) = Form::split(name) else {
            return self.odd(path, "a name that ends in no known .btf form");
        };
        let Ok(id) = format!("{}/{release}", parts.join("/")).parse::<KernelId>() else {
            return self.odd(path, "a name that makes no kernel id");
        };
        let Some(taken) = self.found.get_mut(&id) else {
            self.found.insert(id, (form, path));
            return;
        };
        let mut aside = path;
        if form < taken.0 {
            taken.0 = form;
            std::mem::swap(&mut taken.1, &mut aside);
        }
        self.notes.push(Note::Duplicate { path: aside, taken: taken.1.clone() });
    }

    fn odd(&mut self, path: PathBuf, reason: &'static str) {
        self.notes.push(Note::NotAKernel { path, reason });
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::testing::TempDir;

    fn tree(files: &[&str]) -> TempDir {
        let dir = TempDir::new();
        for file in files {
            dir.file(file, file);
        }
        dir
    }

    /// The listing as lines: kernels as `id < path`, then notes.
    fn lines(dir: &TempDir) -> Vec<String> {
        let listing = list(dir.path()).unwrap();
        let kernels = listing.kernels.iter().map(|entry| {
            let path = entry.path.strip_prefix(dir.path()).unwrap();
            assert!(path.to_str().unwrap().ends_with(entry.form.suffix()));
            format!("{} < {}", entry.id, path.display())
        });
        kernels.chain(listing.notes.iter().map(ToString::to_string)).collect()
    }

    fn link(dir: &TempDir, target: impl AsRef<Path>, name: &str) {
        std::os::unix::fs::symlink(target, dir.path().join(name)).unwrap();
    }

    #[test]
    fn lists_kernels_in_order() {
        let dir = tree(&[
            "ubuntu/20.04/x86_64/5.4.0-84-generic.btf.tar.xz",
            "ubuntu/20.04/arm64/5.4.0-84-generic.btf",
            "debian/12/x86_64/6.1.0-50-amd64.btf.xz",
        ]);
        assert_eq!(
            lines(&dir),
            [
                "debian/12/x86_64/6.1.0-50-amd64 < debian/12/x86_64/6.1.0-50-amd64.btf.xz",
                "ubuntu/20.04/arm64/5.4.0-84-generic < ubuntu/20.04/arm64/5.4.0-84-generic.btf",
                "ubuntu/20.04/x86_64/5.4.0-84-generic < ubuntu/20.04/x86_64/5.4.0-84-generic.btf.tar.xz",
            ]
        );
    }

    #[test]
    fn takes_one_form_of_a_kernel() {
        let dir = tree(&["d/1/a/k.btf.tar.xz", "d/1/a/k.btf.gz", "d/1/a/k.btf"]);
        assert_eq!(
            lines(&dir),
            [
                "d/1/a/k < d/1/a/k.btf",
                "ignored d/1/a/k.btf.gz: same kernel as d/1/a/k.btf",
                "ignored d/1/a/k.btf.tar.xz: same kernel as d/1/a/k.btf",
            ]
        );
    }

    #[test]
    fn links_double_nothing() {
        let dir = tree(&["ubuntu/20.04/x86_64/k.btf"]);
        link(&dir, "20.04", "ubuntu/focal");
        link(&dir, "20.04", "ubuntu/0-before");
        link(&dir, "ubuntu", "a-distro");
        assert_eq!(
            lines(&dir),
            [
                "ubuntu/20.04/x86_64/k < ubuntu/20.04/x86_64/k.btf",
                "a-distro is ubuntu",
                "ubuntu/0-before is ubuntu/20.04",
                "ubuntu/focal is ubuntu/20.04",
            ]
        );
    }

    #[test]
    fn links_out_of_the_tree_are_walked_once() {
        let store = tree(&["x86_64/k.btf"]);
        let dir = tree(&["ubuntu/18.04/x86_64/j.btf"]);
        link(&dir, store.path(), "ubuntu/20.04");
        link(&dir, store.path(), "ubuntu/focal");
        link(&dir, store.path().join("x86_64/k.btf"), "ubuntu/18.04/x86_64/k.btf");
        assert_eq!(
            lines(&dir),
            [
                "ubuntu/18.04/x86_64/j < ubuntu/18.04/x86_64/j.btf",
                "ubuntu/18.04/x86_64/k < ubuntu/18.04/x86_64/k.btf",
                "ubuntu/20.04/x86_64/k < ubuntu/20.04/x86_64/k.btf",
                "ubuntu/focal is ubuntu/20.04",
            ]
        );
    }

    #[test]
    fn loops_end() {
        let dir = tree(&["d/1/a/k.btf"]);
        link(&dir, "..", "d/up");
        link(&dir, "self", "d/self");
        link(&dir, "../..", "d/1/top");
        link(&dir, ".", "d/1/a/here");
        assert_eq!(
            lines(&dir),
            [
                "d/1/a/k < d/1/a/k.btf",
                "not a kernel: d/1/a/here: a folder where kernels are expected",
                "not a kernel: d/1/top: a link to a folder of another level",
                "not a kernel: d/self: a link that leads nowhere",
                "not a kernel: d/up: a link to a folder of another level",
            ]
        );
    }

    #[test]
    fn odd_files_are_notes() {
        let dir =
            tree(&["README.md", ".git/a/b/k.btf", "d/1/a/k.btf", "d/1/a/k.sha256", "d/1/a/.btf", "d/x.btf"]);
        fs::create_dir(dir.path().join("d/1/a/folder.btf")).unwrap();
        fs::create_dir(dir.path().join("d/2")).unwrap();
        dir.file("d/1/a/\u{1}.btf", "");
        assert_eq!(
            lines(&dir),
            [
                "d/1/a/k < d/1/a/k.btf",
                "not a kernel: .git: hidden",
                "not a kernel: README.md: a file where folders are expected",
                "not a kernel: d/1/a/\u{1}.btf: a name that makes no kernel id",
                "not a kernel: d/1/a/.btf: hidden",
                "not a kernel: d/1/a/folder.btf: a folder where kernels are expected",
                "not a kernel: d/1/a/k.sha256: a name that ends in no known .btf form",
                "not a kernel: d/x.btf: a file where folders are expected",
            ]
        );
    }

    #[test]
    fn refuses_a_tree_without_kernels() {
        let check = |dir: &TempDir, expect: &str| {
            let error = list(dir.path()).unwrap_err().to_string();
            assert!(error.contains(&dir.path().display().to_string()), "{error}");
            assert!(error.ends_with(expect), "{error}");
        };
        check(&tree(&[]), "found an empty folder");
        check(
            &tree(&["k.btf", "x86_64/k.btf"]),
            "found 2 other entries, such as not a kernel: k.btf: a file where folders are expected",
        );
        let dir = tree(&[]);
        let error = list(&dir.path().join("none")).unwrap_err();
        assert!(error.to_string().starts_with("no hub file or folder at "), "{error}");
    }
}
