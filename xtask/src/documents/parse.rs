//! Parse: what a reader of a document does, step by step.

/// What a reader does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Command(Command),
    /// Writes a file.
    File {
        name: String,
        text: String,
    },
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// Its line in the document.
    pub(super) line: usize,
    pub(super) text: String,
    /// The output; not compared if there is none.
    pub(super) expect: Vec<String>,
    pub(super) as_root: bool,
    pub(super) fails: bool,
}

impl Step {
    pub(super) fn as_command(&self) -> Option<&Command> {
        match self {
            Self::Command(command) => Some(command),
            Self::File { .. } => None,
        }
    }
}

/// What the comment before a block says of it.
#[derive(Default)]
enum Mark {
    #[default]
    None,
    Fails,
    NotRun,
    File(String),
}

/// The steps of a document; an error begins with the number of its line.
pub(super) fn parse(document: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut mark = Mark::None;
    let mut lines = document.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let body: Vec<(&str, usize)> = lines.by_ref().take_while(|(line, _)| *line != "```").collect();
            match (std::mem::take(&mut mark), language) {
                (Mark::NotRun, _) => {}
                (Mark::File(name), _) => {
                    let text = body.iter().flat_map(|(line, _)| [line, "\n"]).collect();
                    steps.push(Step::File { name, text });
                }
                (mark, "console") => {
                    steps
                        .extend(commands(&body, matches!(mark, Mark::Fails))?.into_iter().map(Step::Command));
                }
                (Mark::Fails, _) => return Err(format!("{number}: a block that fails is not a console's")),
                (Mark::None, _) => {}
            }
        } else if let Some(comment) = line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->")) {
            match comment.split_once(": ").unwrap_or((comment, "")) {
                ("fails", "") => mark = Mark::Fails,
                ("not run", reason) if !reason.is_empty() => mark = Mark::NotRun,
                ("file", name) => mark = Mark::File(name.to_owned()),
                ("run", text) => steps.push(Step::Command(Command::new(number, text, false, false))),
                _ => {}
            }
        } else if line.trim_start().starts_with("$ ") {
            return Err(format!("{number}: a command outside of a block ```console"));
        } else if !line.is_empty() && !matches!(mark, Mark::None) {
            return Err(format!("{number}: the comment above is not followed by a block"));
        }
    }
    Ok(steps)
}

impl Command {
    fn new(line: usize, text: &str, as_root: bool, fails: bool) -> Self {
        Self { line, text: text.to_owned(), expect: Vec::new(), as_root, fails }
    }
}

/// The commands of a block and their output. A command goes on in the next line after a backslash.
fn commands(block: &[(&str, usize)], fails: bool) -> Result<Vec<Command>, String> {
    let mut commands: Vec<Command> = Vec::new();
    for &(line, number) in block {
        let prompt = [("$ ", false), ("# ", true)].into_iter();
        let start = prompt.filter_map(|(prompt, as_root)| Some((line.strip_prefix(prompt)?, as_root))).next();
        match (start, commands.last_mut()) {
            (Some((text, as_root)), _) => commands.push(Command::new(number, text, as_root, fails)),
            (None, Some(command)) if command.expect.is_empty() && command.text.ends_with('\\') => {
                command.text = format!("{}\n{line}", command.text);
            }
            (None, Some(command)) => command.expect.push(line.trim_end().to_owned()),
            (None, None) => return Err(format!("{number}: a console without a prompt ($ or #)")),
        }
    }
    Ok(commands)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_commands_files_and_output() {
        let document = "text\n<!-- file: a.txt -->\n```text\none\n```\n<!-- run: true -->\n```console\n$ cat \\\n  a.txt\none\n# id\n```\n\
                        <!-- fails -->\n\n```console\n$ false\n```\n<!-- not run: slow -->\n```console\n$ sleep 9\n```\n\
                        ```sh\nother\n```\n";
        let cat =
            Command { expect: vec!["one".to_owned()], ..Command::new(8, "cat \\\n  a.txt", false, false) };
        let expect = [
            Step::File { name: "a.txt".to_owned(), text: "one\n".to_owned() },
            Step::Command(Command::new(6, "true", false, false)),
            Step::Command(cat),
            Step::Command(Command::new(11, "id", true, false)),
            Step::Command(Command::new(16, "false", false, true)),
        ];
        assert_eq!(parse(document).unwrap(), expect);
    }

    #[test]
    fn finds_faults() {
        let check = |document: &str, expect: &str| {
            let fault = parse(document).unwrap_err();
            assert!(fault.starts_with(expect), "{fault}");
        };
        check("```console\nls\n```\n", "2: a console without a prompt");
        check("\n    $ ls\n", "2: a command outside");
        check("<!-- fails -->\ntext\n", "2: the comment above");
        check("<!-- fails -->\n```sh\nls\n```\n", "2: a block that fails");
    }
}
