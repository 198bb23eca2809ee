//! `twg doctor`: how things are, and proofs that they work. It changes nothing that is kept.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::UNIX_EPOCH;

use serde_json::{Value, json};
use twg_core::credential::{ConnectionKey, StoredCredential};
use twg_core::flow::{LockError, RedirectTarget, UserAgentError};
use twg_core::http::{HttpRequest, Method};
use twg_core::provider::{Grant, ProviderProfile};
use twg_core::resource::TokenAudience;
use twg_core::secret::Secret;
use twg_core::time::{Span, UnixTime};

use super::auth_status::Status;
use crate::clients;
use crate::context::{Context, env};
use crate::effects::http::HttpClient;
use crate::effects::loopback::RedirectListener;
use crate::effects::{clock, lock};
use crate::failure::{Exit, Failure};
use crate::output::{print_json, print_lines};
use crate::providers;

/// A clock that is further off than this makes tokens look older or younger than they are.
const TOLERABLE_SKEW: Span = Span::from_secs(60);

/// The proxy and CA settings that `effects/http.rs` honours.
const NETWORK_VARIABLES: [&str; 10] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// One thing that was looked at.
struct Check {
    name: &'static str,
    verdict: Verdict,
    /// What was found, for people.
    found: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    /// Worth knowing; nothing is broken.
    Note,
    Bad,
}

impl Check {
    fn of(name: &'static str, result: Result<String, String>) -> Self {
        match result {
            Ok(found) => Self { name, verdict: Verdict::Good, found },
            Err(found) => Self { name, verdict: Verdict::Bad, found },
        }
    }

    fn line(&self) -> String {
        let mark = match self.verdict {
            Verdict::Good => '✔',
            Verdict::Note => ' ',
            Verdict::Bad => '✘',
        };
        format!("{mark} {:<12} {}", self.name, self.found)
    }

    fn note(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Note, found: found.into() }
    }
}

/// Runs the command. Succeeds if nothing is broken; not being signed in counts as broken.
pub(crate) async fn run(context: &mut Context, key: &ConnectionKey) -> Result<ExitCode, Failure> {
    let profile = providers::load(context, key.provider())?;
    let credential = context.credential(key);
    let mut checks = vec![
        Check::note("version", version()),
        login_check(context, key, &profile, &credential),
        client_check(context, &profile),
        Check::of("store", prove_store(context, key)),
        Check::of("lock", prove_lock(context).await),
    ];
    if profile.grants.contains(&Grant::AuthorizationCode) {
        checks.push(port_check(&profile));
    }
    checks.push(network_settings());
    checks.push(prove_server(&profile).await);
    if let Ok(Some(credential)) = &credential {
        checks.extend(prove_token(&profile, credential).await);
    }
    checks.push(duplicates_on_path());

    let credential = credential.ok().flatten();
    let status =
        Status { key, profile: &profile, credential: credential.as_ref(), now: clock::now() };
    let healthy = checks.iter().all(|check| check.verdict != Verdict::Bad);
    if context.json {
        let checks: Vec<Value> = checks.iter().map(to_json).collect();
        print_json(&json!({
            "schemaVersion": 1,
            "ok": healthy,
            "status": status.to_json(),
            "checks": checks,
        }));
    } else {
        let mut lines = status.lines(context);
        lines.push(String::new());
        lines.extend(checks.iter().map(Check::line));
        print_lines(&lines);
        if let Some(hint) = status.hint(context) {
            context.terminal.line(&hint);
        }
    }
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::from(Exit::Failed as u8) })
}

fn to_json(check: &Check) -> Value {
    let verdict = match check.verdict {
        Verdict::Good => "good",
        Verdict::Note => "note",
        Verdict::Bad => "bad",
    };
    json!({ "name": check.name, "verdict": verdict, "found": check.found })
}

fn version() -> String {
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("twg {} ({build}, {arch}-{os})", env!("CARGO_PKG_VERSION"))
}

fn login_check(
    context: &Context,
    key: &ConnectionKey,
    profile: &ProviderProfile,
    credential: &Result<Option<StoredCredential>, Failure>,
) -> Check {
    let result = match credential {
        Err(failure) => Err(failure.message.clone()),
        Ok(None) => Err("not signed in".to_owned()),
        Ok(Some(credential)) => {
            let credential = Some(credential);
            let status = Status { key, profile, credential, now: clock::now() };
            let place = context.config.display(&context.config.record_path(key));
            let found = format!("the stored connection is used ({place})");
            if status.works() {
                Ok(found)
            } else {
                Err(format!("{found}; its token does not work"))
            }
        }
    };
    Check::of("login", result)
}

fn client_check(context: &Context, profile: &ProviderProfile) -> Check {
    match clients::find(context, profile, None) {
        Ok(Some(known)) => {
            Check::of("client", Ok(format!("{} from: {}", known.client, known.source)))
        }
        Ok(None) => Check::note("client", "no client id is known yet; `twg login` asks for it"),
        Err(failure) => Check::of("client", Err(failure.message)),
    }
}

fn prove_store(context: &Context, key: &ConnectionKey) -> Result<String, String> {
    let path = context.config.record_path(key);
    let dir = context.config.display(context.config.path());
    context
        .store
        .preflight(&path)
        .map(|()| {
            format!("a 64 KiB record was written, made durable, renamed and removed in {dir}")
        })
        .map_err(|error| error.to_string())
}

