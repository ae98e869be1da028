//! Sizes: the archive, against bpftool's outputs on the same kernels.

use std::collections::HashSet;
use std::fs;
use std::process::Command;

use super::commands::{Bench, bpftool, command};
use super::inputs::Inputs;
use super::sets::Set;
use crate::shell::{self, Outcome};
use crate::table::{Alignment, table};
use crate::{files, parallel};

/// Maximum lengths of archives for 175 kernels, in bytes.
const MAX_LENS: [(&str, u64); 3] = [("three", 2_000), ("fifty", 8_000), ("large", 16_000)];

/// Prints a table of the sets.
pub(super) fn compare(bench: &Bench, inputs: &Inputs, sets: &[Set]) -> Outcome {
    println!("\narchive size, {} kernels, in bytes", inputs.ids.len());
    for set in sets {
        println!("  {}", set.title);
    }
    let rows = sets.iter().map(|set| row(bench, inputs, set)).collect::<Outcome<Vec<_>>>()?;
    let head = [
        "",
        "archive",
        "at most",
        "distinct BTFs",
        "bpftool, tar cJ",
        "distinct",
        "bpftool, unpacked",
        "bpftool fails on",
    ];
    print!("{}", table(&head, &rows, Alignment::Right));
    Ok(())
}

fn row(bench: &Bench, inputs: &Inputs, set: &Set) -> Outcome<Vec<String>> {
    let report = bench.report(&inputs.hub(), set)?;
    let folder = bench.scratch.join("minimized");
    files::empty_folder(&folder)?;
    let succeeded = parallel::map(parallel::cores(), &inputs.ids, |id| -> Outcome<bool> {
        let output = folder.join(format!("{id}.btf"));
        fs::create_dir_all(output.parent().unwrap_or(&folder))?;
        let run = command(&bpftool(&inputs.raw_file(id), &output, set))?.output()?;
        Ok(run.status.success())
    })?;
    let succeeded = succeeded.into_iter().collect::<Outcome<Vec<bool>>>()?;
    let outputs: Vec<Vec<u8>> =
        inputs.ids.iter().filter_map(|id| fs::read(folder.join(format!("{id}.btf"))).ok()).collect();
    let sum: usize = outputs.iter().map(Vec::len).sum();
    let distinct: HashSet<&Vec<u8>> = outputs.iter().collect();
    let tarball = bench.scratch.join("minimized.tar.xz");
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "-cJf"]);
    shell::read(tar.arg(&tarball).arg("-C").arg(&folder).arg("."))?;
    let max_len = MAX_LENS.iter().find(|(name, _)| *name == set.name).map(|(_, len)| len.to_string());
    Ok(vec![
        set.name.clone(),
        fs::metadata(bench.archive(set))?.len().to_string(),
        max_len.unwrap_or_default(),
        report["blobs"].to_string(),
        fs::metadata(&tarball)?.len().to_string(),
        distinct.len().to_string(),
        sum.to_string(),
        succeeded.iter().filter(|succeeded| !**succeeded).count().to_string(),
    ])
}
