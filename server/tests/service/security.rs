//! Who may call, what they may see, and how what they say is encrypted.

use std::path::Path;
use std::time::{Duration, Instant};

use kinfold_proto::v1;
use kinfold_proto::v1::query_response::Part;
use kinfold_proto::v1::value::Kind;
use kinfold_server::{ServeConfig, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::harness::{Server, TokenFile, bearing, by, named, refusal, seen};

async fn guarded() -> (Server, TokenFile) {
    let tokens = TokenFile::new();
    let config = ServeConfig {
        tokens: Some(tokens.path()),
        reload_interval: Duration::from_millis(20),
        ..Default::default()
    };
    (Server::with(config).await, tokens)
}

fn stats() -> v1::GetStatsRequest {
    v1::GetStatsRequest::default()
}

#[tokio::test]
async fn a_call_needs_a_token_of_its_role() {
    let (server, tokens) = guarded().await;
    let mut admin = server.admin();
    let error = admin.get_stats(stats()).await.unwrap_err();
    assert_eq!(refusal(&error), (Code::Unauthenticated, "UNAUTHENTICATED".into()));
    assert!(error.message().contains("authorization: Bearer"), "{error}");
    for wrong in ["", "kf_0000", &tokens.read[..40], &format!("{}0", tokens.read)] {
        let error = admin.get_stats(bearing(wrong, stats())).await.unwrap_err();
        assert_eq!(error.code(), Code::Unauthenticated, "{wrong}");
        assert!(wrong.is_empty() || !error.message().contains(wrong));
    }
    let mut twice = bearing(&tokens.read, stats());
    twice.metadata_mut().append("authorization", "Bearer other".parse().unwrap());
    assert_eq!(admin.get_stats(twice).await.unwrap_err().code(), Code::Unauthenticated);
    let mut basic = tonic::Request::new(stats());
    basic.metadata_mut().insert("authorization", format!("Basic {}", tokens.read).parse().unwrap());
    assert_eq!(admin.get_stats(basic).await.unwrap_err().code(), Code::Unauthenticated);

    let observe = || v1::ObserveRequest {
        observations: vec![seen("crm", &["email:a@x.de", "device:1"])],
        ..Default::default()
    };
    let mut ingest = server.ingest();
    let error = ingest.observe(bearing(&tokens.read, observe())).await.unwrap_err();
    assert_eq!(refusal(&error), (Code::PermissionDenied, "ROLE_INSUFFICIENT".into()));
    assert!(error.message().contains("`read`") && error.message().contains("`write`"), "{error}");
    for token in [&tokens.write, &tokens.admin] {
        assert!(ingest.observe(bearing(token, observe())).await.is_ok());
        assert!(admin.get_stats(bearing(token, stats())).await.is_ok());
    }
    assert!(admin.get_stats(bearing(&tokens.read, stats())).await.is_ok());
    let check = v1::CheckRequest::default;
    for token in [&tokens.read, &tokens.write] {
        assert_eq!(admin.check(bearing(token, check())).await.unwrap_err().code(), Code::PermissionDenied);
    }
    assert!(admin.check(bearing(&tokens.admin, check())).await.is_ok());
    // Load balancers bring none.
    let mut health = HealthClient::new(server.channel.clone());
    assert!(health.check(HealthCheckRequest::default()).await.is_ok());
}

#[tokio::test]
async fn tokens_that_are_taken_away_end_without_a_restart() {
    let (server, tokens) = guarded().await;
    let mut admin = server.admin();
    assert!(admin.get_stats(bearing(&tokens.read, stats())).await.is_ok());
    let others = TokenFile::new();
    // A file that is none changes nothing.
    std::fs::write(tokens.path(), "[[token]").unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(admin.get_stats(bearing(&tokens.read, stats())).await.is_ok());
    std::fs::copy(others.path(), tokens.path()).unwrap();
    let begun = Instant::now();
    while admin.get_stats(bearing(&others.read, stats())).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let error = admin.get_stats(bearing(&tokens.read, stats())).await.unwrap_err();
    assert_eq!(error.code(), Code::Unauthenticated);
}

async fn rows(server: &Server, token: &str, text: &str) -> Result<Vec<Kind>, Status> {
    let request = v1::QueryRequest { text: text.into(), ..Default::default() };
    let mut stream = server.queries().query(bearing(token, request)).await?.into_inner();
    let mut values = Vec::new();
    while let Some(message) = stream.message().await? {
        if let Some(Part::Rows(rows)) = message.part {
            values.extend(rows.rows.into_iter().flat_map(|row| row.values).map(|value| value.kind.unwrap()));
        }
    }
    Ok(values)
}

#[tokio::test]
async fn values_that_a_role_may_not_see_come_back_redacted() {
    let (server, tokens) = guarded().await;
    let request = v1::ObserveRequest {
        observations: vec![
            v1::Observation { record_id: "7".into(), ..seen("crm", &["email:ann@x.de", "device:d1"]) },
            seen("crm", &["email:ann@work.de", "device:d1"]),
            seen("crm", &["email:bob@x.de", "device:d2"]),
            v1::Observation { confidence: Some(0.3), ..seen("web", &["device:d1", "device:d2"]) },
        ],
        ..Default::default()
    };
    server.ingest().observe(bearing(&tokens.admin, request)).await.unwrap();
    let veiled = tokens.veiled.as_str();
    let view = v1::View::Full.into();
    // Whoever knows a value may ask by it.
    let person = Some(by("email:ann@x.de"));
    let request = v1::ResolvePersonRequest { person: person.clone(), view, options: None };
    let found = server.lookup().resolve_person(bearing(veiled, request.clone())).await.unwrap().into_inner();
    let names = |person: v1::Person| -> Vec<String> {
        let named = person.identifiers.into_iter().map(|it| it.identifier.unwrap());
        named.map(|it| format!("{}:{}", it.namespace, it.value)).collect()
    };
    let shown = names(found.person.unwrap());
    assert_eq!(shown[0], "device:d1");
    assert!(shown[1..].iter().all(|name| name.starts_with("email:redacted-")), "{shown:?}");
    assert_ne!(shown[1], shown[2]);
    let whole = server.lookup().resolve_person(bearing(&tokens.read, request)).await.unwrap().into_inner();
    assert!(names(whole.person.unwrap()).contains(&"email:ann@work.de".to_owned()));

    // However it is asked: no answer holds a value of the namespace.
    let mut answers = Vec::new();
    let view = v1::View::Identifiers.into();
    let request = v1::ResolvePersonRequest { person: person.clone(), view, options: None };
    answers.push(format!("{:?}", server.lookup().resolve_person(bearing(veiled, request)).await.unwrap()));
    let persons = person.clone().into_iter().collect();
    let request = v1::BatchResolvePersonsRequest { persons, view, options: None };
    answers.push(format!(
        "{:?}",
        server.lookup().batch_resolve_persons(bearing(veiled, request)).await.unwrap()
    ));
    let request = v1::GetProfileRequest { person: person.clone(), ..Default::default() };
    answers.push(format!("{:?}", server.lookup().get_profile(bearing(veiled, request)).await.unwrap()));
    let request = v1::ListIdentifiersRequest { person: person.clone(), ..Default::default() };
    answers.push(format!("{:?}", server.lookup().list_identifiers(bearing(veiled, request)).await.unwrap()));
    let request = v1::HistoryRequest { person: person.clone(), ..Default::default() };
    answers.push(format!("{:?}", server.explain().history(bearing(veiled, request)).await.unwrap()));
    let (a, b) = (Some(named("device:d1")), Some(named("device:d2")));
    let request = v1::WhyNotRequest { a: a.clone(), b, options: None };
    answers.push(format!("{:?}", server.explain().why_not(bearing(veiled, request)).await.unwrap()));
    let request = v1::WhyRequest { a: a.clone(), b: Some(named("email:ann@x.de")), options: None };
    answers.push(format!("{:?}", server.explain().why(bearing(veiled, request)).await.unwrap()));
    let request = v1::NetworkRequest { identifier: a.clone(), ..Default::default() };
    answers.push(format!("{:?}", server.explain().network(bearing(veiled, request)).await.unwrap()));
    let options = Some(v1::ReadOptions { threshold: Some(0.2), ..Default::default() });
    let request = v1::WhatIfRequest { identifier: a, options, without_links: vec![] };
    answers.push(format!("{:?}", server.explain().what_if(bearing(veiled, request)).await.unwrap()));
    let request = v1::WatchRequest::default();
    let mut feed = server.watching().watch(bearing(veiled, request)).await.unwrap().into_inner();
    answers.push(format!("{:?}", feed.message().await.unwrap().unwrap()));
    for text in [
        "MATCH (i:email) RETURN i, i.value, i.id",
        "MATCH p = (:device)-[:LINKED]-(:email) RETURN p",
        "PROFILE device:'d1'",
        "PERSON device:'d1'",
        "NEIGHBOURS device:'d1'",
        "HISTORY device:'d1'",
        "HOW device:'d1'",
        "NETWORK device:'d1'",
        "WHY NOT device:'d1', device:'d2'",
        "THRESHOLD 0.2 DIFF device:'d1'",
        "THRESHOLD 0.2 PERSON device:'d1'",
        "AS OF 4 PROFILE device:'d1'",
        "NEAR MERGES",
    ] {
        let found = rows(&server, veiled, text).await.unwrap();
        assert!(!found.is_empty(), "{text}");
        answers.push(format!("{text}: {found:?}"));
    }
    for answer in &answers {
        for value in ["ann@x.de", "ann@work.de", "bob@x.de"] {
            assert!(!answer.contains(value), "{value} is in {answer}");
        }
    }
    // Nor does a condition find out.
    let text = "MATCH (i:email) WHERE i.value STARTS WITH 'ann' OR i.id CONTAINS 'ann' RETURN count(*)";
    assert_eq!(rows(&server, veiled, text).await.unwrap(), [Kind::IntValue(0)]);
    assert_eq!(rows(&server, &tokens.read, text).await.unwrap(), [Kind::IntValue(2)]);
}

#[tokio::test]
async fn a_refused_act_names_nothing_that_its_caller_may_not_see() {
    let (server, tokens) = guarded().await;
    let observations =
        ["a", "b", "c"].map(|n| seen("crm", &[&format!("email:{n}@x.de"), &format!("device:{n}")]));
    let request = v1::ObserveRequest { observations: observations.to_vec(), ..Default::default() };
    server.ingest().observe(bearing(&tokens.admin, request)).await.unwrap();
    let require = |a: &str, b: &str| v1::RequireRequest {
        a: Some(named(a)),
        b: Some(named(b)),
        author: "ann".into(),
        reason: "asked".into(),
        ..Default::default()
    };
    server.ingest().require(bearing(&tokens.admin, require("email:a@x.de", "device:b"))).await.unwrap();
    server.ingest().require(bearing(&tokens.admin, require("device:b", "email:c@x.de"))).await.unwrap();
    let forbid = v1::ForbidRequest {
        a: Some(named("email:a@x.de")),
        b: Some(named("email:c@x.de")),
        author: "ann".into(),
        reason: "two".into(),
        ..Default::default()
    };
    let error = server.ingest().forbid(bearing(&tokens.write, forbid.clone())).await.unwrap_err();
    assert_eq!(refusal(&error), (Code::FailedPrecondition, "REQUIRED_TOGETHER".into()));
    assert!(!format!("{error:?}").contains("device:b"), "{error:?}");
    let error = server.ingest().forbid(bearing(&tokens.admin, forbid)).await.unwrap_err();
    assert!(error.message().contains("device:b"), "{error}");
}

/// Certificates of a root of their own, in a directory.
struct Certificates {
    directory: tempfile::TempDir,
    root: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), root.pem()).unwrap();
        let made = Self { directory, root };
        made.write("server");
        made
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A certificate and its key.
    fn issue(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.signed_by(&key, &self.root).unwrap().pem(), key.serialize_pem())
    }

    fn write(&self, name: &str) {
        let (certificate, key) = self.issue();
        // The key first: a server that looks between the two finds a pair that does not fit, and waits.
        std::fs::write(self.path().join(format!("{name}.key")), key).unwrap();
        std::fs::write(self.path().join(format!("{name}.pem")), certificate).unwrap();
    }

    fn files(&self, mutual: bool) -> TlsFiles {
        TlsFiles {
            certificate: self.path().join("server.pem"),
            key: self.path().join("server.key"),
            client_ca: mutual.then(|| self.path().join("ca.pem")),
        }
    }

    fn client(&self) -> ClientTlsConfig {
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(self.root.pem())).domain_name("localhost")
    }
}

