//! The device authorization grant, for a browser anywhere. RFC 8628.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Serialize;
use serde_json::{Map, Value};

use super::request::LoginRequest;
use crate::authorization_server::AuthorizationServer;
use crate::client::{RequestStyle, authenticated_request};
use crate::endpoint_url::EndpointUrl;
use crate::error::{Endpoint, Error};
use crate::flow::{DevicePrompt, Effect, Machine, Next, Notice, Outcome, UserAgentError};
use crate::http::{HttpResponse, REQUEST_TIMEOUT, TransportError};
use crate::json::{self, FromJson, Members, Mistakes};
use crate::secret::{Secret, serialize_exposed};
use crate::text::{displayable, printable};
use crate::time::{Now, Span, UnixTime};
use crate::token_endpoint::{GrantType, TokenEndpoint, TokenResponse, json_answer};

/// RFC 8628 section 3.2: "If no value is provided, clients MUST use 5 as the default."
const DEFAULT_INTERVAL: Span = Span::from_secs(5);
/// For a server that says 0. There is no longest one: section 3.5 forbids polling faster than the server asks.
const SHORTEST_INTERVAL: Span = Span::from_secs(1);
/// RFC 8628 section 3.5, `slow_down`: "the interval MUST be increased by 5 seconds for this and all subsequent
/// requests."
const SLOW_DOWN: Span = Span::from_secs(5);
/// The longest pause between two polls while the server or the network fails.
const LONGEST_PAUSE: Span = Span::from_mins(2);
/// For a server that forgets `expires_in`, which is REQUIRED.
const DEFAULT_LIFETIME: Span = Span::from_mins(15);
/// The longest wait for a code, even if the code lives longer.
const LONGEST_LIFETIME: Span = Span::from_mins(60);
/// How late a shell may check the clock again (see `Effect::WaitUntil`).
const CLOCK_CHECK: Span = Span::from_secs(35);
/// After this many failed polls in a row, the user is notified.
const NOTICEABLE: u8 = 3;
/// After this many responses with 404 or 405, that URL is not a token endpoint.
const NOTHING_THERE: u8 = 5;

/// The response of the device authorization endpoint. RFC 8628 section 3.2.
#[derive(Debug)]
struct DeviceAuthorizationResponse {
    device_code: Secret,
    user_code: String,
    verification_uri: EndpointUrl,
    verification_uri_complete: Option<EndpointUrl>,
    expires_in: Span,
    interval: Span,
}

impl DeviceAuthorizationResponse {
    fn parse(response: &HttpResponse, server: &EndpointUrl) -> Result<Self, Error> {
        let endpoint = Endpoint::DeviceAuthorization;
        let members = json_answer(response, endpoint)?;
        let text =
            |name: &str| members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let misbehaved = |what: String| Error::PeerMisbehaved { endpoint, what };
        let required =
            |name: &str| text(name).ok_or_else(|| misbehaved(format!("it has no {name}")));
        let address = |name: &str, text: &str| {
            EndpointUrl::parse_beside(server, text).map_err(|e| {
                misbehaved(format!("its {name} '{}' cannot be used: {e}", printable(text)))
            })
        };
        // Some servers still use the name of an early draft.
        let verification_uri = text("verification_uri")
            .or_else(|| text("verification_url"))
            .ok_or_else(|| misbehaved("it has no verification_uri".to_owned()))?;
        let expires_in =
            seconds(&members, "expires_in").unwrap_or(DEFAULT_LIFETIME).min(LONGEST_LIFETIME);
        let interval =
            seconds(&members, "interval").unwrap_or(DEFAULT_INTERVAL).max(SHORTEST_INTERVAL);
        // Zero is a code that has expired already, which is reported as such.
        if interval > expires_in && expires_in >= SHORTEST_INTERVAL {
            return Err(misbehaved(format!(
                "the code expires in {expires_in}, but it allows one poll in {interval}"
            )));
        }
        Ok(Self {
            device_code: Secret::new(required("device_code")?),
            user_code: displayable(required("user_code")?),
            verification_uri: address("verification_uri", verification_uri)?,
            // It is a convenience: a bad one is left out, and the user types the code.
            verification_uri_complete: text("verification_uri_complete")
                .and_then(|text| EndpointUrl::parse_beside(server, text).ok()),
            expires_in,
            interval,
        })
    }
}

fn seconds(members: &Map<String, Value>, name: &str) -> Option<Span> {
    let value = members.get(name)?;
    let number = match value.as_u64() {
        Some(number) => number,
        None => rounded_up(value.as_f64().or_else(|| json::number_in(value.as_str()?))?)?,
    };
    Some(Span::from_secs(number))
}

