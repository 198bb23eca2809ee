//! What a host can ask for, on its way in.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::Value;
use twg_core::api::{self, Product as CoreProduct};
use twg_core::atlassian::Site;
use twg_core::client::{Client, Registered};
use twg_core::credential::{ConnectionKey, Host};
use twg_core::error::Error;
use twg_core::http::Method as CoreMethod;
use twg_core::login::LoginRequest as CoreLogin;
use twg_core::provider::{BUNDLED, Grant, ProviderProfile};
use twg_core::refresh::{Need as CoreNeed, RefreshRequest as CoreRefresh};
use twg_core::secret::Secret;
use twg_core::text::printable;

use super::Millis;

/// How long a user may take if the host does not say.
const LOGIN_TIMEOUT: Millis = Millis(15 * 60 * 1000);

/// What a flow is to do.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FlowRequest {
    /// See `wire.ts`, as for all of them.
    Login(LoginRequest),
    /// A login that was suspended.
    RestoredLogin {
        /// Its text.
        suspended: Secret,
    },
    /// A live token.
    Refresh(RefreshRequest),
    /// Who the token acts for.
    Identity(RegisteredClient),
    /// Which sites it reaches.
    Sites(RegisteredClient),
    /// Any request.
    Api(ApiRequest),
    /// A default site.
    UseSite(SiteChoice),
    /// The end.
    Logout(RegisteredClient),
}

/// A bundled profile's name, or a whole profile: checked when it is used, so that one that cannot be used ends the
/// flow with an error of the core's.
pub struct Profile(Value);

/// See `wire.ts`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    profile: Profile,
    client_id: String,
    client_secret: Option<Secret>,
    connection: Option<String>,
    scopes: Option<Vec<String>>,
    grants: Option<Vec<Grant>>,
    open: Option<bool>,
    timeout: Option<Millis>,
}

/// See `wire.ts`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisteredClient {
    profile: Profile,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    connection: Option<String>,
    host: Option<HostNames>,
}

/// See `wire.ts`. Its first members are those of [`RegisteredClient`], written out: what serde flattens costs a
/// tenth of the module's size.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    profile: Profile,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    connection: Option<String>,
    host: Option<HostNames>,
    need: Need,
}

/// See `wire.ts`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiRequest {
    profile: Profile,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    connection: Option<String>,
    host: Option<HostNames>,
    method: Method,
    path: String,
    product: Option<Product>,
    cloud_id: Option<String>,
    body: Option<Secret>,
}

