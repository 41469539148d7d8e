//! Who asked what about whom.

use std::time::{Duration, Instant};

use kinfold_proto::v1;
use kinfold_proto::v1::audit_request::Subject;
use kinfold_server::ServeConfig;
use tonic::Code;

use crate::harness::{Server, TokenFile, bearing, by, named, refusal, seen};

/// The entries that are asked for, once there are as many as `most`.
async fn entries(
    server: &Server,
    token: &str,
    request: v1::AuditRequest,
    most: usize,
) -> Vec<v1::AuditEntry> {
    let begun = Instant::now();
    loop {
        let answer = server.admin().audit(bearing(token, request.clone())).await.unwrap().into_inner();
        if answer.entries.len() >= most {
            return answer.entries;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", answer.entries);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What a file holds of a server that has ended, once the last question for the audit is in it.
async fn written(file: &std::path::Path) -> String {
    let begun = Instant::now();
    let mut text = String::new();
    loop {
        let now = std::fs::read_to_string(file).unwrap();
        if now == text && now.contains("AdminService/Audit") {
            return text;
        }
        text = now;
        assert!(begun.elapsed() < Duration::from_secs(10), "{text}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[tokio::test]
async fn who_asked_about_whom_is_kept_without_their_values() {
    let (tokens, directory) = (TokenFile::new(), tempfile::tempdir().unwrap());
    let audit_dir = Some(directory.path().join("audit"));
    let config = ServeConfig { tokens: Some(tokens.path()), audit_dir, ..Default::default() };
    let server = Server::with(config).await;
    let observations = vec![seen("crm", &["email:ann@x.de", "device:d1"])];
    let request = v1::ObserveRequest { observations, ..Default::default() };
    server.ingest().observe(bearing(&tokens.write, request)).await.unwrap();
    let options = Some(v1::ReadOptions { purpose: "billing".into(), ..Default::default() });
    let request = v1::ResolvePersonRequest { person: Some(by("email:Ann@x.de")), options, view: 0 };
    let found = server.lookup().resolve_person(bearing(&tokens.read, request)).await.unwrap().into_inner();
    let id = found.person.unwrap().person_id;
    let request = v1::GetProfileRequest { person: Some(by("email:bob@x.de")), ..Default::default() };
    server.lookup().get_profile(bearing(&tokens.read, request)).await.unwrap_err();
    for text in ["PERSON email:'ann@x.de'", "MATCH (e:email {value: 'ann@x.de'}) RETURN e.degree"] {
        let request = v1::QueryRequest { text: text.into(), ..Default::default() };
        let mut stream = server.queries().query(bearing(&tokens.read, request)).await.unwrap().into_inner();
        while stream.message().await.unwrap().is_some() {}
    }
    let all = entries(&server, &tokens.admin, v1::AuditRequest::default(), 5).await;
    let told: Vec<_> =
        all[..5].iter().map(|it| (it.caller.as_str(), it.method.as_str(), it.code.as_str())).collect();
    assert_eq!(
        told,
        [
            ("writer", "IngestService/Observe", "OK"),
            ("reader", "LookupService/ResolvePerson", "OK"),
            ("reader", "LookupService/GetProfile", "NOT_FOUND"),
            ("reader", "QueryService/Query", "OK"),
            ("reader", "QueryService/Query", "OK"),
        ]
    );
    assert_eq!((all[0].sequence, all[1].purpose.as_str()), (1, "billing"));
    assert_eq!(all[1].subjects[1], id);
    // An identifier is the same however it was written.
    assert_eq!(all[1].subjects[0], all[3].subjects[0]);
    assert!(all[4].subjects[0].starts_with("query:~"), "{all:?}");
    let request = v1::AuditRequest {
        subject: Some(Subject::Identifier(named("email:ANN@x.de"))),
        page_size: 1,
        ..Default::default()
    };
    let first = server.admin().audit(bearing(&tokens.admin, request.clone())).await.unwrap().into_inner();
    assert_eq!(first.entries[0].number, 2);
    let next = v1::AuditRequest { page_token: first.next_page_token, ..request };
    assert_eq!(
        server.admin().audit(bearing(&tokens.admin, next)).await.unwrap().into_inner().entries[0].number,
        4
    );
    let request = v1::AuditRequest { subject: Some(Subject::Id(id)), ..Default::default() };
    assert_eq!(entries(&server, &tokens.admin, request, 1).await.len(), 1);
    let request = v1::AuditRequest { caller: "writer".into(), ..Default::default() };
    assert_eq!(entries(&server, &tokens.admin, request, 1).await.len(), 1);
    let refused = server.admin().audit(bearing(&tokens.write, v1::AuditRequest::default())).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);

    let file = std::fs::read_dir(directory.path().join("audit")).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("ann@x.de") && !text.contains("bob@x.de") && !text.contains("MATCH"), "{text}");
    // A purpose that nobody had is put in.
    std::fs::write(&file, text.replacen("billing", "reasons", 1)).unwrap();
    let error = server.admin().audit(bearing(&tokens.admin, v1::AuditRequest::default())).await.unwrap_err();
    assert_eq!(refusal(&error), (Code::DataLoss, "AUDIT_CHANGED".into()));
    assert!(error.message().contains("line 2"), "{error}");
    // An entry is taken out.
    let without: Vec<&str> =
        text.lines().enumerate().filter(|(at, _)| *at != 1).map(|(_, line)| line).collect();
    std::fs::write(&file, without.join("\n") + "\n").unwrap();
    let error = server.admin().audit(bearing(&tokens.admin, v1::AuditRequest::default())).await.unwrap_err();
    assert_eq!(refusal(&error).1, "AUDIT_CHANGED");
}

#[tokio::test]
async fn a_chain_goes_on_over_a_restart_and_a_torn_end() {
    let directory = tempfile::tempdir().unwrap();
    let config = || ServeConfig { audit_dir: Some(directory.path().to_owned()), ..Default::default() };
    let mut server = Server::with(config()).await;
    server.pairs(&[("email:a@x.de", "device:1")]).await;
    server.person("device:1").await;
    // Whoever asks more than once finds its own questions, too.
    assert!(entries(&server, "", v1::AuditRequest::default(), 2).await.len() >= 2);
    server.stop().await.unwrap();
    let files = || -> Vec<_> {
        let mut files: Vec<_> =
            std::fs::read_dir(directory.path()).unwrap().map(|it| it.unwrap().path()).collect();
        files.sort();
        files
    };
    // A crash in the midst of a write, and a day that has had its time.
    let file = files().pop().unwrap();
    let text = written(&file).await;
    std::fs::write(&file, text.clone() + "{\"number\":9,\"ti").unwrap();
    let server = Server::with(config()).await;
    server.pairs(&[("email:b@x.de", "device:2")]).await;
    let known = text.lines().count();
    let all = entries(&server, "", v1::AuditRequest::default(), known + 1).await;
    assert_eq!(all[known].method, "IngestService/Observe");
    assert_eq!(
        all.iter().map(|it| it.number).collect::<Vec<_>>(),
        (1..=all.len() as u64).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn days_go_when_they_have_had_their_time() {
    let directory = tempfile::tempdir().unwrap();
    let config = || ServeConfig {
        audit_dir: Some(directory.path().to_owned()),
        audit_retention_days: 30,
        ..Default::default()
    };
    let files = || -> Vec<String> {
        let names = std::fs::read_dir(directory.path()).unwrap();
        let mut names: Vec<_> = names.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let day = |ago: i32| {
        let date = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        format!("audit-{}.jsonl", date.checked_sub(jiff::ToSpan::days(ago)).unwrap())
    };
    let mut number = 0;
    // What was written today was written then, as the file's name says.
    for ago in [31, 30] {
        let mut server = Server::with(config()).await;
        server.pairs(&[("email:a@x.de", "device:1")]).await;
        server.stop().await.unwrap();
        let begun = Instant::now();
        while !files().contains(&day(0)) {
            assert!(begun.elapsed() < Duration::from_secs(10));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let today = directory.path().join(day(0));
        while !std::fs::read_to_string(&today).unwrap().ends_with('\n') {
            assert!(begun.elapsed() < Duration::from_secs(10));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        number += 1;
        std::fs::rename(today, directory.path().join(day(ago))).unwrap();
    }
    std::fs::write(directory.path().join("notes.txt"), "mine").unwrap();
    // The second start took away the day that is past its time, and nothing else.
    assert_eq!(files(), [day(30), "notes.txt".to_owned()]);
    let server = Server::with(config()).await;
    server.pairs(&[("email:b@x.de", "device:2")]).await;
    let all = entries(&server, "", v1::AuditRequest::default(), 2).await;
    // The last day that is kept is kept, and the chain goes on behind it.
    assert_eq!(files(), [day(30), day(0), "notes.txt".to_owned()]);
    assert_eq!(all.iter().map(|it| it.number).take(2).collect::<Vec<_>>(), [number, number + 1]);
}

#[tokio::test]
async fn an_end_that_was_changed_is_noticed_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("audit-2026-01-05.jsonl");
    std::fs::write(&file, "{\"number\":1}\n{\"number\":2}\n").unwrap();
    let config = ServeConfig { audit_dir: Some(directory.path().to_owned()), ..Default::default() };
    let mut server = Server::lazy(config).await;
    let error = server.ended().await.unwrap_err().to_string();
    assert!(error.contains("audit-2026-01-05.jsonl, line 2"), "{error}");
}

#[tokio::test]
async fn a_torn_end_of_an_earlier_day_hides_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let config = || ServeConfig { audit_dir: Some(directory.path().to_owned()), ..Default::default() };
    let mut server = Server::with(config()).await;
    server.pairs(&[("email:a@x.de", "device:1")]).await;
    entries(&server, "", v1::AuditRequest::default(), 1).await;
    server.stop().await.unwrap();
    let today = std::fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
    let text = written(&today).await;
    // Long ago, so that it sorts before today, and cut off by a crash.
    std::fs::write(directory.path().join("audit-2000-01-01.jsonl"), text.clone() + "{\"number\":").unwrap();
    std::fs::remove_file(&today).unwrap();
    let known = text.lines().count();
    let config = || ServeConfig { audit_retention_days: 36_500, ..config() };
    for more in 1..=2 {
        let mut server = Server::with(config()).await;
        server.pairs(&[("email:b@x.de", "device:2")]).await;
        let all = entries(&server, "", v1::AuditRequest::default(), known + more).await;
        assert!(all.iter().map(|it| it.number).eq(1..=all.len() as u64), "{all:?}");
        server.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_server_without_an_audit_says_so() {
    let server = Server::start().await;
    let error = server.admin().audit(v1::AuditRequest::default()).await.unwrap_err();
    assert_eq!(refusal(&error), (Code::FailedPrecondition, "AUDIT_NOT_CONFIGURED".into()));
}
