//! Starts a child and prints what two libraries saw of it. The program itself has no eBPF object and no archive.

use std::error::Error;
use std::process::Command;

use example_exits::Exits;
use example_starts::Starts;

fn main() -> Result<(), Box<dyn Error>> {
    let (starts, exits) = (Starts::watch()?, Exits::watch()?);
    let status = Command::new("sh").args(["-c", "exit 7"]).status()?;
    let own_pid = std::process::id();
    let (forks, execs) = (starts.forks(own_pid)?, starts.execs(own_pid)?);
    let code = exits.last_code(own_pid)?;
    println!("{forks} fork, {execs} exec, exit code {code:?}");
    let expect = status.code().map(u64::try_from).transpose()?;
    if (forks, execs, code) == (1, 1, expect) {
        Ok(())
    } else {
        Err(format!("expected 1, 1, {expect:?}").into())
    }
}
