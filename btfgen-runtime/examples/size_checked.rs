//! `size_with` plus a check of the archive against the object to load.

use std::error::Error;

use btfgen_runtime::Finder;

fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::var_os("OBJECT").ok_or("OBJECT is not set")?;
    let path = std::path::PathBuf::from(name).join("program.o");
    let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    for line in text.lines().filter(|line| !line.is_empty()) {
        println!("{line:>4}");
    }
    std::fs::write(path, text.trim())?;
    let btf =
        Finder::new().archive(include_bytes!("../tests/data/sample.archive")).for_object(&bytes).find()?;
    if let Some(path) = btf.path() {
        println!("{}", path.display());
    }
    Ok(())
}
