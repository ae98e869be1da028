//! `size_with` without this crate: a program that reads its environment and files and reports errors, as every program
//! that loads eBPF objects does.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::var_os("OBJECT").ok_or("OBJECT is not set")?;
    let path = std::path::PathBuf::from(name).join("program.o");
    let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    for line in text.lines().filter(|line| !line.is_empty()) {
        println!("{line:>4}");
    }
    std::fs::write(path, text.trim())?;
    Ok(())
}
