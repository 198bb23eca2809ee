//! Results of flows, on their way out. They never hold a refresh token.

use serde::Serialize;
use twg_core::api::ApiAnswer;
use twg_core::authorized::Authorized;
use twg_core::credential::Account;
use twg_core::credential::Site;
use twg_core::credential::StoredCredential;
use twg_core::error::Error;
use twg_core::http::HttpResponse;
use twg_core::login;
use twg_core::logout;
use twg_core::provider::Grant;
use twg_core::refresh;
use twg_core::revocation::Revocation;
use twg_core::schedule::due_at;

use super::{CoreError, Done};

/// The result of a flow that succeeded.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// See `wire.ts`, as for all of them.
    SignedIn(Box<SignedIn>),
    /// A token that works.
    Refreshed(Box<Refreshed>),
    /// The account that the token acts for.
    Identity {
        /// The account.
        account: Account,
        /// The token.
        token: LiveToken,
    },
    /// The sites that the token reaches.
    Sites {
        /// All of them.
        sites: Vec<Site>,
        /// The one that was chosen.
        #[serde(skip_serializing_if = "Option::is_none")]
        default_site: Option<String>,
        /// The token.
        token: LiveToken,
    },
    /// The response of the API.
    Api {
        /// With any status.
        response: Response,
    },
    /// The default site is stored.
    SiteChosen(()),
    /// The end of a login.
    LoggedOut(LoggedOut),
}

/// An access token that has not expired.
#[derive(Serialize)]
pub struct LiveToken {
    access_token: String,
    scopes: Vec<String>,
    expires_at: u64,
    due_at: u64,
}

/// See `wire.ts`.
#[derive(Serialize)]
pub struct Refreshed {
    access_token: String,
    scopes: Vec<String>,
    expires_at: u64,
    due_at: u64,
    how: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_refreshed: Option<CoreError>,
}

/// See `wire.ts`.
#[derive(Serialize)]
pub struct SignedIn {
    token: LiveToken,
    grant: Grant,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<Account>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_error: Option<CoreError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sites: Option<Vec<Site>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sites_error: Option<CoreError>,
    device_grant_not_enabled: bool,
    scopes_not_granted: Vec<String>,
}

/// A response of an API.
#[derive(Serialize)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its header fields.
    pub headers: Vec<(String, String)>,
    /// Its body, in octets.
    pub body: Vec<u8>,
}

/// See `wire.ts`.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LoggedOut {
    /// There was nothing to end.
    WasNotSignedIn,
    /// The tokens are deleted here.
    Done {
        /// Whether the server revoked it.
        refresh_token: Revocation,
        /// Whether the server revoked it.
        access_token: Revocation,
        /// When the access token stops working.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<u64>,
    },
    /// The record could not be read.
    SetAside {
        /// Where it is now.
        place: String,
    },
}

/// For each flow, the result of the core.
impl<T> From<Result<T, Error>> for Done
where
    Output: TryFrom<T, Error = Error>,
{
    fn from(result: Result<T, Error>) -> Self {
        match result.and_then(Output::try_from) {
            Ok(output) => Self::Ok(output),
            Err(error) => Self::Error(CoreError::from(&error)),
        }
    }
}

impl LiveToken {
    /// A record that a flow calls live has tokens: a record without is a mistake of the core.
    fn of(credential: &StoredCredential) -> Result<Self, Error> {
        let tokens = credential.tokens.as_ref().ok_or(Error::OutOfOrder)?;
        Ok(Self {
            access_token: tokens.access_token.expose().to_owned(),
            scopes: tokens.scopes.clone(),
            expires_at: tokens.expires_at.as_millis(),
            due_at: due_at(tokens).as_millis(),
        })
    }
}

impl TryFrom<login::SignedIn> for Output {
    type Error = Error;

    fn try_from(signed_in: login::SignedIn) -> Result<Self, Error> {
        let (account, account_error) = split(signed_in.account);
        let (sites, sites_error) = split(signed_in.sites);
        Ok(Self::SignedIn(Box::new(SignedIn {
            token: LiveToken::of(&signed_in.credential)?,
            grant: signed_in.credential.login.grant,
            account,
            account_error,
            sites,
            sites_error,
            device_grant_not_enabled: signed_in.device_grant_not_enabled,
            scopes_not_granted: signed_in.scopes_not_granted,
        })))
    }
}

/// The value, or why there is none.
fn split<T>(asked: Option<Result<T, Error>>) -> (Option<T>, Option<CoreError>) {
    match asked {
        None => (None, None),
        Some(Ok(value)) => (Some(value), None),
        Some(Err(error)) => (None, Some(CoreError::from(&error))),
    }
}

impl TryFrom<refresh::Refreshed> for Output {
    type Error = Error;

    fn try_from(refreshed: refresh::Refreshed) -> Result<Self, Error> {
        use refresh::How;
        let (how, not_refreshed) = match &refreshed.how {
            How::StillFresh => ("still_fresh", None),
            How::Adopted => ("adopted", None),
            How::Refreshed => ("refreshed", None),
            How::Recovered => ("recovered", None),
            How::NotRefreshed(why) => ("not_refreshed", Some(CoreError::from(&**why))),
        };
        let LiveToken { access_token, scopes, expires_at, due_at } =
            LiveToken::of(&refreshed.credential)?;
        Ok(Self::Refreshed(Box::new(Refreshed {
            access_token,
            scopes,
            expires_at,
            due_at,
            how,
            not_refreshed,
        })))
    }
}

impl TryFrom<Authorized<Account>> for Output {
    type Error = Error;

    fn try_from(authorized: Authorized<Account>) -> Result<Self, Error> {
        let token = LiveToken::of(&authorized.credential)?;
        Ok(Self::Identity { account: authorized.answer, token })
    }
}

impl TryFrom<Authorized<Vec<Site>>> for Output {
    type Error = Error;

    fn try_from(authorized: Authorized<Vec<Site>>) -> Result<Self, Error> {
        let token = LiveToken::of(&authorized.credential)?;
        let default_site = authorized.credential.default_site;
        Ok(Self::Sites { sites: authorized.answer, default_site, token })
    }
}

impl TryFrom<ApiAnswer> for Output {
    type Error = Error;

    fn try_from(answer: ApiAnswer) -> Result<Self, Error> {
        let mut response: HttpResponse = answer.response;
        let headers = std::mem::take(&mut response.headers);
        let body = std::mem::take(&mut response.body);
        Ok(Self::Api { response: Response { status: response.status, headers, body } })
    }
}

impl TryFrom<logout::LoggedOut> for Output {
    type Error = Error;

    fn try_from(logged_out: logout::LoggedOut) -> Result<Self, Error> {
        use logout::LoggedOut as Core;
        Ok(Self::LoggedOut(match logged_out {
            Core::WasNotSignedIn => LoggedOut::WasNotSignedIn,
            Core::Done { refresh_token, access_token, expires_at } => LoggedOut::Done {
                refresh_token,
                access_token,
                expires_at: expires_at.map(|time| time.as_millis()),
            },
            Core::SetAside { place } => LoggedOut::SetAside { place },
        }))
    }
}