/// A second descriptor must not get the lock while the first one holds it. It is tried on a lock of its
/// own, so that a busy connection does not make the doctor wait.
async fn prove_lock(context: &Context) -> Result<String, String> {
    let path: PathBuf = context.config.path().join("doctor.lock");
    let words = |error: LockError| twg_core::error::Error::Lock(error).to_string();
    let now = clock::now();
    let held = lock::acquire(&context.store, &path, "twg doctor", now.plus(Span::from_secs(5)));
    let held = held.await.map_err(words)?;
    let second = lock::acquire(&context.store, &path, "twg doctor", now).await;
    drop(held);
    match second {
        Err(LockError::TimedOut { .. }) => Ok("a second holder was kept out".to_owned()),
        Err(error) => Err(words(error)),
        Ok(_) => {
            Err("a second holder got the lock too: this file system's locks do not work, so two \
                      processes could spend the same refresh token"
                .to_owned())
        }
    }
}

fn port_check(profile: &ProviderProfile) -> Check {
    let target =
        RedirectTarget { port: profile.redirect.port, path: profile.redirect.path.clone() };
    match RedirectListener::bind(&target) {
        Ok(listener) => {
            Check::of("redirect", Ok(format!("can listen at {}", listener.redirect_uri())))
        }
        Err(UserAgentError::PortBusy(port)) => Check::of(
            "redirect",
            Err(format!("port {port} is used by another program; `twg login --device` needs none")),
        ),
        Err(error) => {
            Check::of("redirect", Err(twg_core::error::Error::UserAgent(error).to_string()))
        }
    }
}

/// Names only: a proxy's address may hold a password.
fn network_settings() -> Check {
    let set: Vec<_> = NETWORK_VARIABLES
        .into_iter()
        .filter(|name| env(name).is_some_and(|value| !value.is_empty()))
        .collect();
    if set.is_empty() {
        return Check::note("network", "no proxy; certificates of the operating system");
    }
    match env("SSL_CERT_FILE").map(PathBuf::from).filter(|path| !path.as_os_str().is_empty()) {
        Some(path) if !path.is_file() => {
            Check::of("network", Err("SSL_CERT_FILE names no file".to_owned()))
        }
        _ => Check::note("network", format!("in use: {}", set.join(", "))),
    }
}

/// Asks the server for its metadata, with no credentials, for the sake of its clock.
async fn prove_server(profile: &ProviderProfile) -> Check {
    let endpoint = profile.issuer.as_ref().or(profile.endpoints.token.as_ref());
    let Some(endpoint) = endpoint else {
        return Check::note("server", "no address is known");
    };
    let host = endpoint.host();
    let url = match profile.issuer {
        Some(_) => {
            format!("{}/.well-known/openid-configuration", endpoint.as_str().trim_end_matches('/'))
        }
        None => endpoint.as_str().to_owned(),
    };
    let request = HttpRequest::new(Method::Get, url, Vec::new(), Secret::default());
    let before = clock::now();
    let response = match HttpClient::new().send(request).await {
        Ok(response) => response,
        Err(error) => {
            return Check::of("server", Err(format!("{host}: {}", error.failure())));
        }
    };
    let after = clock::now();
    let date = response.header("date").and_then(|date| httpdate::parse_http_date(date).ok());
    let Some(date) = date.and_then(|date| date.duration_since(UNIX_EPOCH).ok()) else {
        return Check::of("server", Ok(format!("{host} answers (HTTP {})", response.status)));
    };
    let server = UnixTime::from_millis(u64::try_from(date.as_millis()).unwrap_or(u64::MAX));
    let skew = server.since(after).max(before.since(server.plus(Span::from_secs(1))));
    let found = format!("{host} answers; this clock is {skew} off");
    if skew <= TOLERABLE_SKEW {
        Check::of("server", Ok(found))
    } else {
        Check::of("server", Err(format!("{found}: set the clock")))
    }
}

/// Uses the token once. A lifetime is a promise that the server need not keep.
async fn prove_token(profile: &ProviderProfile, credential: &StoredCredential) -> Option<Check> {
    let url = credential.server.userinfo_endpoint.as_ref()?;
    let token = credential.tokens.as_ref()?.access_token.clone();
    let audience = TokenAudience::new(profile, Some(url));
    let request = match audience.get(url, &token) {
        Ok(request) => request,
        Err(error) => return Some(Check::of("token", Err(error.to_string()))),
    };
    let name = &profile.display_name;
    Some(match HttpClient::new().send(request).await {
        Ok(response) if response.status == 200 => {
            Check::of("token", Ok(format!("{name} accepts it")))
        }
        Ok(response) if response.status == 401 => {
            Check::of("token", Err(format!("{name} no longer accepts it: run `twg login --force`")))
        }
        Ok(response) => Check::note("token", format!("{name} answers HTTP {}", response.status)),
        Err(error) => Check::note("token", format!("not tried: {}", error.failure())),
    })
}

fn duplicates_on_path() -> Check {
    let name = if cfg!(windows) { "twg.exe" } else { "twg" };
    let path = env("PATH").unwrap_or_default();
    let mut found: Vec<PathBuf> = std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .filter(|file| file.is_file())
        .collect();
    found.dedup();
    let mut real: Vec<PathBuf> = found.iter().filter_map(|file| file.canonicalize().ok()).collect();
    real.sort();
    real.dedup();
    let list = || found.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", ");
    match real.len() {
        0 => Check::note("path", "twg is not on PATH"),
        1 => Check::of("path", Ok(format!("one twg: {}", twg_core::text::displayable(&list())))),
        _ => Check::note(
            "path",
            format!(
                "twg is on PATH several times, the first wins: {}",
                twg_core::text::displayable(&list())
            ),
        ),
    }
}
