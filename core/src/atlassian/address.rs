//! The URLs of Jira and Confluence: on the API host, and on a site.

use alloc::format;
use alloc::string::String;

use crate::endpoint_url::EndpointUrl;
use crate::error::Error;
use crate::provider::ProviderProfile;
use crate::resource::TokenAudience;
use crate::text::printable;

/// Paths of the API host itself, beside those of a site's products.
const PATHS_OF_THE_HOST: [&str; 4] =
    ["/ex/", "/me", "/oauth/token/accessible-resources", "/graphql"];

/// An Atlassian product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Jira
    Jira,
    /// Confluence
    Confluence,
}

impl Product {
    /// The product that a path belongs to: Confluence's begin with `/wiki/`.
    #[must_use]
    pub fn of_path(path: &str) -> Self {
        if path.starts_with("/wiki/") || path.starts_with("wiki/") {
            Self::Confluence
        } else {
            Self::Jira
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Jira => "jira",
            Self::Confluence => "confluence",
        }
    }
}

/// Whether this names a resource of a site, so that the site must be known.
#[must_use]
pub fn needs_site(path: &str) -> bool {
    let path = path.trim_start_matches('/');
    !is_address(path) && !PATHS_OF_THE_HOST.iter().any(|own| is_below(path, own))
}

fn is_address(text: &str) -> bool {
    text.starts_with("https:") || text.starts_with("http:")
}

/// Whether `path`, which has no `/` in front, is `own` or below it.
fn is_below(path: &str, own: &str) -> bool {
    let own = own.trim_matches('/');
    path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
}

/// The URL of a resource.
///
/// `https://...` must be on one of the provider's hosts. Anything else is a path. Most are of a site's product:
/// `/rest/api/3/myself` becomes `https://api.atlassian.com/ex/jira/CLOUD-ID/rest/api/3/myself`. A few are of the
/// API host itself ([`needs_site`]).
///
/// # Errors
/// [`Error::Configuration`] if that is not a URL, or leads elsewhere.
pub fn api_url(
    profile: &ProviderProfile,
    product: Product,
    cloud_id: Option<&str>,
    path: &str,
) -> Result<EndpointUrl, Error> {
    let refused = |why: String| refused(path, &why);
    if is_address(path) {
        let url = EndpointUrl::parse(path).map_err(|bad| refused(format!("{bad}")))?;
        let is_theirs = TokenAudience::new(profile, None).includes(path);
        return if is_theirs {
            Ok(url)
        } else {
            Err(refused(format!("{} is not one of the provider's hosts", url.host())))
        };
    }
    let sites = profile.sites.as_ref().and_then(EndpointUrl::url);
    let Some(origin) = sites.map(|url| url.origin().ascii_serialization()) else {
        let name = &profile.display_name;
        return Err(refused(format!("for {name}, give a full URL, https://...")));
    };
    let relative = path.strip_prefix('/').unwrap_or(path);
    if relative.starts_with('/') {
        return Err(refused("it begins with two slashes".into()));
    }
    if relative.split('?').next().is_some_and(|path| path.contains("://")) {
        return Err(refused("it is neither a path nor an https URL".into()));
    }
    let base = match (needs_site(path), cloud_id) {
        (false, _) => format!("{origin}/"),
        (true, Some(id)) if is_cloud_id(id) => format!("{origin}/ex/{}/{id}/", product.as_str()),
        (true, Some(id)) => return Err(refused(format!("'{}' is not a cloud ID", printable(id)))),
        (true, None) => return Err(refused("no site is chosen".into())),
    };
    below(&base, relative).map_err(refused)
}

/// The URL of a resource of a site, for an API token without scopes: those work at the site's own URL.
///
/// # Errors
/// [`Error::Configuration`] if that is not a URL, or not one of the site.
pub fn site_url(site: &EndpointUrl, path: &str) -> Result<EndpointUrl, Error> {
    let base = format!("{}/", site.as_str().trim_end_matches('/'));
    let relative = path.strip_prefix(&base).or_else(|| path.strip_prefix('/')).unwrap_or(path);
    let before_query = relative.split('?').next().unwrap_or_default();
    let url = if is_address(relative) || relative.starts_with('/') || before_query.contains("://") {
        Err(format!("it is neither a path nor a URL of {}", site.host()))
    } else {
        below(&base, relative)
    };
    url.map_err(|why| refused(path, &why))
}

fn refused(path: &str, why: &str) -> Error {
    Error::Configuration(format!("twg sends no token to {}: {why}", printable(path)))
}

/// The URL `base` + `relative`, if it stays below `base`.
fn below(base: &str, relative: &str) -> Result<EndpointUrl, String> {
    let url = EndpointUrl::parse(&format!("{base}{relative}")).map_err(|bad| format!("{bad}"))?;
    // The parser resolves `..` and `%2e%2e`; servers differ about the rest.
    let stays = url
        .url()
        .is_some_and(|parsed| parsed.as_str().starts_with(base) && !may_climb(parsed.path()));
    if stays { Ok(url) } else { Err("its '..' leads elsewhere".into()) }
}

/// Whether a server may read a part of this path as `..`: `..%2f`, `%252e%252e`, `..;`.
fn may_climb(path: &str) -> bool {
    let mut plain = path.to_ascii_lowercase();
    // Each round makes it shorter.
    while plain.contains("%25") {
        plain = plain.replace("%25", "%");
    }
    for (encoded, character) in [("%2e", "."), ("%2f", "/"), ("%5c", "/"), ("%3b", ";")] {
        plain = plain.replace(encoded, character);
    }
    plain.split('/').any(|segment| segment.split(';').next() == Some(".."))
}

fn is_cloud_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}
