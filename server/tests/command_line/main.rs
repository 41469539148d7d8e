//! The program as its users run it: what it prints, where, and its exit status.

#![allow(clippy::unwrap_used)]

mod hand;
mod remote;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// What a run of the program left.
#[derive(Debug)]
struct Ran {
    status: Option<i32>,
    out: String,
    err: String,
}

/// A directory to run the program in.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A place with a store of the built-in schema, named `store`.
    fn with_store() -> Self {
        let place = Self::new();
        let made = place.run(&["init", "--store", "store"]);
        assert_eq!(made.status, Some(0), "{made:?}");
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kinfold"));
        command
            .args(args)
            .current_dir(self.path())
            .env_remove("KINFOLD_LOG")
            .env_remove("RUST_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.feed(args, "")
    }

    /// Runs it with `input` on standard input.
    fn feed(&self, args: &[&str], input: &str) -> Ran {
        let mut child = self.command(args).spawn().unwrap();
        // A program that refuses its arguments does not read.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { status: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs it and expects a status, and `part` in its one message.
    fn refused(&self, args: &[&str], status: i32, part: &str) {
        let ran = self.run(args);
        assert_eq!(ran.status, Some(status), "{args:?}: {ran:?}");
        assert!(ran.err.starts_with("error: ") || ran.err.starts_with("error["), "{args:?}: {ran:?}");
        assert!(ran.err.contains(part), "{args:?}: {ran:?}");
        assert!(!ran.err.contains("panicked"), "{args:?}: {ran:?}");
    }
}

/// A server that is ended when the test is.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(place: &Place) -> Self {
        let args = ["serve", "--store", "store", "--listen", "127.0.0.1:0"];
        let mut child = place.command(&args).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url =
            line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}")).trim_end().to_owned();
        Self { child, url }
    }

    /// Sends a signal; gives the exit status.
    fn signal(mut self, name: &str) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn wrong_usage_has_status_2() {
    let place = Place::with_store();
    place.write("bad.toml", "[person]\nthreshold = 2\n");
    place.refused(&["qurey"], 2, "unrecognized subcommand");
    place.refused(&["init"], 2, "--store <DIR>");
    place.refused(&["init", "--store", "new", "--schema", "bad.toml"], 2, "bad.toml:2:13");
    assert!(!place.path().join("new").exists(), "nothing is made with a wrong schema");
    place.refused(&["query", "RETURN 1"], 2, "--store <DIR>|--server <URL>");
    place.refused(&["query", "--store", "a", "--server", "b", "RETURN 1"], 2, "cannot be used with");
    place.refused(&["query", "--store", "store", "RETRUN 1"], 2, "did you mean `RETURN`?");
    place.refused(&["query", "--store", "store", " ;"], 2, "the query is empty");
    place.refused(&["query", "--store", "store", "RETURN 1 AS a; RETURN 2 AS a"], 2, "there are 2 queries");
    place.refused(&["query", "--store", "store", "--param", "n", "RETURN $n AS n"], 2, "expected NAME=VALUE");
    place.refused(
        &["query", "--store", "store", "--timeout", "0", "RETURN 1"],
        2,
        "expected seconds above 0",
    );
    place.refused(
        &["query", "--server", "ftp://x", "RETURN 1"],
        2,
        "the scheme is neither `http` nor `https`",
    );
    place.refused(&["stats", "--store", "store", "--format", "csv"], 2, "possible values: table, json");
    place.refused(&["serve", "--store", "store", "--listen", "here"], 2, "expected an address and a port");
    place.refused(&["serve", "--store", "store", "--listen", "0.0.0.0:0"], 2, "--insecure-public");
    place.write("mapping.toml", "[nothing]\n");
    place.refused(
        &["import", "--store", "store", "--mapping", "mapping.toml", "x.csv"],
        2,
        "mapping.toml:1:2",
    );
    let none = place.run(&[]);
    assert_eq!((none.status, none.err.contains("First steps:")), (Some(2), true), "{none:?}");
    let help = place.run(&["query", "--help"]);
    assert_eq!((help.status, help.out.contains("Examples:")), (Some(0), true), "{help:?}");
}

