//! `btfgen minimize`: one BTF in, one out; the job of `bpftool gen min_core_btf`.

use btfgen_build::{hub, pipeline};

use crate::args::Minimize;
use crate::{Outcome, Result, output};

pub(crate) fn run(args: &Minimize) -> Result<Outcome> {
    let objects = pipeline::read_objects(&args.objects)?;
    let btf = hub::read_btf(&args.btf)?;
    let minimized = pipeline::minimize(&objects, &btf)
        .map_err(|error| error.context(format!("while minimizing {}", args.btf.display())))?;
    output::write(&args.output, &minimized)?;
    Ok(Outcome::Done)
}
