//! How the server listens, and the limits it keeps.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use kinfold_client::DEFAULT_PORT;
use kinfold_query::Limits;

use crate::tls::TlsFiles;

/// Where the server listens, and the limits it keeps. Every queue, message and
/// wait is bounded by one of these.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// Listen beyond this machine although calls are not both encrypted and
    /// authenticated: whoever reaches the port may read and write everything.
    pub insecure_public: bool,
    /// The files that TLS is made of; `None`: connections are not encrypted.
    pub tls: Option<TlsFiles>,
    /// The file of tokens, as [`crate::Tokens`] has it; `None`: nobody needs one.
    pub tokens: Option<PathBuf>,
    /// How often those files are looked at, to be read again once they have changed.
    pub reload_interval: Duration,
    /// Where metrics and health are told over HTTP; `None`: nowhere.
    pub admin: Option<SocketAddr>,
    /// The largest message taken, in bytes.
    pub max_receive_bytes: usize,
    /// The largest message sent, in bytes. Most clients take no more than 4 MiB
    /// unless told to.
    pub max_send_bytes: usize,
    /// How many connections are open at once; more wait to be accepted.
    pub max_connections: usize,
    /// How many calls one connection has under way; more are refused.
    pub max_calls_per_connection: usize,
    /// How many calls all connections have under way; more are refused.
    pub max_calls: usize,
    /// How many pieces of work of each kind (queries, larger lookups, batches) wait
    /// for their place; more are refused.
    pub max_waiting: usize,
    /// How many bytes of requests are held in memory; more are refused.
    pub max_request_bytes_in_flight: usize,
    /// How long a connection may take to be set up: TLS, and the first bytes of HTTP/2.
    pub handshake_timeout: Duration,
    /// How old a connection grows before it is asked to end, so that clients spread anew.
    pub max_connection_age: Duration,
    /// How long calls may go on on a connection that was asked to end.
    pub max_connection_age_grace: Duration,
    /// How many streams of HTTP/2 one connection has open; more wait at the client.
    pub max_streams_per_connection: u32,
    /// The largest headers of a call, in bytes.
    pub max_header_bytes: u32,
    /// How long a call that is no stream may take. A client's own deadline counts where it is sooner.
    pub call_timeout: Duration,
    /// How long a query may take. A client's own deadline counts where it is sooner.
    pub query_timeout: Duration,
    /// How long a call may take that can go through the whole store: a schema, a
    /// retraction. A client's own deadline counts where it is sooner.
    pub long_call_timeout: Duration,
    /// How often a watcher to whom nothing happens is given a sign of life.
    pub watch_heartbeat: Duration,
    /// How long a read waits for the sequence number that it asks for.
    pub at_least_timeout: Duration,
    /// After how long without traffic a connection is asked for a sign of life.
    pub keepalive_interval: Duration,
    /// How long that sign may take.
    pub keepalive_timeout: Duration,
    /// How many queries run at once; more wait within their deadlines.
    pub max_queries: usize,
    /// How many larger lookups (batches, profiles, households) run at once; more
    /// wait within their deadlines.
    pub max_lookups: usize,
    /// How many batches are checked and queued at once; more wait within their deadlines.
    pub max_writes: usize,
    /// How many batches of one stream are read before the first is on disk.
    pub max_batches_in_flight: usize,
    /// How long a shutdown waits, saying `NOT_SERVING` and serving still, so that
    /// load balancers look elsewhere first.
    pub shutdown_notice: Duration,
    /// How long a shutdown waits for what is under way.
    pub shutdown_timeout: Duration,
    /// Where it is kept who asked what about whom; `None`: nowhere.
    pub audit_dir: Option<PathBuf>,
    /// For how many days that is kept.
    pub audit_retention_days: u32,
    /// The collector of OpenTelemetry that spans are sent to, as `http://127.0.0.1:4317`; `None`: none is.
    pub otlp_endpoint: Option<String>,
    /// Which part of calls leaves a span, from 0 to 1, where the caller's own trace does not say.
    pub otlp_sampling_ratio: f64,
    /// What the collector knows the server by.
    pub otlp_service_name: String,
    /// Where `Backup` makes its copies; `None`: it makes none.
    pub backup_dir: Option<PathBuf>,
    /// The limits of each query; its deadline is set from `query_timeout`.
    pub query: Limits,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT)),
            insecure_public: false,
            tls: None,
            tokens: None,
            reload_interval: Duration::from_secs(10),
            admin: None,
            max_receive_bytes: 4 << 20,
            max_send_bytes: 4 << 20,
            max_connections: 1_024,
            max_calls_per_connection: 256,
            max_calls: 4_096,
            max_waiting: 512,
            max_request_bytes_in_flight: 256 << 20,
            handshake_timeout: Duration::from_secs(10),
            max_connection_age: Duration::from_secs(3_600),
            max_connection_age_grace: Duration::from_secs(300),
            max_streams_per_connection: 256,
            max_header_bytes: 16 << 10,
            call_timeout: Duration::from_secs(30),
            query_timeout: Duration::from_secs(30),
            long_call_timeout: Duration::from_secs(3_600),
            watch_heartbeat: Duration::from_secs(5),
            at_least_timeout: Duration::from_secs(5),
            keepalive_interval: Duration::from_secs(60),
            keepalive_timeout: Duration::from_secs(20),
            max_queries: 16,
            max_lookups: 16,
            max_writes: 16,
            max_batches_in_flight: 64,
            shutdown_notice: Duration::ZERO,
            shutdown_timeout: Duration::from_secs(10),
            audit_dir: None,
            audit_retention_days: 365,
            otlp_endpoint: None,
            otlp_sampling_ratio: 1.0,
            otlp_service_name: "kinfold".to_owned(),
            backup_dir: None,
            query: Limits::default(),
        }
    }
}

