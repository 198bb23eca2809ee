//! The authorization code grant with PKCE, for a browser on this machine.
//! RFC 6749 section 4.1, RFC 7636, RFC 8252, RFC 9207, RFC 9700.

use alloc::borrow::{Cow, ToOwned};
use alloc::format;
use alloc::string::String;
use core::fmt;

use serde::Serialize;
use serde_json::Value;

use super::request::LoginRequest;
use crate::authorization_server::AuthorizationServer;
use crate::endpoint_url::{EndpointUrl, parse_plain};
use crate::entropy::Entropy;
use crate::error::{Endpoint, Error};
use crate::flow::{
    AuthorizationPrompt, Effect, Machine, Next, Notice, Outcome, RedirectTarget, UserAgentError,
};
use crate::json::{FromJson, Members, Mistakes};
use crate::oauth_error::OAuthError;
use crate::pkce::CodeVerifier;
use crate::provider::IssParameter;
use crate::secret::{Secret, serialize_exposed};
use crate::text::printable;
use crate::time::{Now, UnixTime};
use crate::token_endpoint::{GrantType, TokenResponse};

/// One authorization request that waits for its redirect. It can be saved and restored: a service worker is stopped
/// after 30 s, a window is closed, a terminal dies.
#[derive(Serialize)]
pub(crate) struct PendingAuthorization {
    redirect_uri: String,
    #[serde(serialize_with = "serialize_exposed")]
    state: Secret,
    verifier: CodeVerifier,
    url: String,
    deadline: UnixTime,
}

impl FromJson for PendingAuthorization {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        Self {
            redirect_uri: members.required("redirect_uri"),
            state: members.required("state"),
            verifier: members.required("verifier"),
            url: members.required("url"),
            deadline: members.required("deadline"),
        }
    }
}

impl fmt::Debug for PendingAuthorization {
    /// Without the URL, which holds the state.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingAuthorization")
            .field("redirect_uri", &self.redirect_uri)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// The parameters of a redirect, unchecked. `Debug` shows no values: any program can write them, and a code may be in
/// the wrong place.
#[derive(Default)]
pub struct AuthorizationResponse {
    /// The redirect URI that the response came to: the URL without its query.
    pub redirect_uri: String,
    state: Option<Secret>,
    iss: Option<String>,
    code: Option<Secret>,
    error: Option<OAuthError>,
    repeated: Option<&'static str>,
}

impl fmt::Debug for AuthorizationResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationResponse")
            .field("state", &self.state.is_some())
            .field("iss", &self.iss.is_some())
            .field("code", &self.code.is_some())
            .field("error", &self.error.is_some())
            .field("repeated", &self.repeated)
            .finish_non_exhaustive()
    }
}

impl AuthorizationResponse {
    /// Splits a redirect URL. Never fails: parameters that cannot be found are absent.
    ///
    /// RFC 6749 section 3.1: "Parameters sent without a value MUST be treated as if they were omitted from the
    /// request. The authorization server MUST ignore unrecognized request parameters. Request and response
    /// parameters MUST NOT be included more than once."
    #[must_use]
    pub fn parse(url: &str) -> Self {
        let Some(url) = parse_plain(url) else {
            return Self::default();
        };
        let mut redirect_uri = url.clone();
        redirect_uri.set_query(None);
        redirect_uri.set_fragment(None);
        let mut response = Self { redirect_uri: redirect_uri.into(), ..Self::default() };

        let mut once = |name: &'static str| -> Option<Cow<'_, str>> {
            let mut values = url.query_pairs().filter(|(n, _)| n == name).map(|(_, value)| value);
            let first = values.next();
            if values.next().is_some() {
                response.repeated.get_or_insert(name);
            }
            first.filter(|value| !value.is_empty())
        };
        let state = once("state").map(|value| Secret::new(value.into_owned()));
        let iss = once("iss").map(Cow::into_owned);
        let code = once("code").map(|value| Secret::new(value.into_owned()));
        let description = once("error_description");
        let error = once("error").map(|code| OAuthError::new(&code, description.as_deref()));
        Self { state, iss, code, error, ..response }
    }
}