/// `None` if it is not a length of time.
fn rounded_up(number: f64) -> Option<u64> {
    if !number.is_finite() || number < 0.0 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is not negative, and `as` saturates at the other end, which is meant"
    )]
    let whole = number as u64;
    #[expect(clippy::cast_precision_loss, reason = "numbers without a fraction are above that")]
    let has_fraction = (whole as f64) < number;
    Some(whole.saturating_add(u64::from(has_fraction)))
}

/// A code that waits for its user. It can be saved and restored, like `PendingAuthorization`.
#[derive(Debug, Serialize)]
pub(crate) struct PendingDevice {
    #[serde(serialize_with = "serialize_exposed")]
    device_code: Secret,
    user_code: String,
    verification_uri: EndpointUrl,
    verification_uri_complete: Option<EndpointUrl>,
    /// Between polls; grows with each `slow_down` and never shrinks.
    interval: Span,
    /// Between polls while the server or the network fails; doubles, and ends with a response.
    backoff: Span,
    /// What is left of the code's life, counted by the waits rather than by the wall clock: a clock that is
    /// set, or a laptop that sleeps, must neither end a sign-in nor keep it forever. After a sleep the server
    /// decides: it sends `expired_token`.
    remaining: Span,
    last_seen: UnixTime,
    /// The response to the last poll was lost, so the code may be spent.
    reply_lost: bool,
    /// The caller set the limit, not the life of the code.
    limit_is_ours: bool,
    /// How many polls in a row failed.
    troubles: u8,
    /// How many polls got 404 or 405.
    nothing_there: u8,
}

impl FromJson for PendingDevice {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        Self {
            device_code: members.required("device_code"),
            user_code: members.required("user_code"),
            verification_uri: members.required("verification_uri"),
            verification_uri_complete: members.optional("verification_uri_complete"),
            interval: members.required("interval"),
            backoff: members.required("backoff"),
            remaining: members.required("remaining"),
            last_seen: members.required("last_seen"),
            reply_lost: members.required("reply_lost"),
            limit_is_ours: members.or_default("limit_is_ours"),
            troubles: members.or_default("troubles"),
            nothing_there: members.or_default("nothing_there"),
        }
    }
}

impl PendingDevice {
    fn new(response: DeviceAuthorizationResponse, timeout: Span, now: UnixTime) -> Self {
        Self {
            device_code: response.device_code,
            user_code: response.user_code,
            verification_uri: response.verification_uri,
            verification_uri_complete: response.verification_uri_complete,
            interval: response.interval,
            backoff: Span::ZERO,
            remaining: response.expires_in.min(timeout),
            limit_is_ours: timeout < response.expires_in,
            troubles: 0,
            last_seen: now,
            reply_lost: false,
            nothing_there: 0,
        }
    }

    /// Until the next poll: at least the interval. A failing server alone never makes it longer than the code lives.
    fn pause(&self) -> Span {
        self.interval.max(self.backoff.min(self.remaining))
    }

    /// Counts the time since the last step: at least `planned`, at most `planned + slack`.
    fn spend(&mut self, now: UnixTime, planned: Span, slack: Span) {
        let spent = now.since(self.last_seen).clamp(planned, planned.plus(slack));
        let left = self.remaining.as_millis().saturating_sub(spent.as_millis());
        self.remaining = Span::from_millis(left);
        self.last_seen = now;
    }

    /// The error when the time is over.
    const fn over(&self) -> Error {
        if self.limit_is_ours {
            Error::UserAgent(UserAgentError::TimedOut)
        } else {
            Error::CodeExpired
        }
    }

    /// RFC 8628 section 3.5: "On encountering a connection timeout, clients MUST unilaterally reduce their polling
    /// frequency before retrying. The use of an exponential backoff algorithm to achieve this, such as doubling
    /// the polling interval on each such connection timeout, is RECOMMENDED."
    fn back_off(&mut self, at_least: Option<Span>) {
        let pause = self.interval.max(self.backoff);
        let doubled = Span::from_millis(pause.as_millis().saturating_mul(2));
        self.backoff = doubled.max(at_least.unwrap_or_default()).min(LONGEST_PAUSE);
    }
}

/// Runs the grant up to the token response. A part of the sign-in.
#[derive(Debug)]
pub(crate) struct DeviceCodeGrant {
    server: AuthorizationServer,
    request: LoginRequest,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    RequestingCode,
    Waiting(PendingDevice),
}

