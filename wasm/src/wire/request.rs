//! Requests of hosts, on their way in.

use serde_json::Value;
use twg_core::api::ApiRequest as CoreApi;
use twg_core::atlassian::address::{Product as CoreProduct, api_url};
use twg_core::client::{Client, Registered};
use twg_core::credential::Site;
use twg_core::credential::{ConnectionKey, Host};
use twg_core::error::Error;
use twg_core::grant::request::LoginRequest as CoreLogin;
use twg_core::http::Method as CoreMethod;
use twg_core::json::{self, FromJson, Members, Mistakes, one_of};
use twg_core::provider::{BUNDLED, BadProfile, Grant, ProviderProfile};
use twg_core::refresh::{Need as CoreNeed, RefreshRequest as CoreRefresh};
use twg_core::resource::TokenAudience;
use twg_core::schedule::UPKEEP_WINDOW;
use twg_core::secret::Secret;
use twg_core::text::printable;

use super::Millis;

/// How long a user may take, unless the host says otherwise.
const LOGIN_TIMEOUT: Millis = Millis(15 * 60 * 1000);

/// What a flow should do.
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
    /// The account that the token acts for.
    Identity(RegisteredClient),
    /// The sites that the token reaches.
    Sites(RegisteredClient),
    /// Any request.
    Api(ApiRequest),
    /// A default site.
    UseSite(SiteChoice),
    /// The end of the login.
    Logout(RegisteredClient),
}

/// A bundled profile's name, or a whole profile. It is checked when it is used: a wrong profile ends the flow with an error of
/// the core.
pub struct Profile(Value);

/// See `wire.ts`.
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
pub struct RegisteredClient {
    profile: Profile,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    connection: Option<String>,
    host: Option<HostNames>,
}

/// See `wire.ts`.
pub struct RefreshRequest {
    client: RegisteredClient,
    need: Need,
}

/// See `wire.ts`.
pub struct ApiRequest {
    client: RegisteredClient,
    method: Method,
    path: String,
    product: Option<Product>,
    cloud_id: Option<String>,
    body: Option<Secret>,
}

/// See `wire.ts`.
pub struct SiteChoice {
    provider: String,
    connection: String,
    sites: Vec<Site>,
    site: String,
}

#[derive(Default)]
struct HostNames {
    machine: Option<String>,
    boot: Option<String>,
}

enum Need {
    Live,
    Now,
    Upkeep,
    Due(Millis),
    Other(Secret),
}

impl FromJson for FlowRequest {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let (kind, value) = json::kind(value, mistakes);
        match kind.as_str() {
            "login" => Self::Login(LoginRequest::from_json(value, mistakes)),
            "restored_login" => {
                let mut members = Members::of(value, mistakes);
                let suspended = members.required("suspended");
                members.end();
                Self::RestoredLogin { suspended }
            }
            "refresh" => Self::Refresh(RefreshRequest::from_json(value, mistakes)),
            "identity" => Self::Identity(RegisteredClient::from_json(value, mistakes)),
            "sites" => Self::Sites(RegisteredClient::from_json(value, mistakes)),
            "api" => Self::Api(ApiRequest::from_json(value, mistakes)),
            "use_site" => Self::UseSite(SiteChoice::from_json(value, mistakes)),
            "logout" => Self::Logout(RegisteredClient::from_json(value, mistakes)),
            _ => {
                mistakes.note("there is no such flow");
                Self::RestoredLogin { suspended: Secret::default() }
            }
        }
    }
}

impl FromJson for LoginRequest {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        let request = Self {
            profile: members.required("profile"),
            client_id: members.required("client_id"),
            client_secret: members.optional("client_secret"),
            connection: members.optional("connection"),
            scopes: members.optional("scopes"),
            grants: members.optional("grants"),
            open: members.optional("open"),
            timeout: members.optional("timeout"),
        };
        members.end();
        request
    }
}

impl RegisteredClient {
    /// From the members that it has in every request.
    fn of(members: &mut Members<'_>) -> Self {
        Self {
            profile: members.required("profile"),
            client_id: members.optional("client_id"),
            client_secret: members.optional("client_secret"),
            connection: members.optional("connection"),
            host: members.optional("host"),
        }
    }
}

impl FromJson for RegisteredClient {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        let client = Self::of(&mut members);
        members.end();
        client
    }
}

impl FromJson for HostNames {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        let names = Self { machine: members.optional("machine"), boot: members.optional("boot") };
        members.end();
        names
    }
}

impl FromJson for RefreshRequest {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        let client = RegisteredClient::of(&mut members);
        let request = Self { client, need: members.required("need") };
        members.end();
        request
    }
}

