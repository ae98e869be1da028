//! `btfgen minimize`: one BTF in, one out, as `bpftool gen min_core_btf`.

use anyhow::{Context, Result};
use btfgen_core::{files, pipeline};

use crate::args::Minimize;

pub(crate) fn run(args: &Minimize) -> Result<()> {
    let objects = pipeline::read_objects(&args.objects)?;
    let btf = files::read_btf(&args.btf)?;
    let minimized = pipeline::minimize(&objects, &btf)
        .with_context(|| format!("cannot minimize {}", args.btf.display()))?;
    files::write(&args.output, &minimized)?;
    Ok(())
}
