//! Provider profiles: the peculiarities of an authorization server, as data.
//!
//! The format is documented member by member on [`ProviderProfile`]; the bundled profiles in
//! `providers/` are examples of it. A person's own file replaces a bundled profile as a whole.

mod reading;

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::endpoint_url::EndpointUrl;
use crate::json;
use crate::scope::{ScopeSeparator, is_scope_token};
use crate::text::{displayable, is_plain_name, printable};
use crate::time::Span;

/// The longest lifetime of a token that is believed, from any server or profile.
pub(crate) const LONGEST_TOKEN_LIFETIME: Span = Span::from_days(365);

/// The profiles that come with every shell: name and JSON text.
pub const BUNDLED: [(&str, &str); 2] = [
    ("atlassian", include_str!("providers/atlassian.json")),
    ("bitbucket", include_str!("providers/bitbucket.json")),
];

/// One authorization server and what its clients need to know about it.
///
/// Unknown members are an error, because a misspelt one would silently change how a sign-in works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProviderProfile {
    /// Always 1.
    pub schema_version: u32,
    /// The name used on the command line and in file names.
    pub name: String,
    /// The name shown to people.
    pub display_name: String,
    /// The issuer identifier. With it, endpoints that are not given are discovered (RFC 8414,
    /// OpenID Connect Discovery); without it, `endpoints` must name all that the grants need.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<EndpointUrl>,
    /// Endpoints that are given instead of discovered.
    pub endpoints: Endpoints,
    /// Whether the server sends the `iss` parameter of RFC 9207; discovered metadata wins.
    pub iss_parameter: IssParameter,
    /// The grants that clients of this server may use, best first.
    pub grants: Vec<Grant>,
    /// How the client identifies itself.
    pub client: ClientProfile,
    /// How token requests are encoded.
    pub token_request_format: TokenRequestFormat,
    /// `audience` parameter of authorization and device authorization requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Further parameters of the authorization request, such as `prompt`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub authorize_parameters: BTreeMap<String, String>,
    /// Whether token requests repeat `redirect_uri`, as OAuth 2.0 wanted and OAuth 2.1 does not.
    pub token_request_has_redirect_uri: bool,
    /// The scopes asked for when the user names none.
    pub scopes: Vec<String>,
    /// The separator of scopes in requests and responses: a space (the standard) or a comma.
    pub scope_separator: ScopeSeparator,
    /// Where redirects arrive.
    pub redirect: RedirectProfile,
    /// How long after its rotation the server still accepts the old refresh token, in seconds.
    /// 0 if it does not, or if that is unknown.
    pub reuse_leeway_seconds: u64,
    /// How long a connection lives. Only for warnings: the server decides.
    pub login_lifetime: LoginLifetime,
    /// The lifetime to assume for an access token when the server does not say, in seconds.
    pub assumed_token_lifetime_seconds: u64,
    /// Whether revoking one token may end every connection of this account with this client. If so, a
    /// replaced connection is not revoked.
    pub revocation_ends_grant: bool,
    /// Where the account's name comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityProfile>,
    /// Where the list of Atlassian sites comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sites: Option<EndpointUrl>,
    /// The URL of a site, with `{site}` for its name: where API tokens without scopes work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site_address: Option<String>,
    /// The hosts (`host` or `host:port`) that access tokens may be sent to, beside those of
    /// `identity` and `sites`.
    pub api_hosts: Vec<String>,
}

/// The endpoints of an authorization server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Endpoints {
    /// RFC 6749 section 3.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization: Option<EndpointUrl>,
    /// RFC 6749 section 3.2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<EndpointUrl>,
    /// RFC 8628 section 3.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_authorization: Option<EndpointUrl>,
    /// RFC 7009 section 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation: Option<EndpointUrl>,
}

/// The `iss` parameter of the authorization response. RFC 9207.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IssParameter {
    /// The server always sends it: a response without it is rejected.
    Required,
    /// The server may send it; if it does, it must be exactly the issuer.
    Optional,
    /// The server does not send it: a response with it is not from this server.
    #[default]
    Unsupported,
}

/// How a user grants access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// RFC 8628: a code that the user enters in any browser.
    DeviceCode,
    /// RFC 6749 section 4.1 with PKCE: a browser on this machine.
    AuthorizationCode,
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DeviceCode => "device code",
            Self::AuthorizationCode => "browser on this machine (loopback redirect)",
        })
    }
}

/// How the client identifies itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClientProfile {
    /// RFC 6749 section 2.3. A client without a secret is always treated as public.
    pub authentication: ClientAuthentication,
    /// Whether the user is asked for a secret.
    pub secret: SecretNeed,
    /// A client ID for all users. Atlassian's are per developer, so the bundled profiles have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Where a person registers a client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console: Option<EndpointUrl>,
}

/// How a client with a secret presents it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// In the request body.
    #[default]
    ClientSecretPost,
    /// In the `Authorization` header.
    ClientSecretBasic,
}

/// Whether clients of this server have a secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretNeed {
    /// All have one.
    Required,
    /// Some have one.
    Optional,
    /// None has one.
    #[default]
    None,
}

/// How token requests are encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenRequestFormat {
    /// `application/x-www-form-urlencoded`, the standard.
    #[default]
    Form,
    /// `application/json`.
    Json,
}

/// Where redirects arrive: `http://127.0.0.1:{port}{path}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RedirectProfile {
    /// The registered port. Without one, any free port is used. RFC 8252 section 7.3 requires servers to allow that,
    /// and many do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The registered path.
    pub path: String,
}

impl Default for RedirectProfile {
    fn default() -> Self {
        Self { port: None, path: "/auth/callback/oauth".to_owned() }
    }
}

