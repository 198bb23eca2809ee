//! Requests with an access token (RFC 6750), or with an API token where there is no other way.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::Value;

use crate::client::user_and_password;
use crate::endpoint_url::EndpointUrl;
use crate::error::{Endpoint, Error};
use crate::flow::{Effect, Machine, Next, Outcome, Running};
use crate::http::{HttpRequest, HttpResponse, Method, TransportError};
use crate::json;
use crate::provider::ProviderProfile;
use crate::secret::Secret;
use crate::text::displayable;
use crate::time::Now;

/// The hosts that a provider's access tokens may be sent to. Nothing else ever gets one.
#[derive(Clone, Debug)]
pub struct TokenAudience {
    hosts: Vec<String>,
}

impl TokenAudience {
    /// The hosts that the profile names, those of its identity and site lists, and the discovered
    /// `userinfo_endpoint`.
    #[must_use]
    pub fn new(profile: &ProviderProfile, userinfo: Option<&EndpointUrl>) -> Self {
        let named = [
            profile.identity.as_ref().and_then(|identity| identity.url.as_ref()),
            profile.sites.as_ref(),
            userinfo,
        ];
        let hosts = named.into_iter().flatten().map(EndpointUrl::host);
        Self { hosts: hosts.chain(profile.api_hosts.iter().cloned()).collect() }
    }

    /// The one host of a URL.
    #[must_use]
    pub fn host_of(url: &EndpointUrl) -> Self {
        Self { hosts: alloc::vec![url.host()] }
    }

    /// Whether `url` may get an access token: https (or loopback), and exactly one of the hosts.
    /// `api.atlassian.com.evil`, `evilapi.atlassian.com`, user names, other ports and trailing dots do not match.
    #[must_use]
    pub fn includes(&self, url: &str) -> bool {
        EndpointUrl::parse(url).is_ok_and(|url| self.hosts.contains(&url.host()))
    }

    /// A `GET` with the token in the `Authorization` header, the only place where it may be.
    ///
    /// # Errors
    /// [`Error::Configuration`] if the token must not go there.
    pub fn get(
        &self,
        url: &EndpointUrl,
        authorization: &Authorization,
    ) -> Result<HttpRequest, Error> {
        if !self.includes(url.as_str()) {
            let host = url.host();
            return Err(Error::Configuration(format!(
                "twg sends no token to {host}: it is not one of the provider's api_hosts"
            )));
        }
        Ok(HttpRequest::new(
            Method::Get,
            url.as_str().into(),
            alloc::vec![("accept", Secret::new("application/json")), authorization.header()],
            Secret::default(),
        ))
    }
}

/// The credential of a request.
#[derive(Clone, Debug)]
pub enum Authorization {
    /// An access token. RFC 6750 section 2.1.
    Bearer(Secret),
    /// A user and an API token. RFC 7617.
    Basic {
        /// The e-mail address of the account, without a colon.
        user: String,
        /// The API token.
        token: Secret,
    },
}

impl Authorization {
    /// The header. Only for requests that [`TokenAudience::includes`].
    pub(crate) fn header(&self) -> (&'static str, Secret) {
        let value = match self {
            Self::Bearer(token) => format!("Bearer {}", token.expose()),
            Self::Basic { user, token } => {
                format!("Basic {}", user_and_password(user, token).expose())
            }
        };
        ("authorization", Secret::new(value))
    }
}

/// One request with a token, and what its response means.
pub trait ResourceRequest {
    /// What is asked for.
    type Answer;

    /// The request, with this token. `userinfo` is the discovered endpoint of the server that issued it, if there
    /// is one.
    ///
    /// # Errors
    /// [`Error::Configuration`] if there is no URL to ask, or the token must not go there.
    fn request(
        &self,
        authorization: &Authorization,
        userinfo: Option<&EndpointUrl>,
    ) -> Result<HttpRequest, Error>;