async fn connect(server: &Server, tls: ClientTlsConfig) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Channel::from_shared(format!("https://localhost:{}", server.address.port())).unwrap();
    endpoint.tls_config(tls).unwrap().connect().await
}

#[tokio::test]
async fn calls_are_encrypted_with_certificates_that_change_without_a_restart() {
    let certificates = Certificates::new();
    let config = ServeConfig {
        tls: Some(certificates.files(false)),
        reload_interval: Duration::from_millis(20),
        ..Default::default()
    };
    let server = Server::lazy(config).await;
    let channel = connect(&server, certificates.client()).await.unwrap();
    let ask = |channel: Channel| async move {
        v1::admin_service_client::AdminServiceClient::new(channel).get_stats(stats()).await
    };
    assert!(ask(channel.clone()).await.is_ok());
    // Who trusts another root, or speaks in plain, comes to nothing.
    let other = Certificates::new();
    assert!(connect(&server, other.client()).await.is_err());
    assert!(ask(server.channel.clone()).await.is_err());

    // Another root's certificate is put in place of the first.
    for name in ["server.key", "server.pem"] {
        std::fs::copy(other.path().join(name), certificates.path().join(name)).unwrap();
    }
    let begun = Instant::now();
    while connect(&server, other.client()).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(connect(&server, certificates.client()).await.is_err());
    // What was connected goes on.
    assert!(ask(channel).await.is_ok());
    // What is no certificate changes nothing.
    std::fs::write(certificates.path().join("server.pem"), "nothing").unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(connect(&server, other.client()).await.is_ok());
}

