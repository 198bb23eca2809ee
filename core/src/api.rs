//! Any request to a provider's API, with a live token.
//!
//! The token goes to its provider's hosts and nowhere else, also after a redirect.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;

use crate::authorized::{Authorized, AuthorizedMachine};
use crate::endpoint_url::EndpointUrl;
use crate::entropy::Entropy;
use crate::error::{Endpoint, Error};
use crate::flow::{Effect, Machine, Next, Outcome, Running};
use crate::http::{HttpRequest, HttpResponse, Method, TransportError};
use crate::refresh::{RefreshRequest, Refreshed};
use crate::resource::{Authorization, ResourceRequest, TokenAudience, WithToken, rejects_token};
use crate::secret::Secret;
use crate::time::{Now, Span};

/// Reports and attachments are larger than any response of an authorization server.
const MAX_ANSWER_BYTES: u32 = 64 * 1024 * 1024;

/// Searches may take long.
const TIMEOUT: Span = Span::from_secs(120);

/// The most redirects that are followed.
const MOST_REDIRECTS: u32 = 5;

/// One request to an API.
#[derive(Clone, Debug)]
pub struct ApiRequest {
    audience: TokenAudience,
    method: Method,
    url: EndpointUrl,
    /// JSON.
    body: Option<Secret>,
}

impl ApiRequest {
    /// A request for a token of `audience`; `body` is JSON.
    #[must_use]
    pub const fn new(
        audience: TokenAudience,
        method: Method,
        url: EndpointUrl,
        body: Option<Secret>,
    ) -> Self {
        Self { audience, method, url, body }
    }

    fn message(&self, url: &EndpointUrl, authorization: Option<&Authorization>) -> HttpRequest {
        let mut headers = vec![("accept", Secret::new("application/json"))];
        headers.extend(authorization.map(Authorization::header));
        // Like the token, only for the provider's hosts.
        let body = self.body.as_ref().filter(|_| authorization.is_some());
        if body.is_some() {
            headers.push(("content-type", Secret::new("application/json")));
        }
        let body = body.cloned().unwrap_or_default();
        HttpRequest {
            timeout: TIMEOUT,
            max_response_bytes: MAX_ANSWER_BYTES,
            ..HttpRequest::new(self.method, url.as_str().into(), headers, body)
        }
    }

    fn may_have_token(&self, url: &EndpointUrl) -> bool {
        self.audience.includes(url.as_str())
    }
}

impl ResourceRequest for ApiRequest {
    /// The response of the API, unless another token may help.
    type Answer = HttpResponse;

    fn request(
        &self,
        authorization: &Authorization,
        _userinfo: Option<&EndpointUrl>,
    ) -> Result<HttpRequest, Error> {
        if self.may_have_token(&self.url) {
            return Ok(self.message(&self.url, Some(authorization)));
        }
        let host = self.url.host();
        Err(Error::Configuration(format!(
            "twg sends no token to {host}: it is not one of the provider's hosts"
        )))
    }

    fn answer(
        &mut self,
        answer: Result<HttpResponse, TransportError>,
    ) -> Result<HttpResponse, Error> {
        let response =
            answer.map_err(|error| Error::Transport { endpoint: Endpoint::Api, error })?;
        if rejects_token(&response) {
            return Err(Error::TokenRejected);
        }
        Ok(response)
    }
}

/// The last response of the API.
#[derive(Debug)]
pub struct ApiAnswer {
    /// The response, of any status.
    pub response: HttpResponse,
    /// The URL that sent it, after redirects.
    pub url: EndpointUrl,
    /// The connection whose access token was used; `None` if the caller gave the token.
    pub login: Option<Refreshed>,
}

/// Sends one request to an API: refreshes first if that is due, and once more after a 401; follows redirects
/// of requests that change nothing.
pub type ApiFlow = Running<ApiMachine>;

/// The transitions of [`ApiFlow`].
#[derive(Clone, Debug)]
pub struct ApiMachine {
    request: ApiRequest,
    asking: Asking,
    following: Option<Box<Following>>,
}

/// How the first request is sent.
#[derive(Clone, Debug)]
enum Asking {
    /// With the token of a connection.
    LoggedIn(Box<AuthorizedMachine<ApiRequest>>),
    /// With a token that the caller gave.
    Given(Authorization, Box<WithToken<ApiRequest>>),
}

/// A redirect that is followed.
#[derive(Clone, Debug)]
struct Following {
    login: Option<Refreshed>,
    /// `None` after a redirect to a foreign host: that host chooses all that follows.
    authorization: Option<Authorization>,
    url: EndpointUrl,
    redirects: u32,
}

impl ApiFlow {
    /// A request for the connection of `refresh`. The entropy is for refreshes.
    #[must_use]
    pub fn ask(request: ApiRequest, refresh: RefreshRequest, entropy: Entropy) -> Self {
        let asking = AuthorizedMachine::new(request.clone(), refresh, entropy);
        let asking = Asking::LoggedIn(Box::new(asking));
        Self::new(ApiMachine { request, asking, following: None })
    }