impl FromJson for Need {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let (kind, value) = json::kind(value, mistakes);
        match (kind.as_str(), value) {
            ("live", Value::Null) => Self::Live,
            ("now", Value::Null) => Self::Now,
            ("upkeep", Value::Null) => Self::Upkeep,
            ("due", ahead) => Self::Due(Millis::from_json(ahead, mistakes)),
            ("other", rejected) => Self::Other(Secret::from_json(rejected, mistakes)),
            _ => {
                mistakes.note("there is no such need");
                Self::Live
            }
        }
    }
}

/// A method of the core.
struct Method(CoreMethod);

impl FromJson for Method {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let methods = [
            ("GET", CoreMethod::Get),
            ("POST", CoreMethod::Post),
            ("PUT", CoreMethod::Put),
            ("PATCH", CoreMethod::Patch),
            ("DELETE", CoreMethod::Delete),
            ("HEAD", CoreMethod::Head),
        ];
        Self(one_of(&value, mistakes, &methods, CoreMethod::Get))
    }
}

/// A product of the core.
struct Product(CoreProduct);

impl FromJson for Product {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let products = [("jira", CoreProduct::Jira), ("confluence", CoreProduct::Confluence)];
        Self(one_of(&value, mistakes, &products, CoreProduct::Jira))
    }
}

impl FromJson for ApiRequest {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        let request = Self {
            client: RegisteredClient::of(&mut members),
            method: members.required("method"),
            path: members.required("path"),
            product: members.optional("product"),
            cloud_id: members.optional("cloud_id"),
            body: members.optional("body"),
        };
        members.end();
        request
    }
}

impl FromJson for SiteChoice {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        let choice = Self {
            provider: members.required("provider"),
            connection: members.required("connection"),
            sites: members.required("sites"),
            site: members.required("site"),
        };
        members.end();
        choice
    }
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
    /// The connection, and the client that may refresh or end it.
    ///
    /// # Errors
    /// [`Error::Configuration`] if the profile or the connection's name is not valid.
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
        let (_, mut refresh) = self.client.into_live()?;
        refresh.need = match self.need {
            Need::Live => CoreNeed::Live,
            Need::Now => CoreNeed::Now,
            Need::Upkeep => CoreNeed::Due(UPKEEP_WINDOW),
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
    /// [`Error::Configuration`] if the request may not be sent there, or as [`RegisteredClient::into_core`].
    pub fn into_core(self) -> Result<(CoreApi, CoreRefresh), Error> {
        let (profile, refresh) = self.client.into_live()?;
        let product = self
            .product
            .map_or_else(|| CoreProduct::of_path(&self.path), |Product(product)| product);
        let url = api_url(&profile, product, self.cloud_id.as_deref(), &self.path)?;
        Ok((
            CoreApi::new(TokenAudience::new(&profile, None), self.method.0, url, self.body),
            refresh,
        ))
    }
}

impl SiteChoice {
    /// The connection, and the site.
    ///
    /// # Errors
    /// [`Error::Configuration`] if a name is not valid.
    pub fn into_core(self) -> Result<(ConnectionKey, Vec<Site>, String), Error> {
        Ok((key_of(&self.provider, &self.connection)?, self.sites, self.site))
    }
}

impl Profile {
    /// The profile.
    ///
    /// # Errors
    /// [`Error::Configuration`] if it cannot be used, or no profile has that name.
    pub fn read(&self) -> Result<ProviderProfile, Error> {
        let Value::String(name) = &self.0 else {
            return ProviderProfile::read(self.0.clone()).map_err(|bad| unusable(&bad));
        };
        match BUNDLED.iter().find(|(bundled, _)| bundled == name) {
            Some((_, json)) => ProviderProfile::parse(json).map_err(|bad| unusable(&bad)),
            None => {
                let name = printable(name);
                Err(Error::Configuration(format!("no provider profile '{name}' is bundled")))
            }
        }
    }
}

fn unusable(bad: &BadProfile) -> Error {
    Error::Configuration(format!("the provider profile cannot be used: {bad}"))
}

fn name_of(connection: Option<String>) -> String {
    connection.unwrap_or_else(|| ConnectionKey::DEFAULT.to_owned())
}

fn key_of(provider: &str, connection: &str) -> Result<ConnectionKey, Error> {
    ConnectionKey::new(provider, connection).map_err(|bad| Error::Configuration(bad.to_string()))
}

impl FromJson for Profile {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        if !value.is_string() && !value.is_object() {
            mistakes.note("it is neither a profile's name nor an object");
        }
        Self(value)
    }
}
