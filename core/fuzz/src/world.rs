//! A world whose responses the input chooses. Where the input has ended, every response is a good
//! one.

use std::fmt::Debug;

use twg_core::credential::{AttemptId, StagedReply};
use twg_core::flow::{
    Effect, Flow, LockError, Misuse, Outcome, Step, StepId, StoreError, StoreErrorKind,
    UserAgentError,
};
use twg_core::http::{HttpRequest, HttpResponse, TransportError, TransportFailure};
use twg_core::login::LoginFlow;
use twg_core::refresh::RefreshFlow;
use twg_core::secret::Secret;
use twg_core::time::{Now, Span, UnixTime};

use crate::memory::Memory;
use crate::{RefreshWatch, STATE, Watch};

/// The input, read byte by byte. After its end every byte is zero, and zero is always the good
/// choice.
#[derive(Debug)]
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    #[must_use]
    pub const fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u8) -> u8 {
        self.byte() % end
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = self.byte().into();
        self.take(length)
    }

    fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// With good responses alone, every flow ends within this number of steps.
const PATIENCE: u32 = 2000;

pub struct World<'a> {
    pub choices: Choices<'a>,
    pub watch: Watch,
    now: UnixTime,
    uptime: Span,
    machine: Memory,
    /// The state that redirects must carry.
    state: String,
}

impl<'a> World<'a> {
    #[must_use]
    pub fn new(choices: Choices<'a>, watch: Watch) -> Self {
        let now = UnixTime::from_millis(1_700_000_000_000);
        Self {
            choices,
            watch,
            now,
            uptime: Span::ZERO,
            machine: Memory::default(),
            state: STATE.to_owned(),
        }
    }

    /// The store holds this record.
    pub fn store(&mut self, record: &str) {
        self.machine.record = Some(Secret::new(record));
    }

    /// A login waits for a redirect to this URI, with this state.
    pub fn expect_redirect(&mut self, redirect_uri: String, state: String) {
        self.machine.redirect_uri = redirect_uri;
        self.state = state;
    }

    /// Drives a refresh to its end, or to the point where the input kills its process. The next
    /// process finds what this one left behind.
    pub fn refresh(&mut self, mut flow: RefreshFlow, mut watch: RefreshWatch) {
        let mut step = flow.begin(self.clocks()).expect("a flow that has not begun can begin");
        for _ in 0..PATIENCE {
            let (id, effect) = match step {
                Step::Done(result) => return watch.done(&result),
                Step::Perform(id, effect) => (id, effect),
            };
            watch.step(&effect);
            self.pass();
            if self.choices.below(16) == 15 {
                return;
            }
            let outcome = self.answer(&effect);
            watch.answer(&effect, &outcome);
            step = flow.resume(id, outcome, self.clocks()).expect("the outcome fits the effect");
        }
        panic!("the flow never ends");
    }

    /// Drives a login to its end, or to the point where the input kills its process.
    pub fn drive(mut self, mut flow: LoginFlow) {
        let mut step = flow.begin(self.now).expect("a flow that has not begun can begin");
        let mut patience = PATIENCE;
        loop {
            self.watch.sees(&format!("{flow:?}"));
            let (id, effect) = match step {
                Step::Done(result) => {
                    self.watch.done(&result);
                    assert!(matches!(flow.begin(self.now), Err(Misuse::NotWaiting)));
                    return;
                }
                Step::Perform(id, effect) => (id, effect),
            };
            self.watch.step(id, &effect);
            if self.choices.is_empty() {
                patience -= 1;
                assert!(patience > 0, "the flow never ends");
            }
            self.pass();
            match self.choices.below(16) {
                13 => self.misuse(&mut flow, id, &effect),
                14 => {
                    if let Some(restored) = self.suspend(&flow) {
                        flow = restored;
                        step = flow.begin(self.now).expect("a flow that has not begun can begin");
                        continue;
                    }
                }
                15 => return,
                _ => {}
            }
            let outcome = self.answer(&effect);
            self.watch.answer(&effect, &outcome);
            step = flow.resume(id, outcome, self.now).expect("the outcome fits the effect");
        }
    }

