//! TLS against an `openssl` server, with a certificate of an authority that twg does not trust by
//! default.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::json;
use twg_tests::capture::Capture;
use twg_tests::{PATIENCE, TempHome, TwgCommand};

/// `openssl s_server`, which serves discovery. Stopped on drop.
struct TlsServer {
    child: Child,
    port: u16,
    /// Its error output, such as the alerts of its clients.
    complaints: Capture,
}

fn openssl(dir: &Path, args: &str) {
    let output = Command::new("openssl").args(args.split(' ')).current_dir(dir).output();
    let output = output.expect("openssl starts");
    assert!(output.status.success(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
}

impl TlsServer {
    /// A server whose certificate names `san`, signed by a new authority in `ca.pem`.
    fn start(dir: &Path, san: &str) -> Self {
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        openssl(dir, &format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=test -days 2"));
        openssl(dir, &format!("req {key} -keyout leaf.key -out leaf.csr -subj /CN=test-leaf"));
        let extensions = format!("subjectAltName={san}\nbasicConstraints=CA:FALSE\n");
        std::fs::write(dir.join("ext"), extensions).expect("it can be written");
        openssl(
            dir,
            "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out leaf.pem",
        );
        let served = dir.join(".well-known");
        std::fs::create_dir(&served).expect("it can be made");
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-cert", "leaf.pem", "-key", "leaf.key"])
            // Each file is a whole response with header fields.
            .arg("-HTTP")
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("openssl starts");
        let complaints = Capture::of(child.stderr.take().expect("a pipe"));
        let stdout = Capture::of(child.stdout.take().expect("a pipe"));
        let port = stdout.wait_for(PATIENCE, |bytes| {
            let text = String::from_utf8_lossy(bytes);
            let (_, rest) = text.split_once("ACCEPT 127.0.0.1:")?;
            rest.split_once('\n')?.0.trim().parse().ok()
        });
        let port = port.unwrap_or_else(|missing| panic!("{missing:?}: {}", stdout.text()));
        let issuer = format!("https://127.0.0.1:{port}");
        let metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
        })
        .to_string();
        let response = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{metadata}",
            metadata.len()
        );
        std::fs::write(served.join("oauth-authorization-server"), response)
            .expect("it can be written");
        Self { child, port, complaints }
    }

    /// Waits until a client has sent this alert.
    fn wait_for_alert(&self, alert: &str) {
        let seen = self.complaints.wait_for(PATIENCE, |bytes| {
            String::from_utf8_lossy(bytes).contains(alert).then_some(())
        });
        assert!(seen.is_ok(), "{alert}: {}", self.complaints.text());
    }

    fn login(&self, home: &TempHome) -> TwgCommand {
        let provider = json!({
            "schema_version": 1, "name": "tls", "display_name": "TLS",
            "issuer": format!("https://127.0.0.1:{}", self.port),
            "grants": ["authorization_code"], "client": { "id": "me" },
        });
        home.write_config("providers/tls.json", provider.to_string());
        home.twg(["login", "tls"])
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A27: an unknown authority is refused, no switch changes that, and the error says how to trust
/// it.
#[test]
fn an_unknown_authority_is_refused_until_it_is_made_known() {
    let home = TempHome::new();
    let server = TlsServer::start(home.path(), "IP:127.0.0.1");
    let login = server.login(&home);
    let refused = login.run();
    refused.expect_code(75).expect_stderr("certificate").expect_stderr("SSL_CERT_FILE");
    refused.expect_stderr("Nothing was stored.").expect_stderr("`twg doctor`");
    server.wait_for_alert("alert unknown ca");
    let json = login.clone().arg("--json").run();
    assert_eq!(json.expect_code(75).json()["error"]["code"], "NETWORK");

    let mut careless = login.clone();
    for (name, value) in [
        ("NODE_TLS_REJECT_UNAUTHORIZED", "0"),
        ("PYTHONHTTPSVERIFY", "0"),
        ("GIT_SSL_NO_VERIFY", "1"),
        ("TWG_INSECURE", "1"),
    ] {
        careless = careless.env(name, value);
    }
    careless.run().expect_code(75).expect_stderr("certificate");
    for flag in ["--insecure", "-k", "--no-verify"] {
        login.clone().arg(flag).run().expect_code(2);
    }

    let told = login.env("SSL_CERT_FILE", home.path().join("ca.pem")).start();
    let address = told.wait_for_address();
    assert!(address.starts_with(&format!("https://127.0.0.1:{}/authorize?", server.port)));
}

/// A27: a trusted authority is not enough: the certificate must be for the requested host.
#[test]
fn a_certificate_for_another_host_is_refused() {
    let home = TempHome::new();
    let server = TlsServer::start(home.path(), "DNS:example.com");
    let login = server.login(&home).env("SSL_CERT_FILE", home.path().join("ca.pem"));
    login.run().expect_code(75).expect_stderr("certificate").expect_stderr("Nothing was stored.");
    server.wait_for_alert("alert bad certificate");
}

#[test]
fn certificates_that_cannot_be_read_are_named() {
    let home = TempHome::new();
    let server = TlsServer::start(home.path(), "IP:127.0.0.1");
    let login = server.login(&home);
    for file in ["nowhere.pem", "leaf.csr"] {
        let output = login.clone().env("SSL_CERT_FILE", home.path().join(file)).run();
        output.expect_code(75).expect_stderr("SSL_CERT_FILE");
    }
}
