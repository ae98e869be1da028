//! Generate once: how long a build script's `generate()` takes without earlier results.
//!
//! `cargo run --profile build-script -p btfgen-build --example generate_once -- <HUB FILE> <OUTPUT FOLDER> <OBJECT>...`

use std::env;
use std::error::Error;
use std::time::Instant;

use btfgen_build::Config;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let (Some(hub), Some(folder)) = (args.next(), args.next()) else {
        return Err("usage: generate_once <HUB FILE> <OUTPUT FOLDER> <OBJECT>...".into());
    };
    let config = Config::new().hub(&hub).out_dir(&folder).cargo_metadata(false);
    let config = args.fold(config, |config, object| config.object_file(object));
    let start = Instant::now();
    let report = config.generate()?;
    println!("{:.2} s for {} kernels", start.elapsed().as_secs_f64(), report.kernels.len());
    Ok(())
}