impl DeviceCodeGrant {
    pub(crate) fn new(server: AuthorizationServer, request: &LoginRequest) -> Self {
        Self { server, request: request.clone(), phase: Phase::RequestingCode }
    }

    /// The grant with a code that was requested earlier, perhaps in another process.
    pub(crate) fn restored(mut self, pending: PendingDevice) -> Self {
        self.phase = Phase::Waiting(pending);
        self
    }

    /// The code that waits, if one does.
    pub(crate) const fn pending(&self) -> Option<&PendingDevice> {
        match &self.phase {
            Phase::Waiting(pending) => Some(pending),
            Phase::RequestingCode => None,
        }
    }

    fn code_request(&self) -> Result<Effect, Error> {
        let endpoint = self.server.device_authorization.as_ref().ok_or_else(|| {
            Error::Configuration(format!(
                "{} has no device authorization endpoint",
                self.request.profile.display_name
            ))
        })?;
        let scope = self.server.token.joined(&self.request.scopes);
        let mut parameters = Vec::new();
        if !self.request.scopes.is_empty() {
            parameters.push(("scope", scope.as_str()));
        }
        if let Some(audience) = &self.request.profile.audience {
            parameters.push(("audience", audience));
        }
        // Section 3.1 defines it as a form, even if the server wants JSON elsewhere.
        let style = RequestStyle::form(self.server.token.style.authentication);
        let client = &self.request.client;
        Ok(Effect::SendHttp(authenticated_request(endpoint, client, style, parameters)))
    }

    fn poll(&self, pending: &PendingDevice) -> Effect {
        let parameters = [("device_code", pending.device_code.expose())];
        let (client, grant_type) = (&self.request.client, GrantType::DeviceCode);
        Effect::SendHttp(self.server.token.request(client, grant_type, &parameters))
    }

    fn prompt(&self, pending: &PendingDevice, now: UnixTime) -> Effect {
        Effect::ShowUserCode(DevicePrompt {
            verification_uri: pending.verification_uri.as_str().to_owned(),
            verification_uri_complete: pending
                .verification_uri_complete
                .as_ref()
                .map(|url| url.as_str().to_owned()),
            user_code: pending.user_code.clone(),
            expires_at: now.plus(pending.remaining),
            open: self.request.open,
        })
    }

    fn code_answered(
        &mut self,
        answer: Result<HttpResponse, TransportError>,
        now: UnixTime,
    ) -> Result<Effect, Error> {
        let response = answer
            .map_err(|error| Error::Transport { endpoint: Endpoint::DeviceAuthorization, error })?;
        let server = self.server.device_authorization.as_ref().ok_or(Error::OutOfOrder)?;
        let response = DeviceAuthorizationResponse::parse(&response, server)?;
        let pending = PendingDevice::new(response, self.request.timeout, now);
        let effect = self.prompt(&pending, now);
        self.phase = Phase::Waiting(pending);
        Ok(effect)
    }
}

/// What a poll means.
enum Poll {
    /// The server said: not yet.
    Again,
    /// No response of the server came.
    Trouble(Error),
    Over(Result<TokenResponse, Error>),
}

impl PendingDevice {
    /// RFC 8628 section 3.5: "If the client receives an error response with any other error code, it MUST stop
    /// polling and SHOULD react accordingly".
    ///
    /// A failing server or network is not an error response: the user's approval must survive it.
    fn polled(
        &mut self,
        answer: Result<HttpResponse, TransportError>,
        endpoint: &TokenEndpoint,
    ) -> Poll {
        let response = match answer {
            Ok(response) => response,
            Err(error) => {
                self.reply_lost |= matches!(error, TransportError::Unknown(_));
                self.back_off(None);
                return Poll::Trouble(Error::Transport { endpoint: Endpoint::Token, error });
            }
        };
        match endpoint.parse(&response) {
            Ok(tokens) => Poll::Over(Ok(tokens)),
            Err(Error::Refused(error)) => match error.code() {
                // A response that was lost before did not hold the tokens.
                "authorization_pending" => {
                    self.reply_lost = false;
                    self.backoff = Span::ZERO;
                    Poll::Again
                }
                "slow_down" => {
                    self.reply_lost = false;
                    self.slow_down(&response);
                    Poll::Again
                }
                "expired_token" if !self.reply_lost => Poll::Over(Err(Error::CodeExpired)),
                "expired_token" | "invalid_grant" if self.reply_lost => {
                    Poll::Over(Err(Error::PeerMisbehaved {
                        endpoint: Endpoint::Token,
                        what: "it was lost on the way, and the server does not repeat it"
                            .to_owned(),
                    }))
                }
                _ => Poll::Over(Err(Error::Refused(error))),
            },
            // A bare 429 says the same as slow_down.
            Err(Error::Unavailable { status: 429, .. }) => {
                self.slow_down(&response);
                Poll::Again
            }
            Err(error @ Error::Unavailable { status, retry_after, .. }) => {
                // 503 means that it was not done; a gateway that sends 502 or 504 does not know.
                self.reply_lost |= status != 503;
                self.back_off(retry_after);
                Poll::Trouble(error)
            }
            // A proxy's page, or the torn half of a response, which may have held the tokens.
            Err(error @ Error::NotOAuth { status, .. }) => {
                if matches!(status, 404 | 405) {
                    self.nothing_there += 1;
                    if self.nothing_there == NOTHING_THERE {
                        let endpoint = Endpoint::Token;
                        return Poll::Over(Err(Error::NotOAuth { endpoint, status }));
                    }
                }
                self.reply_lost |= matches!(status, 200..=299);
                self.back_off(None);
                Poll::Trouble(error)
            }
            Err(error) => Poll::Over(Err(error)),
        }
    }

