//! execwatch: shows every program that is executed and every process that ends, on kernels with and without BTF.

mod event;
mod fetch;
mod load;
mod options;
mod output;

use std::error::Error;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use event::Event;
use load::{KernelBtf, Sink};
use options::Options;

btfgen_runtime::embed!();

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args_os().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("execwatch: {error}\n\n{}", options::HELP);
            return ExitCode::from(2);
        }
    };
    if options.help {
        print!("{}", options::HELP);
        return ExitCode::SUCCESS;
    }
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("execwatch: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    if options.plain {
        return watch(options, &KernelBtf::FoundByLoader);
    }
    // An archive that was built for an older version of this object is refused.
    let mut finder =
        btfgen_runtime::Finder::embedded().for_object(load::OBJECT).infer_nearest(options.nearest);
    if let Some(path) = &options.btf {
        finder = finder.override_file(path);
    }
    if let Some(server) = &options.fetch {
        finder = finder.provider(|wanted| fetch::fetch(server, wanted).map(Some));
    }
    let found = finder.find();
    if options.explain {
        explain(&found);
        if found.is_ok() && options.explain_only() {
            return Ok(());
        }
    }
    // The path is valid as long as `found`, which outlives the loader.
    let found = found?;
    let btf = match (found.path(), found.bytes()) {
        (Some(path), Some(bytes)) => KernelBtf::Selected { path, bytes },
        // The kernel has its own BTF, and every loader finds it.
        _ => KernelBtf::FoundByLoader,
    };
    watch(options, &btf)
}

/// Prints the outcome of searching each source of BTF.
fn explain(found: &Result<btfgen_runtime::HostBtf, btfgen_runtime::Error>) {
    match found {
        Ok(btf) => {
            print!("{}", btf.explain());
            let kernel = btf.kernel_id().map_or("an unnamed kernel", |id| id.as_str());
            match btf.bytes() {
                Some(bytes) => println!("selected: {} bytes of {kernel}", bytes.len()),
                None => println!("selected: the kernel's own BTF ({kernel})"),
            }
        }
        Err(btfgen_runtime::Error::NotFound(missing)) => print!("{}", missing.explain()),
        // Printed by `main`.
        Err(_) => {}
    }
}

fn watch(options: &Options, btf: &KernelBtf<'_>) -> Result<(), Box<dyn Error>> {
    let deadline = options.timeout.map(|timeout| Instant::now() + timeout);
    let mut screen = Screen { options, seen: 0, failure: None };
    load::run(options.loader, btf, deadline, &mut screen)?;
    match (screen.failure, options.once) {
        // The reader of the output has exited, as `head` does.
        (Some(error), _) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        (Some(error), _) => Err(error.into()),
        (None, Some(wanted)) if screen.seen < wanted => {
            Err(format!("timed out after {} of {wanted} events", screen.seen).into())
        }
        (None, _) => Ok(()),
    }
}

/// Prints events to standard output.
struct Screen<'a> {
    options: &'a Options,
    seen: u64,
    failure: Option<io::Error>,
}

impl Screen<'_> {
    fn print(&mut self, line: &str) -> ControlFlow<()> {
        match writeln!(io::stdout(), "{line}") {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failure = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

impl Sink for Screen<'_> {
    fn ready(&mut self) -> ControlFlow<()> {
        eprintln!("execwatch: watching");
        if self.options.once == Some(0) {
            return ControlFlow::Break(());
        }
        if self.options.json { ControlFlow::Continue(()) } else { self.print(output::HEADER) }
    }

    fn sample(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        let event = match Event::parse(bytes) {
            Ok(event) => event,
            Err(error) => {
                eprintln!("execwatch: {error}");
                return ControlFlow::Continue(());
            }
        };
        if self.options.parent.is_some_and(|parent| parent != event.ppid) {
            return ControlFlow::Continue(());
        }
        let line = if self.options.json {
            output::json(&event)
        } else {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
            output::row(&event, now)
        };
        self.print(&line)?;
        self.seen += 1;
        if self.options.once == Some(self.seen) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn lost(&mut self, count: u64) {
        eprintln!("execwatch: {count} events lost");
    }
}

/// An error and its causes on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        // Some libraries repeat the cause in their own message.
        if !text.ends_with(&message) {
            text = format!("{text}: {message}");
        }
        cause = error.source();
    }
    text
}
