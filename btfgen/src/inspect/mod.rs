//! `btfgen inspect`: what each program of an object requires of a kernel.

mod data;
mod text;

use anyhow::{Context, Result};
use btfgen_core::pipeline::read_objects;

use crate::args;
use crate::output::{print, print_json};
use data::{Inspection, inspect};

/// The version of the JSON.
const VERSION: u32 = 1;

pub(crate) fn run(args: &args::Inspect) -> Result<()> {
    let objects = read_objects(&args.objects)?;
    let inspect = |object| inspect(object).with_context(|| object.name().to_owned());
    let objects = objects.iter().map(inspect).collect::<Result<_>>()?;
    let inspection = Inspection { version: VERSION, objects };
    match args.json {
        true => print_json(&inspection),
        false => print(&text::text(&inspection)),
    }
}
