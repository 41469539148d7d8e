//! A `kinfold serve` of one's own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::bin::{Cli, arg};

/// How long a server may take to listen, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server on a port of the system's choice. Dropping it kills it.
#[derive(Debug)]
pub struct Served {
    child: Child,
    /// Its address, as `http://127.0.0.1:40000`.
    pub url: String,
    log: std::thread::JoinHandle<String>,
}

impl Served {
    /// Serves the store in `directory`; returns once it takes calls.
    ///
    /// # Panics
    ///
    /// If it does not come to that, with what it logged.
    pub fn start(cli: &Cli, directory: &Path) -> Self {
        let mut child = cli.start(["serve", "--store", arg(directory), "--listen", "127.0.0.1:0"]);
        let stdout = child.stdout.take().expect("it is piped");
        let mut stderr = child.stderr.take().expect("it is piped");
        let (sender, first) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(stdout).read_line(&mut line);
            // A test that has given up does not listen.
            let _ = sender.send(read.map(|_| line));
        });
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            // What cannot be read is not in the log.
            let _ = stderr.read_to_string(&mut text);
            text
        });
        let line = first.recv_timeout(PATIENCE);
        let url = match &line {
            Ok(Ok(line)) => line.trim().strip_prefix("listening on ").map(str::to_owned),
            _ => None,
        };
        let Some(url) = url else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the server does not listen: {line:?}\n{}", log.join().unwrap_or_default());
        };
        Self { child, url, log }
    }

    /// Asks the server to terminate and waits for it; gives its exit status and its log.
    pub fn terminate(mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        let told =
            Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status().expect("there is a shell");
        assert!(told.success(), "the server has ended by itself");
        let begin = Instant::now();
        let status = loop {
            match self.child.try_wait().expect("the child is ours") {
                Some(status) => break status.code(),
                None if begin.elapsed() > PATIENCE => panic!("the server does not end"),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let log = std::mem::replace(&mut self.log, std::thread::spawn(String::new));
        (status, log.join().unwrap_or_default())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // One that has ended is not there to be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
