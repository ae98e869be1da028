//! Sizes: the archive against what bpftool's outputs take on the same kernels, packed and as they are.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::inputs::{self, Inputs, Set};
use super::{bpftool, command, packed, process};
use crate::files;
use crate::shell::{self, Outcome};

/// What the archive may take at most, in bytes, for 175 kernels.
const MARKS: [(&str, u64); 3] = [("three", 2_000), ("fifty", 8_000), ("large", 16_000)];

/// Prints a table of the sets.
pub(super) fn compare(btfgen: &Path, scratch: &Path, inputs: &Inputs, sets: &[Set]) -> Outcome {
    println!("\narchive size, {} kernels, in bytes", inputs.ids.len());
    for set in sets {
        println!("  {}", set.title);
    }
    let head = [
        "",
        "archive",
        "at most",
        "distinct BTFs",
        "bpftool, tar cJ",
        "distinct",
        "bpftool, as they are",
        "",
    ];
    let mut table = vec![head.map(str::to_owned).to_vec()];
    for set in sets {
        table.push(row(btfgen, scratch, inputs, set)?);
    }
    print!("{}", process::table(&table));
    Ok(())
}

fn row(btfgen: &Path, scratch: &Path, inputs: &Inputs, set: &Set) -> Outcome<Vec<String>> {
    let archive = scratch.join("archive");
    let report = packed(btfgen, &inputs.hub(), &archive, set)?;
    let folder = scratch.join("minimized");
    files::empty_folder(&folder)?;
    let given_up = AtomicUsize::new(0);
    inputs::on_all_cores(&inputs.ids, |id| {
        let output = folder.join(format!("{id}.btf"));
        fs::create_dir_all(output.parent().unwrap_or(&folder))?;
        let run = command(&bpftool(&inputs.raw_file(id), &output, set))?.output()?;
        if !run.status.success() {
            given_up.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    })?;
    let outputs: Vec<Vec<u8>> =
        inputs.ids.iter().filter_map(|id| fs::read(folder.join(format!("{id}.btf"))).ok()).collect();
    let sum: usize = outputs.iter().map(Vec::len).sum();
    let distinct: HashSet<&Vec<u8>> = outputs.iter().collect();
    let tarball = scratch.join("minimized.tar.xz");
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "-cJf"]);
    shell::read(tar.arg(&tarball).arg("-C").arg(&folder).arg("."))?;
    let mark = MARKS.iter().find(|(name, _)| *name == set.name).map(|(_, mark)| mark.to_string());
    let given_up = given_up.into_inner();
    Ok(vec![
        set.name.to_owned(),
        fs::metadata(&archive)?.len().to_string(),
        mark.unwrap_or_default(),
        report["blobs"].to_string(),
        fs::metadata(&tarball)?.len().to_string(),
        distinct.len().to_string(),
        sum.to_string(),
        if given_up > 0 { format!("gives up on {given_up}") } else { String::new() },
    ])
}