/// A configuration that the server does not start with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The address is reachable from other machines.
    #[error(
        "{listen} can be reached from other machines, and {lacking}: listen on 127.0.0.1 or [::1], set `tls` and \
         `tokens`, or set `insecure_public` if whoever reaches the port may read and write everything"
    )]
    Public {
        /// The address.
        listen: SocketAddr,
        /// What it lacks to be safe there.
        lacking: &'static str,
    },
    /// A limit under which nothing could be served.
    #[error("`{setting}` is {given}; it must be {least} to {most}")]
    Limit {
        /// The setting.
        setting: &'static str,
        /// What it is set to.
        given: String,
        /// The least it may be.
        least: String,
        /// The most it may be.
        most: String,
    },
}

impl ServeConfig {
    /// How many threads work off those that serve connections: one for all that runs
    /// at once, and some for the server's own. More would only hold memory each.
    pub(crate) fn most_threads(&self) -> usize {
        const OWN: usize = 8;
        self.max_lookups + self.max_queries + self.max_writes + OWN
    }

    /// Whether every limit lets something be served, and `address` is one that may be listened on.
    pub fn check(&self, address: SocketAddr) -> Result<(), ConfigError> {
        let lacking = match (&self.tls, &self.tokens) {
            (Some(_), Some(_)) => None,
            (None, Some(_)) => Some("calls are not encrypted, so that tokens could be read on the way"),
            (Some(_), None) => Some("calls are not authenticated"),
            (None, None) => Some("calls are neither encrypted nor authenticated"),
        };
        if let Some(lacking) = lacking
            && !self.insecure_public
            && !address.ip().to_canonical().is_loopback()
        {
            return Err(ConfigError::Public { listen: address, lacking });
        }
        // Semaphores hold no more permits than this; it is far above any use.
        const MANY: usize = 1 << 20;
        const GIB: usize = 1 << 30;
        for (setting, given, least, most) in [
            ("max_receive_bytes", self.max_receive_bytes, 1 << 10, GIB),
            ("max_send_bytes", self.max_send_bytes, 1 << 10, GIB),
            ("max_connections", self.max_connections, 1, MANY),
            ("max_calls_per_connection", self.max_calls_per_connection, 1, MANY),
            ("max_calls", self.max_calls, 1, MANY),
            ("max_waiting", self.max_waiting, 0, MANY),
            ("max_request_bytes_in_flight", self.max_request_bytes_in_flight, 1 << 10, 64 * GIB),
            ("max_streams_per_connection", self.max_streams_per_connection as usize, 1, MANY),
            ("max_header_bytes", self.max_header_bytes as usize, 1 << 10, 1 << 20),
            ("max_queries", self.max_queries, 1, MANY),
            ("max_lookups", self.max_lookups, 1, MANY),
            ("max_writes", self.max_writes, 1, MANY),
            ("audit_retention_days", self.audit_retention_days as usize, 1, 36_500),
            ("max_batches_in_flight", self.max_batches_in_flight, 1, 10_000),
        ] {
            if !(least..=most).contains(&given) {
                let [given, least, most] = [given, least, most].map(|number| number.to_string());
                return Err(ConfigError::Limit { setting, given, least, most });
            }
        }
        if !(0.0..=1.0).contains(&self.otlp_sampling_ratio) {
            return Err(ConfigError::Limit {
                setting: "otlp_sampling_ratio",
                given: self.otlp_sampling_ratio.to_string(),
                least: "0".to_owned(),
                most: "1".to_owned(),
            });
        }
        let (tick, day) = (Duration::from_millis(1), Duration::from_secs(86_400));
        for (setting, given, least) in [
            ("call_timeout", self.call_timeout, tick),
            ("query_timeout", self.query_timeout, tick),
            ("long_call_timeout", self.long_call_timeout, tick),
            ("watch_heartbeat", self.watch_heartbeat, tick),
            ("at_least_timeout", self.at_least_timeout, Duration::ZERO),
            ("reload_interval", self.reload_interval, tick),
            ("handshake_timeout", self.handshake_timeout, tick),
            ("max_connection_age", self.max_connection_age, Duration::from_secs(1)),
            ("max_connection_age_grace", self.max_connection_age_grace, Duration::from_secs(1)),
            ("keepalive_interval", self.keepalive_interval, Duration::from_secs(1)),
            ("keepalive_timeout", self.keepalive_timeout, Duration::from_secs(1)),
            ("shutdown_notice", self.shutdown_notice, Duration::ZERO),
            ("shutdown_timeout", self.shutdown_timeout, Duration::ZERO),
        ] {
            if !(least..=day).contains(&given) {
                let [given, least, most] = [given, least, day].map(|time| format!("{time:?}"));
                return Err(ConfigError::Limit { setting, given, least, most });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn listens_beyond_loopback_only_when_told() {
        let config = ServeConfig::default();
        for private in ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(config.check(private.parse().unwrap()), Ok(()), "{private}");
        }
        let told = ServeConfig { insecure_public: true, ..ServeConfig::default() };
        let lacking = "calls are neither encrypted nor authenticated";
        for public in ["0.0.0.0:1", "[::]:1", "192.168.0.1:1", "[::ffff:10.0.0.1]:1"] {
            let address = public.parse().unwrap();
            assert_eq!(
                config.check(address),
                Err(ConfigError::Public { listen: address, lacking }),
                "{public}"
            );
            assert_eq!(told.check(address), Ok(()), "{public}");
        }
    }

    #[test]
    fn refuses_limits_that_serve_nothing() {
        let base = ServeConfig::default();
        let refused = |config: ServeConfig| match config.check(config.listen) {
            Err(ConfigError::Limit { setting, .. }) => setting,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(ServeConfig { max_queries: 0, ..base.clone() }), "max_queries");
        assert_eq!(refused(ServeConfig { max_send_bytes: usize::MAX, ..base.clone() }), "max_send_bytes");
        for otlp_sampling_ratio in [-0.1, 1.1, f64::NAN] {
            let config = ServeConfig { otlp_sampling_ratio, ..base.clone() };
            assert_eq!(refused(config), "otlp_sampling_ratio");
        }
        assert_eq!(refused(ServeConfig { call_timeout: Duration::ZERO, ..base }), "call_timeout");
    }
}
