//! `kinfold shell`: one query after another, typed or from a script.

mod command;
mod editor;
mod history;

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use kinfold_query::Params;
use rustyline::error::ReadlineError;

use super::args::ShellArgs;
use super::failure::{Failure, Status};
use super::output::{self, Format};
use super::params;
use super::statements::{Splitter, Statement};
use super::target::{Interrupt, Question, RunLimits, Target};
use command::{After, Command};
use editor::ShellEditor;

/// The longest statement that is waited for, in bytes; the language's own limit is lower.
const LONGEST: usize = 1 << 20;

/// Runs the shell. The status is 1 if a query of a script failed.
pub(super) fn run(args: &ShellArgs) -> Result<ExitCode, Failure> {
    let params = params::parse_all(&args.params)?;
    let target = Target::open(&args.target)?;
    let limits = RunLimits::of(&args.limits);
    let mut session = Session {
        target,
        params,
        limits,
        format: args.format,
        timing: false,
        interrupt: Interrupt::default(),
    };
    if io::stdin().is_terminal() {
        interactive(&mut session, args)?;
        return Ok(ExitCode::SUCCESS);
    }
    let clean = script(&mut session, io::stdin().lock(), args.keep_going)?;
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// What holds from one query to the next.
struct Session {
    target: Target,
    params: Params,
    limits: RunLimits,
    format: Format,
    timing: bool,
    interrupt: Interrupt,
}

impl Session {
    fn query(&mut self, text: &str) -> Result<(), Failure> {
        self.interrupt.reset();
        let begin = Instant::now();
        let question = Question { text, params: &self.params, limits: &self.limits };
        let mut answer = output::to_stdout(self.format);
        let outcome = self.target.ask(&question, &self.interrupt, answer.as_mut());
        let ended = answer.end(outcome.is_ok());
        outcome?;
        ended?;
        if self.timing {
            let line = format!("Time: {}", shown(begin.elapsed()));
            // Beside a table it is for whoever looks; else it must not come between the rows.
            match self.format {
                Format::Table | Format::Lines => writeln!(io::stdout().lock(), "{line}")?,
                Format::Json | Format::Csv | Format::Dot => {
                    let _ = writeln!(io::stderr().lock(), "{line}");
                }
            }
        }
        Ok(())
    }
}

/// A time in the unit that suits it.
fn shown(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 1.0 { format!("{:.3} ms", seconds * 1e3) } else { format!("{seconds:.3} s") }
}

/// Reads statements and commands that somebody types.
fn interactive(session: &mut Session, args: &ShellArgs) -> Result<(), Failure> {
    watch_for_interrupts(&session.interrupt)?;
    let mut editor = ShellEditor::new(!args.no_history)?;
    editor.learn(&session.target);
    let mut out = io::stdout();
    let at = session.target.opened_at();
    let state =
        at.map(|at| format!(", read as of sequence number {}", output::grouped(at))).unwrap_or_default();
    writeln!(out, "kinfold {} on {}{state}", env!("CARGO_PKG_VERSION"), session.target.shown())?;
    writeln!(out, "End a query with `;`. \\help lists the commands, Tab completes, \\q leaves.")?;

    let mut splitter = Splitter::new();
    // Lines as they were typed, for the history.
    let mut entry = String::new();
    loop {
        let line = match editor.read(&entry) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => {
                splitter.clear();
                entry.clear();
                continue;
            }
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(Failure::failed(format!("cannot read from the terminal: {error}"))),
        };
        let fresh = splitter.is_blank() && entry.is_empty();
        if fresh && line.trim().is_empty() {
            continue;
        }
        // In the middle of a query a command leaves the query as it is.
        let command = if splitter.is_between_words() { Command::read(&line, fresh) } else { None };
        if let Some(command) = command {
            editor.remember(&line);
            match command.and_then(|command| command.run(session)) {
                Ok(After::Leave) => return Ok(()),
                Ok(After::Learn) => editor.learn(&session.target),
                Ok(After::GoOn) => {}
                Err(failure) if failure.status() == Status::Quiet => return Ok(()),
                Err(failure) => failure.report(),
            }
            continue;
        }
        splitter.push(&line);
        splitter.push("\n");
        entry.push_str(&line);
        entry.push('\n');
        while let Some(statement) = splitter.complete() {
            match session.query(&statement.text) {
                Ok(()) => {}
                Err(failure) if failure.status() == Status::Quiet => return Ok(()),
                Err(failure) => {
                    if session.interrupt.is_raised() {
                        // The terminal has written `^C` where the cursor is.
                        let _ = writeln!(io::stderr().lock());
                    }
                    failure.report();
                    // What was typed behind it may rely on it.
                    splitter.clear();
                }
            }
        }
        if splitter.waiting() > LONGEST {
            Failure::usage(too_long()).report();
            splitter.clear();
            entry.clear();
        }
        if splitter.is_blank() {
            editor.remember(entry.trim_end());
            entry.clear();
        }
    }
}

