//! The line editor: prompt, history, completion.

use std::io;
use std::path::PathBuf;

use kinfold_query::{Names, complete};
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{Cmd, CompletionType, Config, Context, Editor, EventHandler, KeyCode, KeyEvent, Modifiers};
use rustyline::{Helper, Highlighter, Hinter, Validator};

use super::command::COMMANDS;
use super::history;
use crate::cli::failure::Failure;
use crate::cli::statements::Splitter;
use crate::cli::target::Target;

const PROMPT: &str = "kinfold> ";
const CONTINUED: &str = "    ...> ";

/// How many entries of the history are kept.
const KEPT: usize = 10_000;

/// What is typed, line by line.
pub(super) struct ShellEditor {
    editor: Editor<Completion, DefaultHistory>,
    history: Option<PathBuf>,
}

impl ShellEditor {
    /// An editor with the history of earlier shells, if it is to keep one.
    pub(super) fn new(keep_history: bool) -> Result<Self, Failure> {
        let failed = |error: ReadlineError| Failure::failed(format!("cannot use the terminal: {error}"));
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .history_ignore_space(true)
            .max_history_size(KEPT)
            .map_err(failed)?
            .build();
        let mut editor = Editor::with_config(config).map_err(failed)?;
        editor.set_helper(Some(Completion::default()));
        // A pasted or recalled query of several lines is edited as a whole.
        editor.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::ALT), EventHandler::Simple(Cmd::Newline));
        let history = if keep_history { history::place(|name| std::env::var_os(name)) } else { None };
        let mut shell = Self { editor, history: None };
        if let Some(path) = history {
            let loaded = history::prepare(&path).map_err(ReadlineError::from);
            match loaded.and_then(|()| shell.editor.load_history(&path)) {
                Ok(()) => shell.history = Some(path),
                Err(error) => warn(&format!("the history {} cannot be kept: {error}", path.display())),
            }
        }
        Ok(shell)
    }

    /// Offers the names of a store.
    pub(super) fn learn(&mut self, target: &Target) {
        // Without them completion still knows the language.
        let names = target.names().unwrap_or_default();
        if let Some(helper) = self.editor.helper_mut() {
            helper.names = names;
        }
    }

    /// The next line; `entry` is what was typed of the statement so far.
    pub(super) fn read(&mut self, entry: &str) -> Result<String, ReadlineError> {
        if let Some(helper) = self.editor.helper_mut() {
            helper.before.clear();
            helper.before.push_str(entry);
        }
        self.editor.readline(if entry.is_empty() { PROMPT } else { CONTINUED })
    }

    /// Keeps an entry in the history at once, so that none is lost.
    pub(super) fn remember(&mut self, entry: &str) {
        let Some(path) = &self.history else {
            let _ = self.editor.add_history_entry(entry);
            return;
        };
        let added = self.editor.add_history_entry(entry);
        if let Ok(true) = added
            && let Err(error) = self.editor.append_history(path)
        {
            warn(&format!("the history {} cannot be kept: {error}", path.display()));
            self.history = None;
        }
    }
}

fn warn(text: &str) {
    use io::Write;
    let _ = writeln!(io::stderr().lock(), "warning: {text}");
}

/// Completes commands, and queries over all their lines.
#[derive(Default, Helper, Highlighter, Hinter, Validator)]
struct Completion {
    names: Names,
    /// The lines of the statement before this one.
    before: String,
}

impl Completion {
    /// Where the word before the cursor begins, and what may stand in its place.
    fn candidates(&self, before_cursor: &str) -> (usize, Vec<String>) {
        let begin = |is_part: fn(char) -> bool| {
            let chars = before_cursor.char_indices().rev();
            chars.take_while(|(_, c)| is_part(*c)).last().map_or(before_cursor.len(), |(at, _)| at)
        };
        if before_cursor.trim_start().starts_with('\\') {
            let start = begin(|c| !c.is_whitespace());
            let (head, word) = before_cursor.split_at(start);
            let words: Vec<String> = match head.trim() {
                "" => COMMANDS.iter().map(|(name, _, _)| format!("\\{name}")).collect(),
                "\\format" => ["table", "lines", "json", "csv", "dot"].map(str::to_owned).to_vec(),
                "\\timing" => ["on", "off"].map(str::to_owned).to_vec(),
                _ => Vec::new(),
            };
            return (start, words.into_iter().filter(|it| it.starts_with(word)).collect());
        }
        let mut splitter = Splitter::new();
        splitter.push(&self.before);
        splitter.push(before_cursor);
        while splitter.complete().is_some() {}
        let start = begin(|c| c.is_alphanumeric() || c == '_');
        (start, complete(splitter.pending(), &self.names))
    }
}

impl Completer for Completion {
    type Candidate = Pair;

    fn complete(&self, line: &str, cursor: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, words) = self.candidates(line.get(..cursor).unwrap_or(line));
        Ok((start, words.into_iter().map(|word| Pair { display: word.clone(), replacement: word }).collect()))
    }
}

#[cfg(test)]
mod tests {
    use kinfold_query::graph::Vocabulary;

    use super::*;

    fn after(before: &str, line: &str) -> (usize, Vec<String>) {
        let labels = vec!["Identifier".to_owned(), "email".to_owned()];
        let names = Vocabulary { labels, ..Vocabulary::default() }.into();
        Completion { names, before: before.to_owned() }.candidates(line)
    }

    #[test]
    fn commands_and_queries_are_completed() {
        let one = |start: usize, word: &str| (start, vec![word.to_owned()]);
        assert_eq!(after("", "\\fo"), one(0, "\\format"));
        assert_eq!(after("", " \\format j"), one(9, "json"));
        assert_eq!(after("", "\\param x"), (7, vec![]));
        assert_eq!(after("", "mat"), one(0, "MATCH"));
        assert_eq!(after("", "MATCH (i:Id"), one(9, "Identifier"));
        assert_eq!(after("", "RETURN 1; mat"), one(10, "MATCH"));
        assert_eq!(after("MATCH (i\n", ":Id"), one(1, "Identifier"));
        assert_eq!(after("RETURN '\n", "MAT"), (0, vec![]));
        assert_eq!(after("", "RETURN 'é"), (8, vec![]));
    }
}
