//! Where a server is.

use crate::error::ClientError;

/// The port that Kinfold listens on unless told otherwise.
pub const DEFAULT_PORT: u16 = 7437;

/// The server's address in full.
pub(crate) fn url(server: &str) -> Result<String, ClientError> {
    let wrong = |why: &str| ClientError::Url { given: server.to_owned(), why: why.to_owned() };
    let trimmed = server.trim();
    let (scheme, rest) = match trimmed.split_once("://") {
        Some(("http", rest)) => ("http", rest),
        Some(("https", rest)) => ("https", rest),
        Some(_) => return Err(wrong("the scheme is neither `http` nor `https`")),
        None => ("http", trimmed),
    };
    let authority = rest.trim_end_matches('/');
    if authority.is_empty() {
        return Err(wrong("it has no host"));
    }
    if authority.contains(['/', '?', '#', '@', ' ']) {
        return Err(wrong("it holds more than a host and a port"));
    }
    // The colons of an IPv6 address stand in brackets.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if host.is_empty() || host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err(wrong("its host is none; an IPv6 address stands in brackets, as in `[::1]`"));
    }
    let port = match port {
        None => DEFAULT_PORT,
        Some(port) => match port.parse() {
            Ok(0) | Err(_) => return Err(wrong("its port is no number from 1 to 65535")),
            Ok(port) => port,
        },
    };
    Ok(format!("{scheme}://{host}:{port}"))
}

/// Whether a whole address is one of this machine.
pub(crate) fn is_here(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_completed_or_refused() {
        for (given, full) in [
            ("localhost", "http://localhost:7437"),
            ("http://localhost:80/", "http://localhost:80"),
            (" 10.0.0.1:9 ", "http://10.0.0.1:9"),
            ("[::1]", "http://[::1]:7437"),
            ("https://a.example", "https://a.example:7437"),
            ("http://[::1]:9", "http://[::1]:9"),
        ] {
            assert_eq!(url(given).unwrap(), full);
        }
        for bad in
            ["", "http://", "https://", "ftp://a", "a:0", "a:b", "a:70000", "a/b", ":1", "::1", "u@h:1"]
        {
            assert!(matches!(url(bad), Err(ClientError::Url { .. })), "{bad}");
        }
    }

    #[test]
    fn this_machine_is_known() {
        for (url, here) in [
            ("http://localhost:1", true),
            ("http://127.0.0.1:1", true),
            ("http://[::1]:1", true),
            ("http://10.0.0.1:1", false),
            ("http://localhost.example:1", false),
        ] {
            assert_eq!(is_here(url), here, "{url}");
        }
    }
}
