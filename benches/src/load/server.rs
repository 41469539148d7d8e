//! The server under load: a process of its own, over a store made for the run.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};
use kinfold_engine::Store;
use kinfold_engine::schema::Schema;
use kinfold_engine::write::{Batch, MAX_BATCH};

use super::Plan;
use crate::population;

/// Caches that are full before the first minute is over: memory that grows after that is none of theirs.
const CACHES: [&str; 3] = ["cache_bytes=32MiB", "recent_bytes=16MiB", "write_buffer_bytes=64MiB"];

/// A server; ended when it is dropped.
pub(super) struct Server {
    child: Child,
    /// Where it takes calls.
    pub(super) url: String,
}

impl Server {
    /// Makes a store in `directory` and serves it on a port that the system chooses.
    pub(super) fn start(plan: &Plan, directory: &Path) -> anyhow::Result<Self> {
        let path = directory.join("store");
        let store = Store::create(&path, Schema::built_in())?;
        for observations in population(plan.persons, 1).chunks(MAX_BATCH) {
            store.observe(Batch { request_id: None, observations: observations.to_vec() })?;
        }
        store.close()?;
        // The server takes it over: nobody else may hold it.
        drop(store);
        let mut command = Command::new(&plan.program);
        command.arg("serve").arg("--store").arg(&path).args(["--listen", "127.0.0.1:0"]);
        // Where a setting is given twice, the later one counts.
        for setting in CACHES.into_iter().chain(plan.settings.iter().map(String::as_str)) {
            command.arg("--set").arg(setting);
        }
        let mut child = command
            .env("KINFOLD_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", plan.program.display()))?;
        let mut line = String::new();
        if let Some(out) = child.stdout.as_mut() {
            BufReader::new(out).read_line(&mut line)?;
        }
        match line.strip_prefix("listening on ") {
            Some(url) => Ok(Self { url: url.trim().to_owned(), child }),
            None => {
                let _ = child.kill();
                child.wait()?;
                bail!("the server did not say where it listens");
            }
        }
    }

    /// The memory that it holds, in KiB.
    pub(super) fn memory_kib(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .context("the server is gone, or its memory cannot be read here")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse().context("the server is gone")
    }

    /// Asks it to end; says whether it ended well.
    pub(super) fn stop(&mut self) -> anyhow::Result<bool> {
        let told = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status()?;
        Ok(told.success() && self.child.wait()?.success())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended is not there to be ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