/// What a redirect means for the sign-in that waits.
enum Verdict {
    /// It does not belong to this request: another page, an old tab, an attacker. Keep waiting.
    NotOurs,
    /// It belongs to this request, and the sign-in failed.
    Failed(Error),
    /// It belongs to this request, and brings the code.
    Code(Secret),
}

impl PendingAuthorization {
    /// Whether the user may be sent to the URL. It was checked when it was made, but the place where it was kept may
    /// have been written to since.
    pub(crate) fn has_safe_address(&self) -> bool {
        EndpointUrl::parse(&self.url).is_ok()
    }

    /// Judges a redirect: `state` before anything else, then `iss`, then `error` and `code`.
    fn judge(&self, url: &Secret, server: &AuthorizationServer) -> Verdict {
        let response = AuthorizationResponse::parse(url.expose());
        let failed = |what: String| {
            Verdict::Failed(Error::PeerMisbehaved { endpoint: Endpoint::Authorization, what })
        };
        // RFC 9700 section 4.4.2.2 and OAuth 2.1 section 8.4.2: exactly the redirect URI of the request.
        if !same_address(&response.redirect_uri, &self.redirect_uri) {
            return Verdict::NotOurs;
        }
        // A missing state is a wrong state (CVE-2026-81888), and a forged error must not end the sign-in
        // (CVE-2026-42073): a redirect without the state is not for us.
        if !response.state.as_ref().is_some_and(|state| self.state.matches(state.expose()))
            || response.repeated == Some("state")
        {
            return Verdict::NotOurs;
        }
        if let Some(name) = response.repeated {
            return failed(format!("it has the parameter '{name}' more than once"));
        }
        if let Some(what) = issuer_problem(response.iss.as_deref(), server) {
            return failed(what);
        }
        match (response.error, response.code) {
            (Some(error), _) => Verdict::Failed(Error::Refused(error)),
            (None, Some(code)) => Verdict::Code(code),
            (None, None) => failed("it has neither a code nor an error".to_owned()),
        }
    }
}

/// RFC 9207 section 2.4: "Clients that support this specification MUST extract the value of the iss parameter
/// from authorization responses they receive if the parameter is present. Clients MUST then decode the value
/// [...] and compare the result to the issuer identifier of the authorization server where the authorization
/// request was sent to. This comparison MUST use simple string comparison [...]. If the value does not match
/// the expected issuer identifier, clients MUST reject the authorization response."
fn issuer_problem(iss: Option<&str>, server: &AuthorizationServer) -> Option<String> {
    match (iss, server.iss_parameter) {
        (None, IssParameter::Required) => {
            Some("it has no issuer (iss), which this server promises".to_owned())
        }
        (None, IssParameter::Optional | IssParameter::Unsupported) => None,
        (Some(iss), IssParameter::Required | IssParameter::Optional) => {
            let expected = server.issuer.as_ref().map(EndpointUrl::as_str).unwrap_or_default();
            (iss != expected).then(|| {
                format!("it comes from the issuer '{}', not from '{expected}'", printable(iss))
            })
        }
        // "Clients SHOULD discard authorization responses with the iss parameter from authorization servers
        // that do not indicate their support for the parameter."
        (Some(iss), IssParameter::Unsupported) => Some(format!(
            "it names the issuer '{}', which this server does not announce",
            printable(iss)
        )),
    }
}

/// Where a redirect may arrive: at an https URL (an extension's), at a loopback URL, or at a scheme of the app's own.
///
/// RFC 8252 section 7.1: "When choosing a URI scheme to associate with the app, apps MUST use a URI scheme
/// based on a domain name under their control, expressed in reverse order [...]. Note that [...] there is only
/// a single slash ("/") appearing after the scheme component."
fn redirect_uri_problem(redirect_uri: &str) -> Option<&'static str> {
    if EndpointUrl::parse(redirect_uri).is_ok() {
        return None;
    }
    let (scheme, rest) = redirect_uri.split_once(':').unwrap_or_default();
    if !scheme.contains('.')
        || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    {
        return Some(
            "it is neither https, nor http on loopback, nor a reversed domain name as scheme",
        );
    }
    if !rest.starts_with('/') || rest.starts_with("//") {
        return Some("exactly one '/' must follow a custom scheme");
    }
    (!rest.bytes().all(|b| matches!(b, b'!'..=b'~') && b != b'#'))
        .then_some("it contains a fragment or characters that no URL has")
}