/// See `wire.ts`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteChoice {
    provider: String,
    connection: String,
    sites: Vec<Site>,
    site: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct HostNames {
    machine: Option<String>,
    boot: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Need {
    Live,
    Now,
    Due(Millis),
    Other(Secret),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Product {
    Jira,
    Confluence,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Head,
}

impl LoginRequest {
    /// The core's request.
    ///
    /// # Errors
    /// [`Error::Configuration`] if the profile cannot be used.
    pub fn into_core(self) -> Result<CoreLogin, Error> {
        let profile = self.profile.read()?;
        Ok(CoreLogin {
            connection: name_of(self.connection),
            client: Client { id: self.client_id, secret: self.client_secret },
            scopes: self.scopes.unwrap_or_else(|| profile.scopes.clone()),
            grants: self.grants.unwrap_or_else(|| profile.grants.clone()).into(),
            open: self.open.unwrap_or(true),
            timeout: self.timeout.unwrap_or(LOGIN_TIMEOUT).into(),
            profile,
        })
    }
}

impl RegisteredClient {
    /// Which connection, and who may speak for it.
    ///
    /// # Errors
    /// [`Error::Configuration`] if the profile or the connection's name cannot be one.
    pub fn into_core(self) -> Result<(ConnectionKey, Registered, Host), Error> {
        let profile = self.profile.read()?;
        let key = key_of(&profile.name, &name_of(self.connection))?;
        let secret = self.client_secret;
        let client = self.client_id.map(|id| Client { id, secret });
        let HostNames { machine, boot } = self.host.unwrap_or_default();
        let host = Host::new(machine.as_deref(), boot.as_deref());
        Ok((key, Registered { profile, client }, host))
    }

    /// A refresh before a request with a live token, and the profile for that request.
    ///
    /// # Errors
    /// As [`RegisteredClient::into_core`].
    pub fn into_live(self) -> Result<(ProviderProfile, CoreRefresh), Error> {
        let (key, registered, host) = self.into_core()?;
        let profile = registered.profile.clone();
        Ok((profile, CoreRefresh { key, need: CoreNeed::Live, registered: Ok(registered), host }))
    }
}

impl RefreshRequest {
    /// The core's request.
    ///
    /// # Errors
    /// As [`RegisteredClient::into_core`].
    pub fn into_core(self) -> Result<CoreRefresh, Error> {
        let Self { profile, client_id, client_secret, connection, host, need } = self;
        let client = RegisteredClient { profile, client_id, client_secret, connection, host };
        let (_, mut refresh) = client.into_live()?;
        refresh.need = match need {
            Need::Live => CoreNeed::Live,
            Need::Now => CoreNeed::Now,
            Need::Due(ahead) => CoreNeed::Due(ahead.into()),
            Need::Other(rejected) => CoreNeed::Other(rejected),
        };
        Ok(refresh)
    }
}

impl ApiRequest {
    /// The core's request, and the refresh before it.
    ///
    /// # Errors
    /// [`Error::Configuration`] if it may not be sent to that place, or as [`RegisteredClient::into_core`].
    pub fn into_core(self) -> Result<(api::ApiRequest, CoreRefresh), Error> {
        let Self { profile, client_id, client_secret, connection, host, .. } = self;
        let client = RegisteredClient { profile, client_id, client_secret, connection, host };
        let (profile, refresh) = client.into_live()?;
        let product = match self.product {
            Some(Product::Jira) => CoreProduct::Jira,
            Some(Product::Confluence) => CoreProduct::Confluence,
            None => CoreProduct::of_path(&self.path),
        };
        let url = api::api_url(&profile, product, self.cloud_id.as_deref(), &self.path)?;
        let method = match self.method {
            Method::Get => CoreMethod::Get,
            Method::Post => CoreMethod::Post,
            Method::Put => CoreMethod::Put,
            Method::Patch => CoreMethod::Patch,
            Method::Delete => CoreMethod::Delete,
            Method::Head => CoreMethod::Head,
        };
        Ok((api::ApiRequest::new(profile, method, url, self.body), refresh))
    }
}

impl SiteChoice {
    /// Where it is kept, and what.
    ///
    /// # Errors
    /// [`Error::Configuration`] if a name cannot be one.
    pub fn into_core(self) -> Result<(ConnectionKey, Vec<Site>, String), Error> {
        Ok((key_of(&self.provider, &self.connection)?, self.sites, self.site))
    }
}

impl Profile {
    /// The profile.
    ///
    /// # Errors
    /// [`Error::Configuration`] if it cannot be used, or none has that name.
    pub fn read(&self) -> Result<ProviderProfile, Error> {
        let Value::String(name) = &self.0 else {
            return parse(&self.0.to_string());
        };
        match BUNDLED.iter().find(|(bundled, _)| bundled == name) {
            Some((_, json)) => parse(json),
            None => {
                let name = printable(name);
                Err(Error::Configuration(format!("no provider profile '{name}' is bundled")))
            }
        }
    }
}

fn parse(json: &str) -> Result<ProviderProfile, Error> {
    ProviderProfile::parse(json)
        .map_err(|bad| Error::Configuration(format!("the provider profile cannot be used: {bad}")))
}

fn name_of(connection: Option<String>) -> String {
    connection.unwrap_or_else(|| ConnectionKey::DEFAULT.to_owned())
}

fn key_of(provider: &str, connection: &str) -> Result<ConnectionKey, Error> {
    ConnectionKey::new(provider, connection).map_err(|bad| Error::Configuration(bad.to_string()))
}

impl<'de> Deserialize<'de> for Profile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if value.is_string() || value.is_object() {
            return Ok(Self(value));
        }
        Err(D::Error::custom("a profile is its name or an object"))
    }
}
