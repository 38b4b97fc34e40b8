//! Hosts, paths, methods and headers: wrong names are not found.

use super::{Client, Server};
use crate::program::Project;

#[test]
fn only_configured_host_names_are_served_and_none_is_reflected() {
    let server = Server::start(&["--public-url", "https://recon.example.com"]);
    let port = server.address.port();
    for (host, expected) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("localhost:{port}"), 200),
        ("recon.example.com".into(), 200),
        ("evil.example".into(), 421),
        (format!("127.0.0.1.nip.io:{port}"), 421),
        ("localhost".into(), 421),
        (format!("evil@localhost:{port}"), 400),
    ] {
        let mut client = Client::to(&server);
        let headers = [("Host", host.as_str()), ("X-Forwarded-Host", "evil.example")];
        let answer = client.ask("GET", "/", &headers, "").unwrap();
        let wanted = if expected == 200 { 303 } else { expected };
        assert_eq!(answer.status, wanted, "{host}");
        let all = format!("{:?}{}", answer.headers, answer.text());
        assert!(!all.contains("evil") && !all.contains("nip.io"), "{host}: {all}");
    }
    server.assert_well();
}

#[test]
fn paths_cannot_escape_their_routes() {
    let server = Server::start(&[]);
    for path in [
        "/assets/../Cargo.toml",
        "/assets/%2e%2e/Cargo.toml",
        "/assets/%2e%2e%2fCargo.toml",
        "/assets/..%5cCargo.toml",
        "/assets/%252e%252e%252fCargo.toml",
        "/docs/../../etc/passwd",
        "/docs/%2e%2e%2f%2e%2e%2fetc/passwd",
        "/docs/index.html%00.js",
        "//etc/passwd",
        "/docs//",
        "/%2f%2fetc",
        "/.git/config",
        "/recon.db",
        "/openapi.json/",
        "/%0d%0aSet-Cookie:x=y",
    ] {
        let answer = Client::to(&server).get(path);
        assert!(matches!(answer.status, 400 | 404), "{path}: {}", answer.status);
        // For pages, the problem is a page.
        if answer.header("content-type") == Some("application/problem+json") {
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(body["status"], answer.status, "{path}");
        }
        assert!(
            !answer.text().contains("Cargo") && !answer.text().contains("root:"),
            "{path}: {}",
            answer.text()
        );
        assert!(answer.header("set-cookie").is_none());
    }
    let answer = Client::to(&server).get("/docs");
    assert_eq!((answer.status, answer.header("location")), (308, Some("/docs/")));
    let answer = Client::to(&server).get("/docs/");
    assert!(answer.text().contains("swagger-ui") && answer.status == 200);
    assert!(answer.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    server.assert_well();
}

#[test]
fn methods_are_matched_exactly() {
    let server = Server::start(&[]);
    let mut client = Client::to(&server);
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"] {
        let headers = [("X-HTTP-Method-Override", "GET"), ("Authorization", "Bearer x")];
        let answer = client.ask(method, "/health", &headers, "").unwrap();
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method}");
        assert!(!answer.text().contains("Override"));
    }
    let get = client.get("/health");
    let head = client.ask("HEAD", "/health", &[], "").unwrap();
    assert_eq!((head.status, head.header("content-length")), (200, get.header("content-length")));
    let answer = client.ask("GET", "/health", &[("Accept", "image/png")], "").unwrap();
    assert_eq!(answer.status, 406);
    assert_eq!(client.get("/health?x=1").status, 422);
    for name in [
        "x-request-id",
        "cache-control",
        "x-content-type-options",
        "referrer-policy",
        "cross-origin-opener-policy",
        "cross-origin-resource-policy",
        "permissions-policy",
    ] {
        assert!(get.header(name).is_some(), "{name}");
    }
    assert!(get.header("server").is_none() && get.header("access-control-allow-origin").is_none());
    let metrics = client.get("/metrics");
    assert!(metrics.text().contains("recon_http_requests_total{route=\"health\",method=\"GET\""));
    assert!(!metrics.text().contains(env!("CARGO_PKG_VERSION")));
    server.assert_well();
}

#[test]
fn a_server_exposed_without_protection_does_not_start() {
    let project = Project::new();
    let serve = |arguments: &[&str]| {
        let mut all = vec!["serve", "--store", "sqlite:recon.db"];
        all.extend(arguments);
        project.recon(&all)
    };
    assert_eq!(serve(&[]).code, 4, "there is no store");
    assert_eq!(project.recon(&["migrate", "--store", "sqlite:recon.db"]).code, 0);
    for arguments in [
        &["--bind", "0.0.0.0:0"][..],
        &["--bind", "[::]:0", "--public-url", "https://recon.example.com"],
        &["--bind", "0.0.0.0:0", "--solo"],
        &["--public-url", "recon.example.com/path"],
    ] {
        let said = serve(arguments);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{arguments:?}: {}", said.err);
    }
    assert!(serve(&["--bind", "0.0.0.0:0"]).err.contains("docs/serving.md"));
}
