//! execwatch: shows every program that is executed and every process that ends, on kernels with and without BTF.

mod event;
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
    let bytes;
    let btf = if options.plain {
        KernelBtf::LoadersOwn
    } else if let Some(path) = &options.btf {
        bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        KernelBtf::Given { path, bytes: &bytes }
    } else {
        KernelBtf::LoadersOwn
    };
    if options.explain {
        match &btf {
            KernelBtf::LoadersOwn => println!("kernel BTF: what the loader finds by itself"),
            KernelBtf::Given { path, .. } => {
                println!("kernel BTF: {}, as asked for by --btf", path.display());
            }
        }
        if options.explain_only() {
            return Ok(());
        }
    }
    watch(options, &btf)
}

fn watch(options: &Options, btf: &KernelBtf<'_>) -> Result<(), Box<dyn Error>> {
    let deadline = options.timeout.map(|timeout| Instant::now() + timeout);
    let mut screen = Screen { options, seen: 0, failure: None };
    load::run(options.loader, btf, deadline, &mut screen)?;
    match (screen.failure, options.once) {
        // Whoever read the events has gone, as `head` does.
        (Some(error), _) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        (Some(error), _) => Err(error.into()),
        (None, Some(wanted)) if screen.seen < wanted => {
            Err(format!("{} of {wanted} events came in the time given", screen.seen).into())
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

/// An error and its causes in one line.
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