fn too_long() -> String {
    format!("the query is longer than {LONGEST} bytes and no `;` ends it")
}

/// Ctrl-C calls off the query that runs, and no more.
fn watch_for_interrupts(interrupt: &Interrupt) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::failed(format!("cannot wait for Ctrl-C: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let mut signals = {
        let _inside = runtime.enter();
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt()).map_err(failed)?
    };
    let interrupt = interrupt.clone();
    std::thread::Builder::new()
        .name("interrupts".into())
        .spawn(move || {
            runtime.block_on(async {
                while signals.recv().await.is_some() {
                    interrupt.raise();
                }
            });
        })
        .map_err(failed)?;
    Ok(())
}

/// Runs statements and commands of a script; says whether all went well, or, if
/// it is not to keep going, fails with the first that did not.
fn script(session: &mut Session, mut input: impl BufRead, keep_going: bool) -> Result<bool, Failure> {
    let mut splitter = Splitter::new();
    let mut number = 0;
    let mut clean = true;
    let mut settle = |outcome: Result<(), Failure>, line: usize| match outcome {
        Ok(()) => Ok(()),
        Err(failure) if failure.status() == Status::Quiet => Err(failure),
        Err(failure) => {
            let failure = failure.at(format_args!("line {line} of standard input"));
            if !keep_going {
                // Status 1 whatever the reason: the script as a whole failed.
                return Err(Failure::failed(failure.to_string()));
            }
            failure.report();
            clean = false;
            Ok(())
        }
    };
    let mut line = String::new();
    loop {
        number += 1;
        line.clear();
        let room = (LONGEST - splitter.waiting().min(LONGEST)) as u64 + 1;
        let read = input.by_ref().take(room).read_line(&mut line).map_err(|error| {
            Failure::failed(format!("cannot read line {number} of standard input: {error}"))
        })?;
        if read as u64 == room {
            return Err(Failure::usage(format!("line {number} of standard input: {}", too_long())));
        }
        if read == 0 {
            break;
        }
        if splitter.is_blank()
            && let Some(command) = Command::read(&line, false)
        {
            let mut leave = false;
            let outcome =
                command.and_then(|command| command.run(session)).map(|after| leave = after == After::Leave);
            settle(outcome, number)?;
            if leave {
                return Ok(clean);
            }
            // It takes part in the count of lines.
            splitter.push("\n");
            let _ = splitter.complete();
            continue;
        }
        splitter.push(&line);
        while let Some(Statement { text, line }) = splitter.complete() {
            settle(session.query(&text), line)?;
        }
    }
    if let Some(Statement { text, line }) = splitter.rest() {
        settle(session.query(&text), line)?;
    }
    Ok(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        assert_eq!(shown(Duration::from_micros(1_234)), "1.234 ms");
        assert_eq!(shown(Duration::from_millis(12_345)), "12.345 s");
    }
}