    /// What the response means.
    ///
    /// # Errors
    /// [`Error::TokenRejected`] if another access token may help; any other error if not.
    fn answer(
        &mut self,
        answer: Result<HttpResponse, TransportError>,
    ) -> Result<Self::Answer, Error>;
}

/// A [`ResourceRequest`] with its token, which is not refreshed.
#[derive(Clone, Debug)]
pub struct WithToken<R> {
    request: R,
    authorization: Authorization,
    userinfo: Option<EndpointUrl>,
}

impl<R> WithToken<R> {
    pub(crate) const fn new(
        request: R,
        authorization: Authorization,
        userinfo: Option<EndpointUrl>,
    ) -> Self {
        Self { request, authorization, userinfo }
    }
}

/// Sends one request with a token that the caller gives: nothing is refreshed, nothing is stored.
pub type GivenTokenFlow<R> = Running<WithToken<R>>;

impl<R: ResourceRequest> GivenTokenFlow<R> {
    /// A request with that token.
    #[must_use]
    pub const fn given(request: R, authorization: Authorization) -> Self {
        Self::new(WithToken::new(request, authorization, None))
    }
}

impl<R: ResourceRequest> Machine for WithToken<R> {
    type Output = Result<R::Answer, Error>;

    fn start(&mut self, _now: Now) -> Next<Self::Output> {
        match self.request.request(&self.authorization, self.userinfo.as_ref()) {
            Ok(request) => Next::Perform(Effect::SendHttp(request)),
            Err(error) => Next::Done(Err(error)),
        }
    }

    fn advance(&mut self, outcome: Outcome, _now: Now) -> Next<Self::Output> {
        if let Outcome::Http(answer) = outcome {
            Next::Done(self.request.answer(answer))
        } else {
            Next::Done(Err(Error::OutOfOrder))
        }
    }
}

/// The JSON of a resource server's response.
pub(crate) fn resource_answer(
    answer: Result<HttpResponse, TransportError>,
    endpoint: Endpoint,
) -> Result<Value, Error> {
    let response = answer.map_err(|error| Error::Transport { endpoint, error })?;
    match response.status {
        status @ 200..=299 => {
            json::value_in(&response.body).ok_or(Error::NotOAuth { endpoint, status })
        }
        401 | 403 => Err(refusal(&response)),
        status @ (429 | 500..) => {
            Err(Error::Unavailable { endpoint, status, retry_after: response.retry_after() })
        }
        300..=399 => Err(Error::redirected(endpoint, response.status)),
        status => Err(Error::PeerMisbehaved {
            endpoint,
            what: format!("HTTP {status}; is that its URL?"),
        }),
    }
}

/// Whether another access token may help after this response: for shells that send requests of their own.
#[must_use]
pub fn rejects_token(response: &HttpResponse) -> bool {
    response.status == 401 && refusal(response) == Error::TokenRejected
}

/// What a 401 or 403 means: whether another access token may help.
///
/// RFC 6750 section 3.1: `invalid_token` means that "the access token provided is expired, revoked, malformed, or
/// invalid for other reasons"; `insufficient_scope` that "the request requires higher privileges than provided
/// by the access token". Atlassian says the latter with 401 too, in its body: "Unauthorized; scope does not
/// match".
pub(crate) fn refusal(response: &HttpResponse) -> Error {
    let challenge = response.header("www-authenticate").unwrap_or_default();
    let message = |text: &str| {
        json::value_in(&response.body).is_some_and(|body| {
            body.get("message").and_then(Value::as_str).is_some_and(|said| said.contains(text))
        })
    };
    let lacks_scope = challenge.contains("insufficient_scope") || message("scope does not match");
    if response.status == 401 && !lacks_scope { Error::TokenRejected } else { Error::NotPermitted }
}

/// A member that is shown to people, escaped.
pub(crate) fn shown_member(object: &Value, name: &str) -> Option<String> {
    object.get(name)?.as_str().filter(|text| !text.is_empty()).map(displayable)
}