#[tokio::test]
async fn a_client_shows_a_certificate_where_one_is_asked_for() {
    let certificates = Certificates::new();
    let server =
        Server::lazy(ServeConfig { tls: Some(certificates.files(true)), ..Default::default() }).await;
    let ask = |tls: ClientTlsConfig| {
        let server = &server;
        async move {
            // Under TLS 1.3 a refusal comes with the first answer.
            let channel = connect(server, tls).await.map_err(|_| ())?;
            let mut client = v1::admin_service_client::AdminServiceClient::new(channel);
            client.get_stats(stats()).await.map(drop).map_err(drop)
        }
    };
    assert!(ask(certificates.client()).await.is_err());
    let of = |issuer: &Certificates| {
        let (certificate, key) = issuer.issue();
        Identity::from_pem(certificate, key)
    };
    assert!(ask(certificates.client().identity(of(&Certificates::new()))).await.is_err());
    assert!(ask(certificates.client().identity(of(&certificates))).await.is_ok());
}

#[tokio::test]
async fn a_public_address_needs_both_or_a_word() {
    let directory = tempfile::tempdir().unwrap();
    let schema = kinfold_engine::schema::Schema::built_in;
    let certificates = Certificates::new();
    let tokens = TokenFile::new();
    let base = ServeConfig::default;
    let tls = Some(certificates.files(false));
    let cases = [
        (base(), "neither encrypted nor authenticated"),
        (ServeConfig { tokens: Some(tokens.path()), ..base() }, "not encrypted"),
        (ServeConfig { tls: tls.clone(), ..base() }, "not authenticated"),
        // What is set up wrongly is told before anything is served.
        (
            ServeConfig { tls: tls.clone(), tokens: Some("nowhere".into()), ..base() },
            "nowhere: cannot be read",
        ),
        (
            ServeConfig {
                tls: tls.clone().map(|files| TlsFiles { key: certificates.path().join("ca.pem"), ..files }),
                tokens: Some(tokens.path()),
                ..base()
            },
            "ca.pem",
        ),
    ];
    for (at, (config, part)) in cases.into_iter().enumerate() {
        let path = directory.path().join(at.to_string());
        let store = kinfold_engine::Store::create(&path, schema()).unwrap();
        let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
        let error = kinfold_server::run(listener, store, config, std::future::pending()).await.unwrap_err();
        assert!(error.to_string().contains(part), "{part}: {error:#}");
    }
    for (at, config) in [
        ServeConfig { tls, tokens: Some(tokens.path()), ..base() },
        ServeConfig { insecure_public: true, ..base() },
    ]
    .into_iter()
    .enumerate()
    {
        let path = directory.path().join(format!("ok{at}"));
        let store = kinfold_engine::Store::create(&path, schema()).unwrap();
        let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
        kinfold_server::run(listener, store, config, std::future::ready(())).await.unwrap();
    }
}
