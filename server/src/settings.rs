//! The server's configuration: a file, then the environment, then flags, each over those before it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use kinfold_engine::StorageOptions;

use crate::config::ServeConfig;
use crate::tls::TlsFiles;

/// How variables of the environment begin that are settings: `KINFOLD_SERVE_LISTEN`.
pub(crate) const PREFIX: &str = "KINFOLD_SERVE_";

/// What a setting was said by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody: it is as it comes.
    Default,
    /// The file.
    File(String),
    /// This variable of the environment.
    Environment(String),
    /// The command line.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(file) => f.write_str(file),
            Self::Environment(name) => f.write_str(name),
            Self::Flag => f.write_str("command line"),
        }
    }
}

/// A setting that cannot be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// The file cannot be read.
    #[error("the configuration {file} cannot be read: {why}")]
    File {
        /// The file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is no such setting.
    #[error("{origin}: there is no setting `{name}`{hint}; `kinfold serve --print-config` prints all")]
    Unknown {
        /// Where it was said.
        origin: Origin,
        /// As it was written.
        name: String,
        /// A name that is near, or nothing.
        hint: String,
    },
    /// The value is none for the setting.
    #[error("{origin}: `{name}` is `{given}`; expected {expected}")]
    Value {
        /// Where it was said.
        origin: Origin,
        /// The setting.
        name: &'static str,
        /// As it was written.
        given: String,
        /// What is expected.
        expected: String,
    },
    /// One of several that belong together is missing.
    #[error("`{has}` is set, and `{lacks}` is not; TLS needs both")]
    Half {
        /// What is set.
        has: &'static str,
        /// What is not.
        lacks: &'static str,
    },
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum LogFormat {
    /// A line of text each.
    #[default]
    Text,
    /// A JSON object each.
    Json,
}

/// All that a server is told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    /// The directory of the store; `None` where nobody said.
    pub(crate) store: Option<PathBuf>,
    /// How it serves.
    pub(crate) config: ServeConfig,
    /// What memory the store takes.
    pub(crate) storage: StorageOptions,
    /// How logs are written.
    pub(crate) log_format: LogFormat,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    client_ca: Option<PathBuf>,
    origins: BTreeMap<&'static str, Origin>,
}

/// One setting.
struct Setting {
    name: &'static str,
    about: &'static str,
    /// Its value as TOML; `None` where it has none.
    show: fn(&Settings) -> Option<String>,
    /// Takes a value; the error says what is expected.
    take: fn(&mut Settings, &str) -> Result<(), String>,
}

fn quoted(text: impl fmt::Display) -> String {
    // Strings of TOML are escaped as those of JSON are.
    serde_json::Value::from(text.to_string()).to_string()
}

fn duration(text: &str) -> Result<Duration, String> {
    let expected = || "a time as `500ms`, `30s`, `5m` or `2h`".to_owned();
    let at = text.find(|letter: char| letter.is_ascii_alphabetic()).ok_or_else(expected)?;
    let (number, unit) = text.split_at(at);
    let number: u64 = number.trim().parse().map_err(|_| expected())?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(expected()),
    };
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(expected)
}

fn time(it: Duration) -> Option<String> {
    let millis = it.as_millis();
    Some(quoted(match millis {
        0 => "0s".to_owned(),
        _ if millis.is_multiple_of(3_600_000) => format!("{}h", millis / 3_600_000),
        _ if millis.is_multiple_of(60_000) => format!("{}m", millis / 60_000),
        _ if millis.is_multiple_of(1_000) => format!("{}s", millis / 1_000),
        _ => format!("{millis}ms"),
    }))
}

fn count<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let expected = || "a whole number, or one of bytes as `64KiB`, `4MiB` or `1GiB`".to_owned();
    let (number, unit) = match text.find(|letter: char| letter.is_ascii_alphabetic()) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let number: u64 = number.trim().replace('_', "").parse().map_err(|_| expected())?;
    let factor = match unit {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(expected()),
    };
    number.checked_mul(factor).and_then(|number| T::try_from(number).ok()).ok_or_else(expected)
}

