//! Releases of this program: where they are announced, and how they are verified.
//!
//! A release is `manifest.json`, its detached minisign signature `manifest.json.minisig`, and one
//! archive for each system. The newest manifest is at the release URL. Each release is below it, in
//! a directory named after its version. Only signed content is trusted: the server and the
//! redirects decide nothing.

mod archive;
mod manifest;
mod version;

use minisign_verify::{PublicKey, Signature};
use sha2::{Digest as _, Sha256};
use twg_core::http::{HttpRequest, HttpResponse, Method, TransportError};
use twg_core::secret::Secret;
use twg_core::text::inert;
use twg_core::time::Span;
use url::Url;

use crate::context::Context;
use crate::driver::send_watched;
use crate::effects::http::is_loopback;
use crate::effects::terminal::Terminal;
use crate::environment;
use crate::environment::{RELEASE_KEY, RELEASE_URL};
use crate::failure::{Cause, Failure, ReleaseTrouble};
use crate::installation::Managed;

pub(crate) use archive::{PROGRAM, Unpacked};
pub(crate) use manifest::{Archive, Manifest};
pub(crate) use version::Version;

/// Limits for what is read before it is verified.
const MAX_MANIFEST_BYTES: u32 = 64 * 1024;
const MAX_SIGNATURE_BYTES: u32 = 4 * 1024;

/// The time limit for an archive.
const DOWNLOAD_TIMEOUT: Span = Span::from_secs(300);

/// Hosts of releases redirect to their file servers.
const MAX_REDIRECTS: usize = 5;

/// The newest released version, if it is newer than this one. `None` too if this build has no
/// release URL.
pub(crate) async fn newer(context: &mut Context) -> Result<Option<String>, Failure> {
    let Some(channel) = Channel::of_this_build()? else { return Ok(None) };
    let manifest = channel.manifest(context, None).await?;
    if manifest.archive.is_none() {
        // There is no archive for this system.
        return Ok(None);
    }
    Managed::of_user(&environment::env)?.note_seen(context, manifest.version).await?;
    Ok((manifest.version > Version::this()).then(|| manifest.version.to_string()))
}

/// The release URL, and the key that signs releases.
pub(crate) struct Channel {
    /// Ends with a slash.
    url: Url,
    key: PublicKey,
}

impl Channel {
    /// The channel of this build. `None` if it was built without one.
    pub(crate) fn of_this_build() -> Result<Option<Self>, Failure> {
        let (mut url, mut key) = (
            option_env!("TWG_RELEASE_URL").map(str::to_owned),
            option_env!("TWG_RELEASE_KEY").map(str::to_owned),
        );
        // For tests, which have their own keys. In a release build, the environment cannot change
        // the trusted key.
        if cfg!(debug_assertions) {
            url = environment::text(RELEASE_URL).or(url);
            key = environment::text(RELEASE_KEY).or(key);
        }
        let (Some(mut url), Some(key)) = (url, key) else { return Ok(None) };
        if !url.ends_with('/') {
            url.push('/');
        }
        let wrong =
            |what: &str| Failure::configuration(format!("This build has an unusable {what}"));
        let url = Url::parse(&url).ok().filter(is_allowed).ok_or_else(|| wrong(RELEASE_URL))?;
        let key = PublicKey::from_base64(key.trim()).map_err(|_| wrong(RELEASE_KEY))?;
        Ok(Some(Self { url, key }))
    }

    /// The verified manifest of this version, or of the newest.
    pub(crate) async fn manifest(
        &self,
        context: &mut Context,
        version: Option<Version>,
    ) -> Result<Manifest, Failure> {
        let dir = version.map(|version| format!("{version}/")).unwrap_or_default();
        let bytes = self.get(context, &format!("{dir}manifest.json"), MAX_MANIFEST_BYTES).await?;
        let bytes = bytes.ok_or_else(|| {
            let what = version.map_or("No release is announced".to_owned(), |version| {
                format!("There is no release {version}")
            });
            failed(ReleaseTrouble::NoSuchRelease, what)
        })?;
        let signature =
            self.get(context, &format!("{dir}manifest.json.minisig"), MAX_SIGNATURE_BYTES).await?;
        let text = self.verified(&bytes, signature.as_deref()).map_err(|why| {
            failed(
                ReleaseTrouble::NotSigned,
                format!("The announced release cannot be trusted: {why}"),
            )
        })?;
        let manifest = Manifest::parse(text, &target()).map_err(|bad| {
            failed(
                ReleaseTrouble::Unreadable,
                format!("The announced release cannot be used: {bad}"),
            )
        })?;
        if version.is_some_and(|version| version != manifest.version) {
            let message = format!("The release is {}, not the requested version", manifest.version);
            return Err(failed(ReleaseTrouble::Unreadable, message));
        }
        Ok(manifest)
    }