    fn clocks(&self) -> Now {
        Now { wall: self.now, uptime: Some(self.uptime) }
    }

    /// Time passes, or the clock changes.
    fn pass(&mut self) {
        self.uptime = self.uptime.plus(Span::from_secs(self.choices.byte().into()));
        self.now = match self.choices.byte() {
            255 => UnixTime::from_millis(u64::MAX),
            254 => UnixTime::EPOCH,
            253 => UnixTime::from_millis(self.now.as_millis().saturating_sub(86_400_000)),
            252 => self.now.plus(Span::from_days(1)),
            0 => self.now.plus(Span::from_secs(5)),
            seconds => self.now.plus(Span::from_secs(seconds.into())),
        };
    }

    /// Mistakes of a shell, none of which may change anything.
    fn misuse(&mut self, flow: &mut LoginFlow, id: StepId, effect: &Effect) {
        let stale = StepId::from_raw(id.get().wrapping_sub(1));
        let misuse = flow.resume(stale, Outcome::Waited, self.now);
        assert!(matches!(misuse, Err(Misuse::StaleStep)));
        let wrong = match effect {
            Effect::WaitUntil(_) => Outcome::Notified,
            _ => Outcome::Waited,
        };
        assert!(matches!(flow.resume(id, wrong, self.now), Err(Misuse::WrongOutcome)));
        match flow.begin(self.now) {
            Ok(Step::Perform(again, _)) => assert_eq!(again, id),
            _ => panic!("the flow no longer waits"),
        }
    }

    fn suspend(&mut self, flow: &LoginFlow) -> Option<LoginFlow> {
        let text = flow.suspend()?;
        self.watch.suspended();
        let restored = LoginFlow::restore(text.expose())
            .expect("a login that was just suspended can be restored");
        let again = restored.suspend().expect("it waits");
        assert_eq!(again.expose(), text.expose(), "the restored login lost something");
        Some(restored)
    }

    fn answer(&mut self, effect: &Effect) -> Outcome {
        let good = self.choices.below(8) != 7;
        match effect {
            Effect::SendHttp(request) => Outcome::Http(self.http(request)),
            Effect::WaitUntil(until) => {
                self.now = self.now.max(*until);
                Outcome::Waited
            }
            Effect::AwaitRedirect { deadline }
                if self.now > *deadline || self.choices.is_empty() =>
            {
                Outcome::Redirected(Err(UserAgentError::TimedOut))
            }
            Effect::OpenUserAgent(_) | Effect::AwaitRedirect { .. } if good => {
                Outcome::Redirected(Ok(Secret::new(self.redirect())))
            }
            Effect::LoadRecord(_) if good => Outcome::Loaded(Ok(self.record().map(Secret::new))),
            Effect::LoadStage { id, .. } | Effect::LoadRescue { id, .. } if good => {
                Outcome::Loaded(Ok(self.stage(id).map(Secret::new)))
            }
            effect if good => self.machine.perform(effect),
            effect => self.failure(effect),
        }
    }

    fn failure(&mut self, effect: &Effect) -> Outcome {
        match effect {
            Effect::ShowUserCode(_) => Outcome::Shown(Err(self.user_agent_error())),
            Effect::ObtainRedirectUri(_) => Outcome::RedirectUri(Err(self.user_agent_error())),
            Effect::OpenUserAgent(_) | Effect::AwaitRedirect { .. } => {
                Outcome::Redirected(Err(self.user_agent_error()))
            }
            Effect::AcquireLock { .. } => Outcome::Locked(Err(match self.choices.below(2) {
                0 => LockError::TimedOut { holder: None },
                _ => LockError::Unusable(self.store_error()),
            })),
            Effect::LoadRecord(_) | Effect::LoadStage { .. } | Effect::LoadRescue { .. } => {
                Outcome::Loaded(Err(self.store_error()))
            }
            Effect::PreflightStore(_)
            | Effect::ReplaceRecord { .. }
            | Effect::RemoveRecord(_)
            | Effect::OpenStage { .. }
            | Effect::DiscardStage { .. } => Outcome::Store(Err(self.store_error())),
            Effect::SetAsideRecord(_)
            | Effect::SetAsideStage { .. }
            | Effect::StageReply { .. }
            | Effect::RescueReply { .. } => Outcome::Kept(Err(self.store_error())),
            cannot_fail => self.machine.perform(cannot_fail),
        }
    }