fn ratio(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err("a number from 0 to 1".to_owned()),
    }
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("`true` or `false`".to_owned()),
    }
}

fn path(text: &str) -> Result<Option<PathBuf>, String> {
    Ok(Some(text).filter(|text| !text.is_empty()).map(PathBuf::from))
}

fn shown(path: &Option<PathBuf>) -> Option<String> {
    path.as_ref().map(|path| quoted(path.display()))
}

/// `ADDRESS:PORT`, `localhost:PORT`, or a port alone.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let local = text.strip_prefix("localhost:").unwrap_or(text);
    if let Ok(port) = local.parse::<u16>() {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    text.parse()
        .map_err(|_| "an address and a port, as in 127.0.0.1:7437 or [::1]:7437, or a port alone".to_owned())
}

/// Settings that stand in [`ServeConfig`] under their own name.
macro_rules! plain {
    ($name:ident, $about:literal, $parse:expr, $show:expr) => {
        Setting {
            name: stringify!($name),
            about: $about,
            show: |settings| $show(settings.config.$name),
            take: |settings, text| {
                settings.config.$name = $parse(text)?;
                Ok(())
            },
        }
    };
}

/// Settings that stand in the limits of a query.
macro_rules! of_query {
    ($name:literal, $field:ident, $about:literal) => {
        Setting {
            name: $name,
            about: $about,
            show: |settings| Some(settings.config.query.$field.to_string()),
            take: |settings, text| {
                settings.config.query.$field = count(text)?;
                Ok(())
            },
        }
    };
}

/// A part of the store's memory, in bytes: least and most.
macro_rules! of_storage {
    ($field:ident, $about:literal, $least:expr, $most:expr) => {
        Setting {
            name: stringify!($field),
            about: $about,
            show: |settings| Some(settings.storage.$field.to_string()),
            take: |settings, text| {
                settings.storage.$field = within(count(text)?, $least, $most)?;
                Ok(())
            },
        }
    };
}

fn within(given: usize, least: usize, most: usize) -> Result<usize, String> {
    if (least..=most).contains(&given) { Ok(given) } else { Err(format!("{least} to {most} bytes")) }
}

const MIB: usize = 1 << 20;

fn number(it: impl fmt::Display) -> Option<String> {
    Some(it.to_string())
}