#[test]
fn what_fails_has_status_1_and_says_what_to_do() {
    let place = Place::with_store();
    place.write("file", "");
    std::fs::create_dir(place.path().join("empty")).unwrap();
    for command in ["stats", "check", "serve", "shell"] {
        place.refused(&[command, "--store", "nowhere"], 1, "make one with `kinfold init --store nowhere`");
        place.refused(&[command, "--store", "empty"], 1, "make one with `kinfold init --store empty`");
        place.refused(&[command, "--store", "file"], 1, "`file` is a file; a store is a directory");
    }
    place.refused(&["init", "--store", "store"], 1, "`store` holds a store");
    place.refused(&["init", "--store", "file"], 1, "`file` is a file");
    place.refused(
        &["init", "--store", "new", "--schema", "none.toml"],
        1,
        "cannot read the schema none.toml",
    );
    let many = ["query", "--store", "store", "--max-rows", "2", "UNWIND [1, 2, 3] AS n RETURN n"];
    place.refused(&many, 1, "more than 2 rows");
    assert!(place.run(&many).out.contains(" 2\n"), "the rows before the limit are shown");
    place.refused(&["query", "--server", "127.0.0.1:1", "RETURN 1"], 1, "is `kinfold serve` running there?");
}

#[test]
fn something_that_is_no_kinfold_is_called_so() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut head = [0; 1_024];
            let _ = stream.read(&mut head);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
    });
    place.refused(&["stats", "--server", &url], 1, "is no Kinfold server");
    place.refused(&["query", "--server", &url, "RETURN 1"], 1, "is no Kinfold server");
}

#[test]
fn a_store_from_the_first_command_to_the_last() {
    let place = Place::new();
    let made = place.run(&["generate", "--persons", "50", "--seed", "1", "--out", "demo"]);
    assert_eq!(made.status, Some(0), "{made:?}");
    let made = place.run(&["init", "--store", "store", "--schema", "demo/schema.toml"]);
    assert!(made.out.starts_with("Made a store in store with the schema demo/schema.toml: "), "{made:?}");
    assert!(made.out.ends_with("  kinfold import --store store --mapping mapping.toml FILE…\n"), "{made:?}");
    let import = [
        "import",
        "--store",
        "store",
        "--mapping",
        "demo/mapping.toml",
        "demo/records.csv",
        "demo/links.csv",
    ];
    let imported = place.run(&import);
    assert_eq!((imported.status, imported.err.as_str()), (Some(0), ""), "{imported:?}");
    let clean = place.run(&["check", "--store", "store"]);
    assert_eq!((clean.status, clean.out.ends_with("nothing wrong\n")), (Some(0), true), "{clean:?}");

    let server = Server::start(&place);
    place.refused(&import, 1, "is in use by another process");
    // Both ways in give the same, byte for byte, and reading goes on beside the server.
    let query = "MATCH path = (i:email)-[r:IDENTIFIES]->(p) RETURN i, r, path, [p] AS people, null AS nothing, \
                 i.first_seen AS seen, duration('P1M2DT3S') AS length, 1.0 / 3 AS third ORDER BY i.id LIMIT 3";
    for format in ["table", "lines", "json", "csv"] {
        let local = place.run(&["query", "--store", "store", "--format", format, query]);
        let remote = place.run(&["query", "--server", &server.url, "--format", format, query]);
        assert_eq!((local.status, remote.status), (Some(0), Some(0)), "{local:?} {remote:?}");
        assert!(!local.out.is_empty() && local.out == remote.out, "{format}: {local:?} {remote:?}");
    }
    let local = place.run(&["stats", "--store", "store", "--format", "json"]);
    let figures: serde_json::Value = serde_json::from_str(&local.out).unwrap();
    assert!(figures["persons"].as_u64() > Some(0), "{figures}");
    let remote = place.run(&["stats", "--server", &server.url, "--format", "json"]);
    let other: serde_json::Value = serde_json::from_str(&remote.out).unwrap();
    assert_eq!(figures["identifiers"], other["identifiers"]);
    // So do errors.
    for (query, status) in [("MATCH (i:Identifer) RETURN i", 2), ("PERSON email:'nobody@nowhere.example'", 1)]
    {
        let local = place.run(&["query", "--store", "store", query]);
        let remote = place.run(&["query", "--server", &server.url, query]);
        assert_eq!((local.status, remote.status), (Some(status), Some(status)), "{local:?} {remote:?}");
        assert_eq!(local.err, remote.err);
    }
    let slow = "UNWIND range(1, 100000) AS a UNWIND range(1, 100000) AS b RETURN count(*) AS n";
    place.refused(
        &["query", "--server", &server.url, "--timeout", "0.1", slow],
        1,
        "longer than its deadline",
    );
    assert_eq!(server.signal("TERM"), Some(0));
    assert_eq!(Server::start(&place).signal("INT"), Some(0));
}