    fn verified<'a>(
        &self,
        bytes: &'a [u8],
        signature: Option<&[u8]>,
    ) -> Result<&'a str, &'static str> {
        let signature = signature.ok_or("it is not signed")?;
        let signature =
            std::str::from_utf8(signature).ok().and_then(|text| Signature::decode(text).ok());
        let signature = signature.ok_or("its signature cannot be read")?;
        #[expect(clippy::wildcard_enum_match_arm, reason = "the variants are another crate's")]
        self.key.verify(bytes, &signature, false).map_err(|error| match error {
            minisign_verify::Error::UnexpectedKeyId => "it is signed with another key",
            minisign_verify::Error::UnexpectedAlgorithm => "its signature has the old algorithm",
            _ => "its signature is invalid",
        })?;
        std::str::from_utf8(bytes).map_err(|_| "it is not text")
    }

    /// The files of a release for this system, verified.
    pub(crate) async fn files(
        &self,
        context: &mut Context,
        manifest: &Manifest,
    ) -> Result<Vec<Unpacked>, Failure> {
        let Some(Archive { file, size, sha256 }) = &manifest.archive else {
            let message = format!("Release {} has no archive for {}", manifest.version, target());
            return Err(failed(ReleaseTrouble::NotForThisSystem, message));
        };
        let path = format!("{}/{file}", manifest.version);
        let damaged = |what: &str| {
            failed(ReleaseTrouble::Damaged, format!("{file} differs from the announcement: {what}"))
        };
        let shown = !context.person.quiet;
        let watch = |terminal: &mut Terminal, bytes: usize| {
            if shown {
                terminal.progress("Downloading", bytes, *size as usize);
            }
        };
        let bytes = match self.download(context, &path, *size, DOWNLOAD_TIMEOUT, watch).await {
            Ok(bytes) => bytes.ok_or_else(|| damaged("it does not exist"))?,
            Err(failure) if failure.cause == Cause::Release(ReleaseTrouble::TooLarge) => {
                return Err(damaged("it is larger"));
            }
            Err(failure) => return Err(failure),
        };
        if bytes.len() != *size as usize {
            return Err(damaged("it is smaller"));
        }
        if Sha256::digest(&bytes)[..] != sha256[..] {
            return Err(damaged("its SHA-256 is different"));
        }
        archive::unpack(&bytes).map_err(|why| {
            failed(ReleaseTrouble::ArchiveRefused, format!("{file} is refused: {why}"))
        })
    }

    async fn get(
        &self,
        context: &mut Context,
        path: &str,
        limit: u32,
    ) -> Result<Option<Vec<u8>>, Failure> {
        self.download(context, path, limit, twg_core::http::REQUEST_TIMEOUT, |_, _| {}).await
    }

    /// Downloads a file below the release URL. `None` if it does not exist. The request does not
    /// identify the user.
    async fn download(
        &self,
        context: &mut Context,
        path: &str,
        limit: u32,
        timeout: Span,
        mut watch: impl FnMut(&mut Terminal, usize),
    ) -> Result<Option<Vec<u8>>, Failure> {
        let cannot = |why: &str| format!("Could not get {path} from {}: {why}", host(&self.url));
        let mut url =
            self.url.join(path).map_err(|_| Failure::internal(cannot("the URL is invalid")))?;
        for _ in 0..=MAX_REDIRECTS {
            let empty = Secret::new(String::new());
            let mut request =
                HttpRequest::new(Method::Get, url.as_str().to_owned(), Vec::new(), empty);
            (request.max_response_bytes, request.timeout) = (limit, timeout);
            let mut response = send_watched(context, request, &mut watch)
                .await?
                .map_err(|error| offline(&error, &cannot))?;
            match response.status {
                200 => return Ok(Some(std::mem::take(&mut response.body))),
                404 | 410 => return Ok(None),
                301 | 302 | 303 | 307 | 308 => {
                    let next = redirected(&url, &response);
                    url = next.ok_or_else(|| {
                        failed(
                            ReleaseTrouble::BadRedirect,
                            cannot("it redirects to a URL that is not https"),
                        )
                    })?;
                }
                status @ (408 | 429 | 500..) => {
                    return Err(later(cannot(&format!("the server responded with HTTP {status}"))));
                }
                status => {
                    return Err(failed(
                        ReleaseTrouble::BadRedirect,
                        cannot(&format!("the server responded with HTTP {status}")),
                    ));
                }
            }
        }
        Err(failed(ReleaseTrouble::BadRedirect, cannot("it redirects too often")))
    }
}

fn offline(error: &TransportError, cannot: &impl Fn(&str) -> String) -> Failure {
    let failure = error.failure();
    if *failure == twg_core::http::TransportFailure::TooLarge {
        return failed(ReleaseTrouble::TooLarge, cannot(&failure.to_string()));
    }
    later(cannot(&failure.to_string()))
}

fn later(message: String) -> Failure {
    Failure::new(Cause::Release(ReleaseTrouble::Offline), message)
        .keeping(UNCHANGED)
        .or_hint("Check the network and try the same command again; `twg doctor` shows proxy and CA settings.")
}

fn failed(trouble: ReleaseTrouble, message: impl Into<String>) -> Failure {
    Failure::new(Cause::Release(trouble), message).keeping(UNCHANGED)
}

/// What is kept after every refusal.
pub(crate) const UNCHANGED: &str = "Nothing was changed.";

fn redirected(from: &Url, response: &HttpResponse) -> Option<Url> {
    from.join(response.header("location")?).ok().filter(is_allowed)
}

/// `https`; in debug builds also `http` within this machine.
fn is_allowed(url: &Url) -> bool {
    url.scheme() == "https"
        || (cfg!(debug_assertions) && url.scheme() == "http" && is_loopback(url))
}

fn host(url: &Url) -> String {
    inert(url.host_str().unwrap_or_default())
}

/// The name of this system in releases: the target of this build.
fn target() -> String {
    let system = if cfg!(windows) {
        "pc-windows-msvc"
    } else if cfg!(target_os = "macos") {
        "apple-darwin"
    } else if cfg!(target_env = "musl") {
        "unknown-linux-musl"
    } else {
        "unknown-linux-gnu"
    };
    format!("{}-{system}", std::env::consts::ARCH)
}
