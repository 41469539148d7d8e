//! The progress bar.

use std::io::{self, IsTerminal, Read};

use indicatif::{ProgressBar, ProgressStyle};

use super::summary::ImportSummary;
use crate::cli::output::grouped;

/// Shows on standard error how far an import is, if that is a terminal.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A bar over `bytes`, or a spinner when it is not known how many there are.
    pub(super) fn new(bytes: Option<u64>) -> Self {
        if !io::stderr().is_terminal() {
            return Self { bar: None };
        }
        let (bar, template) = match bytes {
            Some(bytes) => (
                ProgressBar::new(bytes),
                "{bar:30} {bytes}/{total_bytes} {binary_bytes_per_sec} {msg} (eta {eta})",
            ),
            None => (ProgressBar::no_length(), "{spinner} {bytes} {binary_bytes_per_sec} {msg}"),
        };
        // A template that does not parse would only cost the bar its looks.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar: Some(bar) }
    }

    /// Counts what is read through the reader.
    pub(super) fn count(&self, reader: impl Read + 'static) -> Box<dyn Read> {
        match &self.bar {
            Some(bar) => Box::new(bar.wrap_read(reader)),
            None => Box::new(reader),
        }
    }

    /// Shows the figures so far.
    pub(super) fn tell(&self, summary: &ImportSummary) {
        if let Some(bar) = &self.bar {
            let rejected = match summary.rejected {
                0 => String::new(),
                count => format!(", {} rejected", grouped(count)),
            };
            bar.set_message(format!("{} rows{rejected}", grouped(summary.rows)));
        }
    }

    /// Shows that everything is read and is being resolved, if that comes after it.
    pub(super) fn resolving(&self, at_once: bool) {
        if let Some(bar) = self.bar.as_ref().filter(|_| at_once) {
            bar.set_message("all read; resolving and writing");
        }
    }

    /// Takes the bar off the screen.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
