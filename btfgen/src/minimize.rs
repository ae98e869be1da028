//! `btfgen minimize`: one BTF in, one out; the job of `bpftool gen min_core_btf`.

use anyhow::Context;
use btfgen_core::{files, pipeline};

use crate::args::Minimize;
use crate::{Outcome, Result, output};

pub(crate) fn run(args: &Minimize) -> Result<Outcome> {
    let objects = pipeline::read_objects(&args.objects)?;
    let btf = files::read_btf(&args.btf)?;
    let minimized = pipeline::minimize(&objects, &btf)
        .with_context(|| format!("while minimizing {}", args.btf.display()))?;
    output::write(&args.output, &minimized)?;
    Ok(Outcome::Done)
}