/// Whether two redirect URIs name the same scheme, host, port and path.
fn same_address(a: &str, b: &str) -> bool {
    matches!((parse_plain(a), parse_plain(b)), (Some(a), Some(b)) if a == b)
}

/// Runs the grant up to the token response. A part of the sign-in.
#[derive(Debug)]
pub(crate) struct AuthorizationCodeGrant {
    server: AuthorizationServer,
    request: LoginRequest,
    entropy: Option<(Entropy, Entropy)>,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    ObtainingRedirectUri,
    AwaitingRedirect(PendingAuthorization),
    /// The code is spent; a later redirect is not accepted.
    ExchangingCode,
}

impl AuthorizationCodeGrant {
    pub(crate) fn new(
        server: AuthorizationServer,
        request: &LoginRequest,
        entropy: (Entropy, Entropy),
    ) -> Self {
        Self::in_phase(server, request, Some(entropy), Phase::ObtainingRedirectUri)
    }

    /// The grant with a request that was made earlier, perhaps in another process.
    pub(crate) fn restored(
        server: AuthorizationServer,
        request: &LoginRequest,
        pending: PendingAuthorization,
    ) -> Self {
        Self::in_phase(server, request, None, Phase::AwaitingRedirect(pending))
    }

    fn in_phase(
        server: AuthorizationServer,
        request: &LoginRequest,
        entropy: Option<(Entropy, Entropy)>,
        phase: Phase,
    ) -> Self {
        Self { server, request: request.clone(), entropy, phase }
    }

    /// The request that waits, if one does.
    pub(crate) const fn pending(&self) -> Option<&PendingAuthorization> {
        match &self.phase {
            Phase::AwaitingRedirect(pending) => Some(pending),
            Phase::ObtainingRedirectUri | Phase::ExchangingCode => None,
        }
    }

    fn prompt(&self, pending: &PendingAuthorization) -> Effect {
        Effect::OpenUserAgent(AuthorizationPrompt {
            url: pending.url.clone(),
            redirect_uri: pending.redirect_uri.clone(),
            deadline: pending.deadline,
            open: self.request.open,
        })
    }

    fn redirect_uri_obtained(
        &mut self,
        redirect_uri: String,
        now: UnixTime,
    ) -> Result<Effect, Error> {
        if let Some(what) = redirect_uri_problem(&redirect_uri) {
            let shown = printable(&redirect_uri);
            return Err(Error::Configuration(format!(
                "'{shown}' cannot be a redirect URI: {what}"
            )));
        }
        let entropy = self.entropy.take().ok_or(Error::OutOfOrder)?;
        let endpoint = self.server.authorization.as_ref().ok_or_else(|| {
            Error::Configuration(format!(
                "{} has no authorization endpoint, which a browser on this machine needs",
                self.request.profile.display_name
            ))
        })?;
        let deadline = now.plus(self.request.timeout);
        let pending = self.authorization_request(endpoint, redirect_uri, entropy, deadline)?;
        let effect = self.prompt(&pending);
        self.phase = Phase::AwaitingRedirect(pending);
        Ok(effect)
    }