    fn user_agent_error(&mut self) -> UserAgentError {
        match self.choices.below(4) {
            0 => UserAgentError::Closed,
            1 => UserAgentError::TimedOut,
            2 => UserAgentError::PortBusy(7998),
            _ => UserAgentError::Unavailable("there is no display".to_owned()),
        }
    }

    fn store_error(&mut self) -> StoreError {
        let kind = match self.choices.below(4) {
            0 => StoreErrorKind::CannotCreate,
            1 => StoreErrorKind::CannotWrite,
            2 => StoreErrorKind::CannotRead,
            _ => StoreErrorKind::Changed,
        };
        StoreError { kind, place: "/store/record".to_owned(), detail: "no".to_owned() }
    }

    fn record(&mut self) -> Option<String> {
        let old = include_str!("../answers/old_record.json");
        match self.choices.below(6) {
            0 => text_of(self.machine.record.as_ref()),
            1 => Some(old.to_owned()),
            2 => Some(String::from_utf8_lossy(&self.mutated(old)).into_owned()),
            3 => Some(r#"{"schema_version":2,"token":"CANARY"}"#.to_owned()),
            4 => Some(self.choices.text()),
            _ => None,
        }
    }

    /// The content of the stage: what the flow wrote, a response of that attempt, or anything.
    fn stage(&mut self, id: &AttemptId) -> Option<String> {
        match self.choices.below(5) {
            0 => text_of(self.machine.reply.as_ref()),
            1 => Some("\0".repeat(100)),
            2 => {
                let reply = response(self.status(), include_bytes!("../answers/tokens.json"));
                Some(StagedReply::write(id, &reply).expose().to_owned())
            }
            3 => {
                let reply = response(200, include_bytes!("../answers/tokens.json"));
                let whole = StagedReply::write(id, &reply);
                Some(String::from_utf8_lossy(&self.mutated(whole.expose())).into_owned())
            }
            _ => Some(self.choices.text()),
        }
    }

    /// A redirect to the right place with any parameters, or any text.
    fn redirect(&mut self) -> String {
        let base = match self.choices.below(16) {
            14 => "https://evil.example/".to_owned(),
            15 => {
                let text = self.choices.text();
                self.watch.hears_parameter("anything", &text);
                return text;
            }
            _ => self.machine.redirect_uri.clone(),
        };
        let Ok(mut url) = url::Url::parse(&base) else { return base };
        let count = self.choices.below(8);
        if count == 0 {
            let right = [("state", self.state.as_str()), ("code", "CANARY-code")];
            url.query_pairs_mut().extend_pairs(right);
            return url.into();
        }
        for _ in 0..count {
            let name = match self.choices.below(8) {
                0 | 1 => "state",
                2 | 3 => "code",
                4 => "iss",
                5 => "error",
                6 => "error_description",
                _ => "",
            };
            let value = match self.choices.below(6) {
                0 if name == "state" => self.state.clone(),
                0 if name == "code" => "CANARY-code".to_owned(),
                0 if name == "iss" => "https://as.example".to_owned(),
                0 => "access_denied".to_owned(),
                1 => self.state.clone(),
                2 => "CANARY-code".to_owned(),
                3 => String::new(),
                4 => "https://auth.atlassian.com".to_owned(),
                _ => self.choices.text(),
            };
            self.watch.hears_parameter(name, &value);
            url.query_pairs_mut().append_pair(name, &value);
        }
        url.into()
    }

    fn http(&mut self, request: &HttpRequest) -> Result<HttpResponse, TransportError> {
        let good = fitting(request);
        let other = match self.choices.below(20) {
            0..8 => return Ok(response(200, good.as_bytes())),
            8 => r#"{"error":"authorization_pending"}"#,
            9 => r#"{"error":"slow_down","interval":7,"access_token":"CANARY"}"#,
            10 => {
                r#"{"error":"invalid_client","error_description":"grant_type is not enabled for client"}"#
            }
            11 => r#"{"error":"invalid_grant","error_description":"\u001b]8;;\u202e"}"#,
            12 => "<html>CANARY",
            13 => {
                r#"{"access_token":"CANARY","refresh_token":"CANARY-old-refresh","token_type":"bearer"}"#
            }
            14 => include_str!("../answers/hostile_metadata.json"),
            15 => {
                let failure = match self.choices.below(7) {
                    0 => TransportFailure::Timeout,
                    1 => TransportFailure::Connect,
                    2 => TransportFailure::Interrupted,
                    3 => TransportFailure::TooLarge,
                    4 => TransportFailure::Tls,
                    5 => TransportFailure::NameResolution,
                    _ => TransportFailure::Other("something else".to_owned()),
                };
                return Err(match self.choices.below(2) {
                    0 => TransportError::Unknown(failure),
                    _ => TransportError::NotSent(failure),
                });
            }
            16 => {
                let body = self.choices.bytes();
                return Ok(response(self.status(), body));
            }
            17 => "",
            _ => {
                let body = self.mutated(&good);
                return Ok(response(self.status(), &body));
            }
        };
        let mut response = response(self.status(), other.as_bytes());
        if self.choices.below(4) == 3 {
            response.headers.push(("retry-after".to_owned(), self.choices.text()));
            response.headers.push(("location".to_owned(), "https://evil.example/".to_owned()));
        }
        Ok(response)
    }

    fn status(&mut self) -> u16 {
        match self.choices.below(12) {
            0..3 => 400,
            3..6 => 200,
            6 => 401,
            7 => 403,
            8 => 404,
            9 => 429,
            10 => 307,
            _ => u16::from(self.choices.byte()) * 3,
        }
    }

    /// `text` with a few cuts and insertions.
    fn mutated(&mut self, text: &str) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..=self.choices.below(3) {
            let at = usize::from(self.choices.byte()) * 2 + usize::from(self.choices.below(2));
            let from = at.min(bytes.len());
            let to = (from + usize::from(self.choices.byte())).min(bytes.len());
            bytes.splice(from..to, self.choices.bytes().iter().copied());
        }
        bytes
    }
}

fn text_of(secret: Option<&Secret>) -> Option<String> {
    secret.map(|secret| secret.expose().to_owned())
}

fn response(status: u16, body: &[u8]) -> HttpResponse {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    HttpResponse { status, headers, body: body.to_vec() }
}

/// The response of a good server.
fn fitting(request: &HttpRequest) -> String {
    let address = request.url.as_str();
    let ends = |ends: &[&str]| ends.iter().any(|end| address.ends_with(end));
    if address.contains("/.well-known/") {
        include_str!("../answers/metadata.json").to_owned()
    } else if ends(&["/device", "/device/code"]) {
        include_str!("../answers/device.json").to_owned()
    } else if ends(&["/token", "/access_token"]) {
        include_str!("../answers/tokens.json").to_owned()
    } else if ends(&["/me", "/user"]) {
        r#"{"sub":"1","account_id":"1","name":"Ada","email":"ada@example.com"}"#.to_owned()
    } else if ends(&["/sites", "/accessible-resources"]) {
        r#"[{"id":"1","name":"One","url":"https://one.atlassian.net","scopes":["read"]}]"#
            .to_owned()
    } else {
        "{}".to_owned()
    }
}