    /// Five seconds more, or what the server asks for if that is longer, for the rest of the sign-in.
    /// `Retry-After` often comes from a proxy, so it is capped.
    fn slow_down(&mut self, response: &HttpResponse) {
        let members = json::object_in(&response.body);
        let asked = members.as_ref().and_then(|members| seconds(members, "interval"));
        let retry_after = response.retry_after().map(|span| span.min(LONGEST_PAUSE));
        let asked = asked.max(retry_after).unwrap_or_default();
        self.interval = self.interval.plus(SLOW_DOWN).max(asked);
        self.backoff = Span::ZERO;
    }
}

impl Machine for DeviceCodeGrant {
    type Output = Result<TokenResponse, Error>;

    fn start(&mut self, now: Now) -> Next<Self::Output> {
        let effect = match &mut self.phase {
            Phase::RequestingCode => self.code_request(),
            // The user may have approved while no process waited: show the code again, and go on.
            Phase::Waiting(pending) => {
                pending.last_seen = now.wall;
                self.pending()
                    .map(|pending| self.prompt(pending, now.wall))
                    .ok_or(Error::OutOfOrder)
            }
        };
        next(effect)
    }

    fn advance(&mut self, outcome: Outcome, now: Now) -> Next<Self::Output> {
        let pending = match (&mut self.phase, outcome) {
            (Phase::RequestingCode, Outcome::Http(answer)) => {
                return next(self.code_answered(answer, now.wall));
            }
            (Phase::Waiting(_), Outcome::Shown(Err(error))) => {
                return Next::Done(Err(Error::UserAgent(error)));
            }
            (Phase::Waiting(pending), Outcome::Notified) => pending,
            (Phase::Waiting(pending), Outcome::Shown(Ok(()))) => {
                pending.spend(now.wall, Span::ZERO, REQUEST_TIMEOUT);
                pending
            }
            (Phase::Waiting(pending), Outcome::Waited) => {
                let planned = pending.pause();
                pending.spend(now.wall, planned, CLOCK_CHECK);
                return match self.pending() {
                    Some(pending) => Next::Perform(self.poll(pending)),
                    None => Next::Done(Err(Error::OutOfOrder)),
                };
            }
            (Phase::Waiting(pending), Outcome::Http(answer)) => {
                pending.spend(now.wall, Span::ZERO, REQUEST_TIMEOUT);
                match pending.polled(answer, &self.server.token) {
                    Poll::Over(result) => return Next::Done(result),
                    Poll::Again => {
                        pending.troubles = 0;
                        pending
                    }
                    Poll::Trouble(error) => {
                        pending.troubles = pending.troubles.saturating_add(1);
                        if pending.troubles == NOTICEABLE {
                            let trouble = Notice::StillTrying(error.to_string());
                            return Next::Perform(Effect::Notify(trouble));
                        }
                        pending
                    }
                }
            }
            _ => return Next::Done(Err(Error::OutOfOrder)),
        };
        // Section 3.5: wait the interval between polls. That includes the first poll, because no user
        // approves within it. A poll that would come after the end is not sent.
        let pause = pending.pause();
        if pause > pending.remaining {
            return Next::Done(Err(pending.over()));
        }
        Next::Perform(Effect::WaitUntil(now.wall.plus(pause)))
    }
}

fn next<T>(effect: Result<Effect, Error>) -> Next<Result<T, Error>> {
    match effect {
        Ok(effect) => Next::Perform(effect),
        Err(error) => Next::Done(Err(error)),
    }
}