const SETTINGS: &[Setting] = &[
    Setting {
        name: "store",
        about: "the store's directory",
        show: |settings| shown(&settings.store),
        take: |settings, text| {
            settings.store = path(text)?;
            Ok(())
        },
    },
    plain!(listen, "the address to take calls on", address, |it| Some(quoted(it))),
    plain!(
        insecure_public,
        "listen beyond this machine although TLS or tokens are not set: whoever reaches it reads and writes",
        yes_or_no,
        number
    ),
    Setting {
        name: "tls_certificate",
        about: "the server's certificate and those up to its root, PEM; read again when it changes",
        show: |settings| shown(&settings.certificate),
        take: |settings, text| {
            settings.certificate = path(text)?;
            Ok(())
        },
    },
    Setting {
        name: "tls_key",
        about: "the certificate's private key, PEM",
        show: |settings| shown(&settings.key),
        take: |settings, text| {
            settings.key = path(text)?;
            Ok(())
        },
    },
    Setting {
        name: "tls_client_ca",
        about: "the roots of certificates that clients must bring, PEM",
        show: |settings| shown(&settings.client_ca),
        take: |settings, text| {
            settings.client_ca = path(text)?;
            Ok(())
        },
    },
    Setting {
        name: "tokens",
        about: "the file of tokens, each a hash with its role; read again when it changes",
        show: |settings| shown(&settings.config.tokens),
        take: |settings, text| {
            settings.config.tokens = path(text)?;
            Ok(())
        },
    },
    plain!(reload_interval, "how often certificates and tokens are looked at", duration, time),
    Setting {
        name: "admin",
        about: "the address for metrics and health over HTTP; without TLS and tokens, so keep it inside",
        show: |settings| settings.config.admin.map(quoted),
        take: |settings, text| {
            settings.config.admin = match text {
                "" => None,
                text => Some(address(text)?),
            };
            Ok(())
        },
    },
    Setting {
        name: "log_format",
        about: "`text` or `json`; what is logged, KINFOLD_LOG says",
        show: |settings| {
            Some(quoted(match settings.log_format {
                LogFormat::Text => "text",
                LogFormat::Json => "json",
            }))
        },
        take: |settings, text| {
            settings.log_format = match text {
                "text" => LogFormat::Text,
                "json" => LogFormat::Json,
                _ => return Err("`text` or `json`".to_owned()),
            };
            Ok(())
        },
    },
    Setting {
        name: "otlp_endpoint",
        about: "the collector that spans are sent to over gRPC (OTLP), as http://127.0.0.1:4317",
        show: |settings| settings.config.otlp_endpoint.as_ref().map(quoted),
        take: |settings, text| {
            settings.config.otlp_endpoint = match text {
                "" => None,
                text => {
                    crate::traces::endpoint(text)
                        .map_err(|_| "`http://HOST:PORT` or `https://HOST:PORT`".to_owned())?;
                    Some(text.to_owned())
                }
            };
            Ok(())
        },
    },
    plain!(
        otlp_sampling_ratio,
        "which part of calls leaves a span, 0 to 1; a caller's own trace says so itself",
        ratio,
        number
    ),
    Setting {
        name: "otlp_service_name",
        about: "what the collector knows the server by",
        show: |settings| Some(quoted(&settings.config.otlp_service_name)),
        take: |settings, text| {
            if text.is_empty() {
                return Err("a name, as `kinfold`".to_owned());
            }
            settings.config.otlp_service_name = text.to_owned();
            Ok(())
        },
    },
    Setting {
        name: "backup_dir",
        about: "where Backup makes its copies",
        show: |settings| shown(&settings.config.backup_dir),
        take: |settings, text| {
            settings.config.backup_dir = path(text)?;
            Ok(())
        },
    },
    Setting {
        name: "audit_dir",
        about: "where it is kept who asked what about whom",
        show: |settings| shown(&settings.config.audit_dir),
        take: |settings, text| {
            settings.config.audit_dir = path(text)?;
            Ok(())
        },
    },
    plain!(audit_retention_days, "for how many days that is kept", count, number),
    plain!(max_receive_bytes, "the largest message taken, also when decompressed", count, number),
    plain!(max_send_bytes, "the largest message sent", count, number),
    plain!(max_header_bytes, "the largest headers of a call", count, number),
    plain!(max_connections, "how many connections are open; more wait", count, number),
    plain!(max_calls_per_connection, "how many calls a connection has under way", count, number),
    plain!(max_streams_per_connection, "how many streams of HTTP/2 a connection has open", count, number),
    plain!(max_calls, "how many calls all connections have under way", count, number),
    plain!(max_request_bytes_in_flight, "how many bytes of requests are held in memory", count, number),
    plain!(max_queries, "how many queries run at once", count, number),
    plain!(max_lookups, "how many larger lookups run at once", count, number),
    plain!(max_writes, "how many batches are checked at once", count, number),
    plain!(max_waiting, "how many pieces of work of each of these kinds wait for a place", count, number),
    plain!(max_batches_in_flight, "how many batches of a stream are read ahead", count, number),
    plain!(handshake_timeout, "how long a connection may take to be set up", duration, time),
    plain!(
        keepalive_interval,
        "after how long without traffic a client is asked for a sign of life",
        duration,
        time
    ),
    plain!(keepalive_timeout, "how long that sign may take", duration, time),
    plain!(max_connection_age, "how old a connection grows", duration, time),
    plain!(max_connection_age_grace, "how long its calls may go on then", duration, time),
    plain!(call_timeout, "how long a call may take", duration, time),
    plain!(query_timeout, "how long a query may take", duration, time),
    plain!(long_call_timeout, "how long a call may take that goes through the whole store", duration, time),
    plain!(watch_heartbeat, "how often a watcher gets a sign of life", duration, time),
    plain!(at_least_timeout, "how long a read waits for a write that it asks for", duration, time),
    plain!(shutdown_notice, "how long a shutdown says so before it takes no more calls", duration, time),
    plain!(shutdown_timeout, "how long a shutdown waits for what is under way", duration, time),
    of_storage!(cache_bytes, "memory for blocks of the store's files", MIB, MIB << 20),
    of_storage!(recent_bytes, "memory for rows that were read lately; 0 keeps none", 0, MIB << 20),
    of_storage!(write_buffer_bytes, "memory for rows that are not in sorted files yet", MIB, MIB << 20),
    of_query!("query_max_rows", max_rows, "how many rows a query may return"),
    of_query!("query_max_expansions", max_expansions, "how many nodes and relationships a query may take"),
    of_query!("query_max_memory_bytes", max_memory_bytes, "how many bytes a query may hold"),
];