#[test]
fn logs_in_json_are_an_object_a_line() {
    let place = Place::with_store();
    let args = ["serve", "--store", "store", "--listen", "127.0.0.1:0", "--set", "log_format=json"];
    let mut child = place.command(&args).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on "), "{line:?}");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let log = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let serving = lines.iter().find(|line| line["message"] == "serving").unwrap();
    assert_eq!((serving["level"].as_str(), serving["encrypted"].as_bool()), (Some("INFO"), Some(false)));
    assert!(serving["timestamp"].is_string() && serving["target"].is_string(), "{serving}");
    assert_eq!(lines.last().unwrap()["message"], "the store is closed");
}

#[test]
fn queries_take_parameters_and_standard_input() {
    let place = Place::with_store();
    let query = ["query", "--store", "store", "--format", "csv", "--param", "a=5", "--param", "b=x;y", "-"];
    let ran = place.feed(&query, "// two; of them\nRETURN $a + 1 AS a, $b AS b;\n");
    assert_eq!((ran.status, ran.out.as_str()), (Some(0), "a,b\n6,x;y\n"), "{ran:?}");
    let schema = place.run(&["init", "--print-schema"]);
    assert_eq!(schema.out, kinfold_engine::schema::Schema::BUILT_IN);
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let place = Place::with_store();
    for format in ["csv", "json", "table"] {
        let args = ["query", "--store", "store", "--format", format, "UNWIND range(1, 200000) AS n RETURN n"];
        let mut child = place.command(&args).spawn().unwrap();
        let mut some = [0; 16];
        child.stdout.take().unwrap().read_exact(&mut some).unwrap();
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""), "{format}");
    }
}

#[test]
fn a_script_runs_to_its_end_or_to_the_first_failure() {
    let place = Place::with_store();
    let shell = |text: &str, more: &[&str]| {
        let mut args = vec!["shell", "--store", "store", "--format", "csv"];
        args.extend(more);
        place.feed(&args, text)
    };
    let ran = shell("RETURN ';' AS n;\n// a comment; no more\nRETURN\n2 AS n", &[]);
    assert_eq!((ran.status, ran.out.as_str()), (Some(0), "n\n;\nn\n2\n"), "{ran:?}");
    let ran = shell("\\param n=5\nRETURN $n AS n;\n\\format json\nRETURN $n AS n;\n\\q\nRETRUN;", &[]);
    assert_eq!((ran.status, ran.out.as_str()), (Some(0), "n\n5\n{\"n\":5}\n"), "{ran:?}");

    let wrong = "RETURN 1 AS n;\n\nRETRUN 2;\nRETURN 3 AS n;\n\\fromat\n";
    let ran = shell(wrong, &[]);
    assert_eq!((ran.status, ran.out.as_str()), (Some(1), "n\n1\n"), "{ran:?}");
    assert!(ran.err.starts_with("error: line 3 of standard input:\nerror[syntax] at 1:1"), "{ran:?}");
    let ran = shell(wrong, &["--keep-going"]);
    assert_eq!((ran.status, ran.out.as_str()), (Some(1), "n\n1\nn\n3\n"), "{ran:?}");
    assert!(ran.err.contains("error: line 5 of standard input: `\\fromat`"), "{ran:?}");

    let endless = format!("RETURN '{}", "x".repeat(3 << 20));
    let ran = shell(&endless, &["--keep-going"]);
    assert!(ran.status == Some(2) && ran.err.contains("no `;` ends it"), "{:?}", ran.err);
    let many_lines = format!("RETURN [\n{}", "1,\n".repeat(1 << 20));
    assert!(shell(&many_lines, &[]).err.contains("no `;` ends it"));
}