    fn authorization_request(
        &self,
        endpoint: &EndpointUrl,
        redirect_uri: String,
        (verifier, state): (Entropy, Entropy),
        deadline: UnixTime,
    ) -> Result<PendingAuthorization, Error> {
        let mut url = endpoint.url().ok_or(Error::OutOfOrder)?;
        let verifier = CodeVerifier::new(verifier);
        let state = state.into_text();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.request.client.id)
            .append_pair("redirect_uri", &redirect_uri)
            .append_pair("state", state.expose())
            .append_pair("code_challenge", verifier.challenge().as_str())
            .append_pair("code_challenge_method", "S256");
        if !self.request.scopes.is_empty() {
            let scope = self.server.token.joined(&self.request.scopes);
            url.query_pairs_mut().append_pair("scope", &scope);
        }
        if let Some(audience) = &self.request.profile.audience {
            url.query_pairs_mut().append_pair("audience", audience);
        }
        url.query_pairs_mut().extend_pairs(&self.request.profile.authorize_parameters);
        Ok(PendingAuthorization { redirect_uri, state, verifier, url: url.into(), deadline })
    }

    fn token_request(&self, pending: &PendingAuthorization, code: &Secret) -> Effect {
        let parameters = [
            ("code", code.expose()),
            ("code_verifier", pending.verifier.secret().expose()),
            ("redirect_uri", &pending.redirect_uri),
        ];
        let (client, grant_type) = (&self.request.client, GrantType::AuthorizationCode);
        Effect::SendHttp(self.server.token.request(client, grant_type, &parameters))
    }

    fn redirected(&mut self, url: &Secret) -> Next<Result<TokenResponse, Error>> {
        let Phase::AwaitingRedirect(pending) = &self.phase else {
            return Next::Done(Err(Error::OutOfOrder));
        };
        match pending.judge(url, &self.server) {
            Verdict::NotOurs => Next::Perform(Effect::Notify(Notice::RedirectIgnored)),
            Verdict::Failed(error) => Next::Done(Err(error)),
            Verdict::Code(code) => {
                let request = self.token_request(pending, &code);
                self.phase = Phase::ExchangingCode;
                Next::Perform(request)
            }
        }
    }
}

impl Machine for AuthorizationCodeGrant {
    type Output = Result<TokenResponse, Error>;

    fn start(&mut self, now: Now) -> Next<Self::Output> {
        match &self.phase {
            Phase::AwaitingRedirect(pending) if now.wall >= pending.deadline => {
                Next::Done(Err(Error::UserAgent(UserAgentError::TimedOut)))
            }
            Phase::AwaitingRedirect(pending) => Next::Perform(self.prompt(pending)),
            Phase::ObtainingRedirectUri | Phase::ExchangingCode => {
                Next::Perform(Effect::ObtainRedirectUri(RedirectTarget {
                    port: self.request.profile.redirect.port,
                    path: self.request.profile.redirect.path.clone(),
                }))
            }
        }
    }

    fn advance(&mut self, outcome: Outcome, now: Now) -> Next<Self::Output> {
        match outcome {
            Outcome::RedirectUri(Ok(redirect_uri)) => {
                match self.redirect_uri_obtained(redirect_uri, now.wall) {
                    Ok(effect) => Next::Perform(effect),
                    Err(error) => Next::Done(Err(error)),
                }
            }
            Outcome::Redirected(Ok(url)) => self.redirected(&url),
            Outcome::Notified => match self.pending() {
                Some(PendingAuthorization { deadline, .. }) => {
                    Next::Perform(Effect::AwaitRedirect { deadline: *deadline })
                }
                None => Next::Done(Err(Error::OutOfOrder)),
            },
            Outcome::RedirectUri(Err(error)) | Outcome::Redirected(Err(error)) => {
                Next::Done(Err(Error::UserAgent(error)))
            }
            // A code is sent at most once, also if the exchange fails.
            Outcome::Http(Ok(response)) => Next::Done(self.server.token.parse(&response)),
            Outcome::Http(Err(error)) => {
                Next::Done(Err(Error::Transport { endpoint: Endpoint::Token, error }))
            }
            Outcome::Waited
            | Outcome::Shown(_)
            | Outcome::Locked(_)
            | Outcome::Loaded(_)
            | Outcome::Store(_)
            | Outcome::Kept(_) => Next::Done(Err(Error::OutOfOrder)),
        }
    }
}
