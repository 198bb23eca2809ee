//! The URLs that the core sends requests or users to.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use core::fmt;

use serde::Serialize;
use serde_json::Value;
use url::{Host, Url};

use crate::json::{FromJson, Mistakes};

/// An absolute URL that may receive requests: `https`, or `http` on a loopback address only.
///
/// No user name, no password, no fragment, no control characters, no non-ASCII host. OAuth 2.1
/// section 1.5: "OAuth URLs MUST use the https scheme except for loopback interface redirect URIs, which MAY use
/// the http scheme"; a server on loopback is the local sandbox, or a developer's own.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct EndpointUrl(String);

impl fmt::Debug for EndpointUrl {
    /// Without its query, which may hold a key: that of a presigned URL does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EndpointUrl").field(&self.without_query()).finish()
    }
}

impl EndpointUrl {
    /// Checks a URL.
    ///
    /// # Errors
    /// [`BadUrl`], which says what is wrong in words that fit behind the URL.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        if let Some(c) =
            text.chars().find(|c| !matches!(c, '!'..='~') || matches!(c, '\\' | '"' | '<' | '>'))
        {
            return Err(BadUrl(format!("it contains the character {:?}", c)));
        }
        if let Some(c) = disguise(text) {
            return Err(BadUrl(format!("its host contains the character {c:?}")));
        }
        let url =
            Url::parse(text).map_err(|e| BadUrl(format!("it is not an absolute URL ({e})")))?;
        // The parser forgives `https:///host` and `https:host`, which no honest URL has.
        let Some(host) = url.host().filter(|_| !authority(text).is_empty()) else {
            return Err(BadUrl("it has no host".to_owned()));
        };
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&host) => {}
            "http" => return Err(BadUrl("it is plain http; only https is safe".to_owned())),
            other => return Err(BadUrl(format!("the scheme '{other}' is not https"))),
        }
        if !url.username().is_empty()
            || url.password().is_some()
            || text.contains('@') && authority(text).contains('@')
        {
            return Err(BadUrl("it contains a user name or password".to_owned()));
        }
        if url.fragment().is_some() || text.contains('#') {
            return Err(BadUrl("it contains a fragment (#)".to_owned()));
        }
        if authority(text).ends_with('.') || host_text(&url).ends_with('.') {
            return Err(BadUrl("its host ends with a dot".to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// Checks a URL that the server at `self_named_by` names: only a server on loopback may name a URL on loopback.
    ///
    /// # Errors
    /// As [`EndpointUrl::parse`].
    pub fn parse_beside(self_named_by: &Self, text: &str) -> Result<Self, BadUrl> {
        let url = Self::parse(text)?;
        if url.is_loopback() && !self_named_by.is_loopback() {
            return Err(BadUrl(
                "it is on loopback, but the server that names it is not".to_owned(),
            ));
        }
        Ok(url)
    }

    /// The URL exactly as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL without its query, for people.
    #[must_use]
    pub fn without_query(&self) -> &str {
        self.0.split('?').next().unwrap_or_default()
    }

    /// The parsed URL. It was parsed before, so the fallback is never taken.
    pub(crate) fn url(&self) -> Option<Url> {
        Url::parse(&self.0).ok()
    }

    /// The host (and the port, if it is not the scheme's own), for messages and comparisons.
    #[must_use]
    pub fn host(&self) -> String {
        self.url().map(|url| host_and_port(&url)).unwrap_or_default()
    }

    /// Whether the URL is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.url().as_ref().and_then(Url::host).is_some_and(|host| is_loopback(&host))
    }
}

impl FromJson for EndpointUrl {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        Self::parse(&String::from_json(value, mistakes)).unwrap_or_else(|bad| {
            mistakes.note(bad.0);
            Self(String::new())
        })
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `host` or `host:port`, the port only if it is not the scheme's own.
pub(crate) fn host_and_port(url: &Url) -> String {
    match url.port() {
        Some(port) => format!("{}:{port}", host_text(url)),
        None => host_text(url).to_owned(),
    }
}

fn host_text(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}

/// The part between the scheme's `://` and the path; empty without a `//`.
fn authority(text: &str) -> &str {
    let rest = text.split_once(':').and_then(|(_, rest)| rest.strip_prefix("//"));
    rest.unwrap_or_default().split(['/', '?', '#']).next().unwrap_or_default()
}

/// A character that disguises the host: the parser decodes percent signs and non-ASCII letters, and skips tabs and
/// backslashes before the host.
fn disguise(text: &str) -> Option<char> {
    match authority(text) {
        "" => text
            .chars()
            .take_while(|c| !matches!(c, '?' | '#'))
            .find(|c| !c.is_ascii() || *c == '%'),
        authority => authority.chars().find(|c| !is_host_character(*c) && *c != '@'),
    }
}

/// Parses a URL from outside that gets no request. `None` if its host is disguised: in debug builds the parser panics
/// on some of those.
pub(crate) fn parse_plain(text: &str) -> Option<Url> {
    if disguise(text).is_some() { None } else { Url::parse(text).ok() }
}

/// Letters, digits, and the separators of host names and IP addresses. URLs allow more.
const fn is_host_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':' | '[' | ']')
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
        Host::Domain(name) => *name == "localhost",
    }
}

/// What is wrong with a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadUrl(String);

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The host of a URL, if it has one: for the names of sites.
pub(crate) fn host_of(url: &str) -> Option<String> {
    parse_plain(url).filter(|url| url.has_host()).map(|url| host_and_port(&url))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by fuzzing: each of these once stopped a debug build in the parser.
    #[test]
    fn disguised_hosts() {
        for text in
            ["http://M\u{37f}/", "http://M%CD%BF/", "http://\t/A\u{37f}", "http://\\/A%CD%BF"]
        {
            assert!(parse_plain(text).is_none() && EndpointUrl::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_query_is_not_for_logs() {
        let url = EndpointUrl::parse("https://media.example/file?signature=CANARY").unwrap();
        assert_eq!(format!("{url:?}"), "EndpointUrl(\"https://media.example/file\")");
        assert_eq!(url.as_str(), "https://media.example/file?signature=CANARY");
    }

    /// A13: https except on loopback; a fragment is rejected. A43: control characters and other
    /// schemes never reach a launcher.
    #[test]
    fn only_safe_addresses_pass() {
        for good in [
            "https://auth.atlassian.com/authorize",
            "https://auth.atlassian.com/authorize?a=b@c",
            "http://127.0.0.1:8080/x",
            "http://[::1]:8080/x",
            "http://localhost/x",
        ] {
            assert!(EndpointUrl::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-https://a.example/",
            "http://auth.atlassian.com/authorize",
            "http://127.0.0.1.evil.example/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "\\\\server\\share",
            "https://user@auth.atlassian.com/",
            "https://user:pw@auth.atlassian.com/",
            "https://@auth.atlassian.com/",
            "https://auth.atlassian.com/#frag",
            "https://auth.atlassian.com./",
            "https://auth.atlassian.com.:443/",
            "https://auth.atlassian.com/\r\nx",
            "https://auth.atlassian.com/\0",
            "https://auth.atlassian.com/ x",
            "https://аtlassian.com/",
            "https:///nohost",
            "https://$(id).example/",
            "//auth.atlassian.com/",
        ] {
            assert!(EndpointUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