/// How long a connection lives, as far as is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LoginLifetime {
    /// It ends after this long without a refresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_seconds: Option<u64>,
    /// It ends this long after the sign-in, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absolute_seconds: Option<u64>,
}

/// Where the account's name comes from, and in which members of the JSON response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IdentityProfile {
    /// A `GET` with the access token. Without one, the discovered OpenID `userinfo_endpoint`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<EndpointUrl>,
    /// The member with the account ID.
    pub id: String,
    /// The member with the name.
    pub name: String,
    /// The member with the e-mail address.
    pub email: String,
    /// The member with the account's status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

impl Default for IdentityProfile {
    /// OpenID Connect's members.
    fn default() -> Self {
        Self {
            url: None,
            id: "sub".to_owned(),
            name: "name".to_owned(),
            email: "email".to_owned(),
            status: None,
        }
    }
}

/// What is wrong with a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadProfile(String);

impl fmt::Display for BadProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for BadProfile {}

/// Parameters of the authorization request that belong to the protocol, not to a profile.
const RESERVED_PARAMETERS: [&str; 9] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
    "audience",
    "response_mode",
];

impl ProviderProfile {
    /// Reads a profile.
    ///
    /// # Errors
    /// [`BadProfile`] names the member, or the line and column, and what is wrong there.
    pub fn parse(json: &str) -> Result<Self, BadProfile> {
        json::value(json).map_err(|bad| BadProfile(bad.to_string())).and_then(Self::read)
    }

    /// Reads a profile that was parsed already.
    ///
    /// # Errors
    /// As [`ProviderProfile::parse`].
    pub fn read(json: Value) -> Result<Self, BadProfile> {
        let profile: Self = json::read(json).map_err(|bad| BadProfile(bad.to_string()))?;
        profile.check()?;
        Ok(profile)
    }

    /// The profile as JSON, indented for people.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// The lifetime of an access token if the server gives none.
    #[must_use]
    pub const fn assumed_token_lifetime(&self) -> Span {
        Span::from_secs(self.assumed_token_lifetime_seconds)
    }

    pub(crate) fn check(&self) -> Result<(), BadProfile> {
        let bad = |member: &str, what: &str| Err(BadProfile(format!("{member}: {what}")));
        if self.schema_version != 1 {
            return bad("schema_version", "this twg reads version 1 only");
        }
        if !is_plain_name(&self.name) {
            return bad("name", "use 1 to 64 of a-z, 0-9, '-', '_' and '.'");
        }
        if self.display_name.is_empty() || displayable(&self.display_name) != self.display_name {
            return bad("display_name", "must be a name that can be shown on a terminal");
        }
        if self.redirect.port == Some(0) {
            return bad("redirect.port", "leave it out to use any free port");
        }
        if self.assumed_token_lifetime() > LONGEST_TOKEN_LIFETIME {
            return bad("assumed_token_lifetime_seconds", "use at most 31536000 (a year)");
        }
        let query = self.endpoints.authorization.as_ref().and_then(EndpointUrl::url);
        let query = query.as_ref().map(url::Url::query_pairs).into_iter().flatten();
        if let Some((name, _)) =
            query.into_iter().find(|(n, _)| RESERVED_PARAMETERS.contains(&&**n))
        {
            return bad("endpoints.authorization", &format!("twg itself sets '{name}'"));
        }
        if self.grants.is_empty() {
            return bad("grants", "name at least one of \"device_code\", \"authorization_code\"");
        }
        if self.issuer.is_none() {
            for (member, missing) in self.missing_endpoints() {
                if missing {
                    return bad(member, "missing, and there is no issuer to discover it from");
                }
            }
        }
        if self.iss_parameter != IssParameter::Unsupported && self.issuer.is_none() {
            return bad("iss_parameter", "needs an issuer to compare with");
        }
        if let Some(name) =
            self.authorize_parameters.keys().find(|k| RESERVED_PARAMETERS.contains(&k.as_str()))
        {
            return bad("authorize_parameters", &format!("twg itself sets '{name}'"));
        }
        if let Some(scope) = self.scopes.iter().find(|scope| !is_scope_token(scope)) {
            return bad("scopes", &format!("'{}' is not a scope", printable(scope)));
        }
        if !self.redirect.path.starts_with('/')
            || !self
                .redirect
                .path
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"/-._~".contains(&b))
        {
            return bad(
                "redirect.path",
                "must begin with '/' and use letters, digits and -._~/ only",
            );
        }
        if let Some(host) = self.api_hosts.iter().find(|host| !is_host(host)) {
            return bad("api_hosts", &format!("'{}' is not a host", printable(host)));
        }
        if let Some(address) = &self.site_address
            && (address.matches("{site}").count() != 1
                || EndpointUrl::parse(&address.replace("{site}", "site")).is_err())
        {
            return bad("site_address", "must be an https URL with one {site} in it");
        }
        Ok(())
    }

    fn missing_endpoints(&self) -> [(&'static str, bool); 3] {
        let code = self.grants.contains(&Grant::AuthorizationCode);
        let device = self.grants.contains(&Grant::DeviceCode);
        [
            ("endpoints.token", self.endpoints.token.is_none()),
            ("endpoints.authorization", code && self.endpoints.authorization.is_none()),
            (
                "endpoints.device_authorization",
                device && self.endpoints.device_authorization.is_none(),
            ),
        ]
    }

    /// Whether an endpoint that the grants need must be discovered.
    pub(crate) fn needs_discovery(&self) -> bool {
        self.issuer.is_some() && self.missing_endpoints().iter().any(|(_, missing)| *missing)
    }
}

/// A lower-case ASCII host, with a port or without.
fn is_host(text: &str) -> bool {
    EndpointUrl::parse(&format!("https://{text}/"))
        .is_ok_and(|url| url.host() == text && !text.contains('/'))
}