    /// A request with a token that the caller gives: nothing is refreshed.
    #[must_use]
    pub fn ask_with(request: ApiRequest, authorization: Authorization) -> Self {
        let asking = WithToken::new(request.clone(), authorization.clone(), None);
        let asking = Asking::Given(authorization, Box::new(asking));
        Self::new(ApiMachine { request, asking, following: None })
    }
}

type Transition = Next<Result<ApiAnswer, Error>>;

impl ApiMachine {
    fn answered(
        &mut self,
        response: HttpResponse,
        authorization: Option<Authorization>,
        login: Option<Refreshed>,
    ) -> Transition {
        let url = self.request.url.clone();
        self.follow(response, Box::new(Following { login, authorization, url, redirects: 0 }))
    }

    fn answered_to_given(&mut self, answer: Result<HttpResponse, Error>) -> Transition {
        let authorization = match &self.asking {
            Asking::Given(authorization, _) => Some(authorization.clone()),
            Asking::LoggedIn(_) => None,
        };
        match answer {
            Ok(response) => self.answered(response, authorization, None),
            Err(error) => Next::Done(Err(error)),
        }
    }

    fn answered_to_login(&mut self, answer: Result<Authorized<HttpResponse>, Error>) -> Transition {
        match answer {
            Ok(Authorized { answer, credential, how }) => {
                let token = credential.tokens.as_ref().map(|tokens| tokens.access_token.clone());
                let login = Some(Refreshed { credential, how });
                self.answered(answer, token.map(Authorization::Bearer), login)
            }
            Err(error) => Next::Done(Err(error)),
        }
    }

    /// Follows a redirect, if the response is one and the request can be repeated.
    ///
    /// The token goes to the provider's own hosts only, and nowhere after a redirect through a foreign host: that host
    /// would choose what the token is used for.
    fn follow(&mut self, response: HttpResponse, mut at: Box<Following>) -> Transition {
        let leads_on = matches!(response.status, 301 | 302 | 303 | 307 | 308)
            && matches!(self.request.method, Method::Get | Method::Head);
        let location = response.header("location").filter(|_| leads_on);
        let Some(location) = location else {
            let Following { login, url, .. } = *at;
            return Next::Done(Ok(ApiAnswer { response, url, login }));
        };
        let misbehaved =
            |what: String| Next::Done(Err(Error::PeerMisbehaved { endpoint: Endpoint::Api, what }));
        if at.redirects >= MOST_REDIRECTS {
            return misbehaved(format!("more than {MOST_REDIRECTS} redirects"));
        }
        at.url = match target(&at.url, location) {
            Ok(url) => url,
            Err(why) => return misbehaved(why),
        };
        at.redirects += 1;
        if !self.request.may_have_token(&at.url) {
            at.authorization = None;
        }
        let request = self.request.message(&at.url, at.authorization.as_ref());
        self.following = Some(at);
        Next::Perform(Effect::SendHttp(request))
    }
}

/// Where a redirect leads, without a fragment.
fn target(from: &EndpointUrl, location: &str) -> Result<EndpointUrl, String> {
    // None of these messages shows the URL itself: its query may hold a key.
    let unusable =
        |why: &dyn core::fmt::Display| format!("it redirects to a URL that cannot be used: {why}");
    let location = location.split('#').next().unwrap_or_default();
    if let Some(c) = location.chars().find(|c| !c.is_ascii_graphic() || *c == '\\') {
        return Err(unusable(&format!("it contains the character {c:?}")));
    }
    let base = from.url().ok_or_else(|| String::from("it has no URL"))?;
    // The host is checked as it is written: the parser forgives too much, and panics on some hosts in debug builds.
    let absolute = if location.starts_with("//") {
        format!("{}:{location}", base.scheme())
    } else if location.split(['/', '?']).next().is_some_and(|first| first.contains(':')) {
        location.into()
    } else {
        base.join(location).map_err(|error| unusable(&error))?.into()
    };
    EndpointUrl::parse_beside(from, &absolute).map_err(|bad| unusable(&bad))
}

impl Machine for ApiMachine {
    type Output = Result<ApiAnswer, Error>;

    fn start(&mut self, now: Now) -> Transition {
        match &mut self.asking {
            Asking::LoggedIn(asking) => {
                let next = asking.start(now);
                next.and_then(|answer| self.answered_to_login(answer))
            }
            Asking::Given(_, asking) => {
                let next = asking.start(now);
                next.and_then(|answer| self.answered_to_given(answer))
            }
        }
    }

    fn advance(&mut self, outcome: Outcome, now: Now) -> Transition {
        match (self.following.take(), outcome) {
            (None, outcome) => match &mut self.asking {
                Asking::LoggedIn(asking) => {
                    let next = asking.advance(outcome, now);
                    next.and_then(|answer| self.answered_to_login(answer))
                }
                Asking::Given(_, asking) => {
                    let next = asking.advance(outcome, now);
                    next.and_then(|answer| self.answered_to_given(answer))
                }
            },
            (Some(at), Outcome::Http(Ok(response))) => self.follow(response, at),
            (Some(_), Outcome::Http(Err(error))) => {
                Next::Done(Err(Error::Transport { endpoint: Endpoint::Api, error }))
            }
            (Some(_), _) => Next::Done(Err(Error::OutOfOrder)),
        }
    }
}
