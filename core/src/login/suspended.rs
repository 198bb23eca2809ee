//! A sign-in that waits for its user, as text: a service worker is stopped after 30 s, a window is closed, a terminal
//! dies.

use alloc::string::ToString as _;

use serde::Serialize;
use serde_json::Value;

use super::{Asking, LoginFlow, LoginMachine, Phase};
use crate::authorization_server::AuthorizationServer;
use crate::endpoint_url::EndpointUrl;
use crate::error::Error;
use crate::grant::authorization_code::{AuthorizationCodeGrant, PendingAuthorization};
use crate::grant::device_authorization::{DeviceCodeGrant, PendingDevice};
use crate::grant::request::LoginRequest;
use crate::json::{self, FromJson, Members, Mistakes};
use crate::provider::{Endpoints, Grant, IssParameter, ProviderProfile};
use crate::secret::Secret;

/// No sign-in has this many steps, so a larger number is refused: IDs must not run out. It is the largest integer that
/// JavaScript can tell from the next one.
const LAST_RESTORED_STEP: u64 = (1 << 53) - 1;

/// What is saved of a sign-in that waits for its user.
#[derive(Serialize)]
struct Suspended<P> {
    schema_version: u32,
    next_step: u64,
    request: LoginRequest,
    server: SuspendedServer,
    device_grant_not_enabled: bool,
    waiting: P,
}

/// What is saved of the server: what the profile, which is in the request, may not say.
#[derive(Serialize)]
struct SuspendedServer {
    endpoints: Endpoints,
    userinfo: Option<EndpointUrl>,
    iss_parameter: IssParameter,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Waiting<A, D> {
    AuthorizationCode(A),
    DeviceCode(D),
}

impl<P: FromJson> FromJson for Suspended<P> {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        Self {
            schema_version: members.required("schema_version"),
            next_step: members.required("next_step"),
            request: members.required("request"),
            server: members.required("server"),
            device_grant_not_enabled: members.required("device_grant_not_enabled"),
            waiting: members.required("waiting"),
        }
    }
}

impl FromJson for SuspendedServer {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        Self {
            endpoints: members.required("endpoints"),
            userinfo: members.optional("userinfo"),
            iss_parameter: members.required("iss_parameter"),
        }
    }
}

impl SuspendedServer {
    fn of(server: AuthorizationServer) -> Self {
        Self {
            endpoints: Endpoints {
                authorization: server.authorization,
                token: Some(server.token.url),
                device_authorization: server.device_authorization,
                revocation: server.revocation,
            },
            userinfo: server.userinfo,
            iss_parameter: server.iss_parameter,
        }
    }

    /// The server again; `None` without a token endpoint.
    fn restored(self, profile: &ProviderProfile) -> Option<AuthorizationServer> {
        let promises_iss = self.iss_parameter == IssParameter::Required;
        AuthorizationServer::new(profile, self.endpoints, self.userinfo, promises_iss)
    }
}

impl<A: FromJson, D: FromJson> FromJson for Waiting<A, D> {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let (grant, pending) = json::kind(value, mistakes);
        if grant == "authorization_code" {
            return Self::AuthorizationCode(A::from_json(pending, mistakes));
        }
        if grant != "device_code" {
            mistakes.note("unknown grant");
        }
        Self::DeviceCode(D::from_json(pending, mistakes))
    }
}

impl LoginFlow {
    /// The sign-in as text, if it waits for its user: `None` before and after that. The text holds
    /// secrets (a PKCE verifier or a device code) and must be kept like a token.
    #[must_use]
    pub fn suspend(&self) -> Option<Secret> {
        let machine = self.machine();
        let Phase::Asking(_, asking) = &machine.phase else {
            return None;
        };
        let waiting = match asking {
            Asking::Browser(grant) => Waiting::AuthorizationCode(grant.pending()?),
            Asking::Device(grant) => Waiting::DeviceCode(grant.pending()?),
        };
        let suspended = Suspended {
            schema_version: 1,
            next_step: self.next_id(),
            request: machine.request.clone(),
            server: SuspendedServer::of(machine.server.clone()?),
            device_grant_not_enabled: machine.device_grant_not_enabled,
            waiting,
        };
        serde_json::to_string(&suspended).ok().map(Secret::new)
    }

    /// A suspended sign-in. It begins by asking the user again: the same URL, the same code.
    ///
    /// # Errors
    /// [`Error::Configuration`] if the text is not a suspended sign-in.
    pub fn restore(text: &str) -> Result<Self, Error> {
        let invalid = || Error::Configuration("this is not a suspended sign-in".to_string());
        let suspended: Suspended<Waiting<PendingAuthorization, PendingDevice>> =
            json::parse(text).map_err(|_| invalid())?;
        if suspended.schema_version != 1
            || suspended.next_step > LAST_RESTORED_STEP
            || suspended.server.endpoints.token.is_none()
        {
            return Err(invalid());
        }
        let server = suspended.server.restored(&suspended.request.profile).ok_or_else(invalid)?;
        let mut machine = LoginMachine::new(suspended.request)?;
        let profile = &machine.request.profile;
        profile.check().map_err(|e| Error::Configuration(e.to_string()))?;
        machine.device_grant_not_enabled = suspended.device_grant_not_enabled;
        let (grant, asking) = match suspended.waiting {
            Waiting::AuthorizationCode(pending) => {
                if !pending.has_safe_address() {
                    return Err(invalid());
                }
                let grant =
                    AuthorizationCodeGrant::restored(server.clone(), &machine.request, pending);
                (Grant::AuthorizationCode, Asking::Browser(grant))
            }
            Waiting::DeviceCode(pending) => {
                let grant = DeviceCodeGrant::new(server.clone(), &machine.request);
                (Grant::DeviceCode, Asking::Device(grant.restored(pending)))
            }
        };
        machine.server = Some(server);
        machine.phase = Phase::Asking(grant, asking);
        Ok(Self::resuming_at(machine, suspended.next_step))
    }
}