/// What is near a name that is no setting.
fn near(name: &str) -> String {
    let nearest =
        SETTINGS.iter().map(|setting| (strsim::osa_distance(setting.name, name), setting.name)).min();
    match nearest {
        Some((letters, near)) if letters <= 3 => format!("; did you mean `{near}`?"),
        _ => String::new(),
    }
}

impl Settings {
    /// Takes all settings, each from the last of the three that has it.
    ///
    /// `flags` are settings by their names.
    pub(crate) fn gather(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let mut settings = Self::default();
        if let Some(file) = file {
            let shown = file.display().to_string();
            let wrong = |why: String| SettingsError::File { file: shown.clone(), why };
            let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
            let table: toml::Table =
                text.parse().map_err(|error: toml::de::Error| wrong(error.to_string()))?;
            for (name, value) in table {
                let text = match value {
                    toml::Value::String(text) => text,
                    other => other.to_string(),
                };
                settings.set(&name, &text, Origin::File(shown.clone()))?;
            }
        }
        let mut variables: Vec<_> = environment.into_iter().collect();
        variables.sort();
        for (variable, text) in variables {
            if let Some(name) = variable.strip_prefix(PREFIX) {
                settings.set(&name.to_ascii_lowercase(), &text, Origin::Environment(variable.clone()))?;
            }
        }
        for (name, text) in flags {
            settings.set(&name, &text, Origin::Flag)?;
        }
        settings.config.tls = match (&settings.certificate, &settings.key) {
            (Some(certificate), Some(key)) => Some(TlsFiles {
                certificate: certificate.clone(),
                key: key.clone(),
                client_ca: settings.client_ca.clone(),
            }),
            (Some(_), None) => return Err(SettingsError::Half { has: "tls_certificate", lacks: "tls_key" }),
            (None, Some(_)) => return Err(SettingsError::Half { has: "tls_key", lacks: "tls_certificate" }),
            (None, None) if settings.client_ca.is_some() => {
                return Err(SettingsError::Half { has: "tls_client_ca", lacks: "tls_certificate" });
            }
            (None, None) => None,
        };
        Ok(settings)
    }

