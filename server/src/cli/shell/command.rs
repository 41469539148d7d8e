//! The shell's own commands, which begin with a backslash.

use std::io::{self, Write};

use clap::ValueEnum;

use super::Session;
use crate::cli::failure::Failure;
use crate::cli::output::{Format, write_figures};
use crate::cli::params;

/// The commands with what they take and what they do, as `\help` lists them.
pub(super) const COMMANDS: [(&str, &str, &str); 8] = [
    ("format", "table|lines|json|csv|dot", "how rows are printed; lines cuts nothing, dot draws"),
    ("timing", "[on|off]", "print how long each query took"),
    ("param", "[NAME=VALUE]", "set a parameter, or list them all"),
    ("schema", "", "print the store's schema"),
    ("stats", "", "print what the store holds, counted"),
    ("refresh", "", "read what was written since the store was opened"),
    ("help", "", "print this list"),
    ("q", "", "leave, as Ctrl-D does"),
];

const HELP: &str = r"Queries end with `;` and may go over several lines. A few to start with:
  MATCH (p:Person) RETURN p.id, p.size ORDER BY p.size DESC LIMIT 5;
  PROFILE email:'ann@example.com';
  EXPLAIN MATCH (i:Identifier {id: $id})-[:IDENTIFIES]->(p) RETURN p.id;
Keys: Tab completes, Ctrl-R searches the history, Ctrl-C clears the line or
calls off the query that runs. A line that begins with a space is not kept.
Commands:";

/// What follows a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// The next line.
    GoOn,
    /// The names that completion offers may have changed.
    Learn,
    /// The end of the shell.
    Leave,
}

/// A command of the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Format(Option<Format>),
    Timing(Option<bool>),
    Param(Option<String>),
    Schema,
    Stats,
    Refresh,
    Help,
    Quit,
}

impl Command {
    /// The command on a line; `None` if the line is none. Where somebody types,
    /// the words that other shells take for help and for the way out are ones too.
    pub(super) fn read(line: &str, typed: bool) -> Option<Result<Self, Failure>> {
        let line = line.trim();
        let Some(rest) = line.strip_prefix('\\') else {
            return match line.trim_end_matches(';').to_ascii_lowercase().as_str() {
                "help" | "?" if typed => Some(Ok(Self::Help)),
                "exit" | "quit" if typed => Some(Ok(Self::Quit)),
                _ => None,
            };
        };
        let (name, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        // Out of habit a semicolon follows; of a parameter's value it may be a part.
        let name = name.trim_end_matches(';');
        let argument = argument.trim();
        let argument = if name == "param" { argument } else { argument.trim_end_matches(';').trim_end() };
        Some(Self::parse(name, argument))
    }

    fn parse(name: &str, argument: &str) -> Result<Self, Failure> {
        let given = (!argument.is_empty()).then_some(argument);
        let command = match (name, given) {
            ("format", None) => Self::Format(None),
            ("format", Some(text)) => Self::Format(Some(Format::from_str(text, true).map_err(|_| {
                Failure::usage(format!("`{text}` is no format: expected table, lines, json, csv or dot"))
            })?)),
            ("timing", None) => Self::Timing(None),
            ("timing", Some("on")) => Self::Timing(Some(true)),
            ("timing", Some("off")) => Self::Timing(Some(false)),
            ("timing", Some(text)) => {
                return Err(Failure::usage(format!("`\\timing {text}`: expected on or off")));
            }
            ("param", text) => Self::Param(text.map(str::to_owned)),
            ("schema", None) => Self::Schema,
            ("stats", None) => Self::Stats,
            ("refresh", None) => Self::Refresh,
            ("help" | "h" | "?", _) => Self::Help,
            ("q" | "quit" | "exit", _) => Self::Quit,
            (name, Some(text)) if COMMANDS.iter().any(|(known, _, _)| *known == name) => {
                return Err(Failure::usage(format!("`\\{name}` takes nothing behind it, not `{text}`")));
            }
            (name, _) => {
                let near = COMMANDS
                    .iter()
                    .map(|(known, _, _)| *known)
                    .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
                let near = near.filter(|known| strsim::jaro_winkler(known, name) > 0.8);
                let hint = near.map_or_else(
                    || "\\help lists them".to_owned(),
                    |known| format!("did you mean \\{known}?"),
                );
                return Err(Failure::usage(format!("`\\{name}` is no command of the shell; {hint}")));
            }
        };
        Ok(command)
    }

    /// Does it.
    pub(super) fn run(self, session: &mut Session) -> Result<After, Failure> {
        let mut out = io::stdout().lock();
        match self {
            Self::Format(None) => writeln!(out, "The format is {}.", session.format.name())?,
            Self::Format(Some(format)) => session.format = format,
            Self::Timing(wanted) => {
                session.timing = wanted.unwrap_or(!session.timing);
                writeln!(out, "Timing is {}.", if session.timing { "on" } else { "off" })?;
            }
            Self::Param(None) if session.params.is_empty() => {
                writeln!(out, "There are no parameters; \\param id=email:ann@example.com sets $id.")?;
            }
            Self::Param(None) => {
                for (name, value) in &session.params {
                    writeln!(out, "${name} = {value}")?;
                }
            }
            Self::Param(Some(text)) => {
                let (name, value) = params::parse(&text)?;
                session.params.insert(name, value);
            }
            Self::Schema => writeln!(out, "{}", session.target.schema()?.trim_end())?,
            Self::Stats => write_figures(&mut out, &session.target.figures()?)?,
            Self::Refresh => {
                session.target.refresh()?;
                match session.target.opened_at() {
                    Some(at) => {
                        writeln!(out, "Read as of sequence number {}.", crate::cli::output::grouped(at))?;
                    }
                    None => writeln!(out, "A server always reads its latest state.")?,
                }
                return Ok(After::Learn);
            }
            Self::Help => {
                writeln!(out, "{HELP}")?;
                for (name, takes, what) in COMMANDS {
                    let call = format!("\\{name} {takes}");
                    writeln!(out, "  {call:<30}{what}")?;
                }
            }
            Self::Quit => return Ok(After::Leave),
        }
        out.flush()?;
        Ok(After::GoOn)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<Command> {
        Command::read(line, true).map(Result::unwrap)
    }

    #[test]
    fn commands_are_read() {
        assert_eq!(read("\\format json"), Some(Command::Format(Some(Format::Json))));
        assert_eq!(read("  \\format  CSV ; "), Some(Command::Format(Some(Format::Csv))));
        assert_eq!(read("\\format dot"), Some(Command::Format(Some(Format::Dot))));
        assert_eq!(read("\\timing"), Some(Command::Timing(None)));
        assert_eq!(read("\\timing off"), Some(Command::Timing(Some(false))));
        assert_eq!(read("\\param a=x; y;"), Some(Command::Param(Some("a=x; y;".into()))));
        assert_eq!(read("\\q;"), Some(Command::Quit));
        assert_eq!(read("exit;"), Some(Command::Quit));
        assert_eq!(read("HELP"), Some(Command::Help));
        assert_eq!(read("RETURN 1;"), None);
        assert_eq!(Command::read("exit", false).map(Result::unwrap), None);
    }

    #[test]
    fn what_is_no_command_is_said() {
        for (line, part) in [
            ("\\fromat", "did you mean \\format?"),
            ("\\xyz", "\\help lists them"),
            ("\\", "is no command"),
            ("\\format xml", "expected table, lines, json, csv or dot"),
            ("\\timing maybe", "expected on or off"),
            ("\\stats now", "takes nothing behind it"),
        ] {
            let error = Command::read(line, true).unwrap().unwrap_err().to_string();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