    fn set(&mut self, name: &str, text: &str, origin: Origin) -> Result<(), SettingsError> {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
            return Err(SettingsError::Unknown { origin, name: name.to_owned(), hint: near(name) });
        };
        (setting.take)(self, text).map_err(|expected| SettingsError::Value {
            origin: origin.clone(),
            name: setting.name,
            given: text.to_owned(),
            expected,
        })?;
        self.origins.insert(setting.name, origin);
        Ok(())
    }

    /// All settings as a file has them, each with what it is and where it comes
    /// from. They hold no secret: keys and tokens are named by their files.
    pub(crate) fn print(&self) -> String {
        let mut text = String::new();
        for setting in SETTINGS {
            let origin = self.origins.get(setting.name).unwrap_or(&Origin::Default);
            text += &format!("# {} ({origin})\n", setting.about);
            text += &match (setting.show)(self) {
                Some(value) => format!("{} = {value}\n\n", setting.name),
                None => format!("# {} is not set\n\n", setting.name),
            };
        }
        text
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kinfold.toml");
        std::fs::write(&path, text).unwrap();
        (directory, path)
    }

    #[test]
    fn the_later_of_file_environment_and_flag_counts() {
        let (_directory, path) = file(
            "listen = 7000\nmax_queries = 3\nquery_timeout = \"5s\"\nmax_receive_bytes = \"1MiB\"\notlp_sampling_ratio = 0.25\n",
        );
        let environment =
            pairs(&[("KINFOLD_SERVE_MAX_QUERIES", "4"), ("KINFOLD_LOG", "debug"), ("PATH", "/")]);
        let flags = pairs(&[("listen", "127.0.0.1:7002")]);
        let settings = Settings::gather(Some(&path), environment, flags).unwrap();
        let config = &settings.config;
        assert_eq!((config.listen.port(), config.max_queries), (7002, 4));
        assert_eq!((config.query_timeout, config.max_receive_bytes), (Duration::from_secs(5), 1 << 20));
        let printed = settings.print();
        for part in [
            "(command line)\nlisten = \"127.0.0.1:7002\"",
            "(KINFOLD_SERVE_MAX_QUERIES)\nmax_queries = 4",
            "kinfold.toml)\nquery_timeout = \"5s\"",
            "(default)\nmax_lookups = 16",
            "kinfold.toml)\notlp_sampling_ratio = 0.25",
            "# otlp_endpoint is not set",
            "# backup_dir is not set",
        ] {
            assert!(printed.contains(part), "{part} is not in\n{printed}");
        }
    }

    #[test]
    fn what_is_printed_is_a_configuration() {
        let settings = Settings::gather(
            None,
            [],
            pairs(&[("store", "/a \"b\""), ("max_connection_age", "90s"), ("cache_bytes", "1GiB")]),
        );
        let printed = settings.unwrap().print();
        let (_directory, path) = file(&printed);
        let again = Settings::gather(Some(&path), [], []).unwrap();
        assert_eq!(again.store, Some(PathBuf::from("/a \"b\"")));
        assert_eq!(again.config.max_connection_age, Duration::from_secs(90));
        assert_eq!(again.storage, StorageOptions { cache_bytes: 1 << 30, ..StorageOptions::default() });
    }

    #[test]
    fn a_mistake_says_where_it_is_and_what_would_do() {
        let gather =
            |flags: &[(&str, &str)]| Settings::gather(None, [], pairs(flags)).unwrap_err().to_string();
        assert!(
            gather(&[("max_querys", "1")])
                .contains("command line: there is no setting `max_querys`; did you mean `max_queries`?")
        );
        assert!(gather(&[("call_timeout", "soon")]).contains("expected a time as `500ms`"));
        assert!(gather(&[("cache_bytes", "4KiB")]).contains("expected 1048576 to 1099511627776 bytes"));
        assert!(gather(&[("max_queries", "-1")]).contains("a whole number"));
        assert!(gather(&[("otlp_endpoint", "collector:4317")]).contains("expected `http://HOST:PORT`"));
        assert!(gather(&[("otlp_sampling_ratio", "2")]).contains("a number from 0 to 1"));
        assert!(gather(&[("listen", "here")]).contains("an address and a port"));
        assert!(gather(&[("tls_key", "k.pem")]).contains("`tls_certificate` is not"));
        let (_directory, path) = file("listen = [");
        let error = Settings::gather(Some(&path), [], []).unwrap_err().to_string();
        assert!(error.contains("kinfold.toml cannot be read") && error.contains("line 1"), "{error}");
        let environment = pairs(&[("KINFOLD_SERVE_LISTEN", "x")]);
        let error = Settings::gather(None, environment, []).unwrap_err().to_string();
        assert!(error.starts_with("KINFOLD_SERVE_LISTEN: `listen` is `x`"), "{error}");
    }
}
