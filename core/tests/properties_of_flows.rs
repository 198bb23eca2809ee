//! Flows against a world that gives any response: they never panic, never send a code twice, never
//! send a token to a foreign host, and always give back their lock.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::fmt::Debug;

use proptest::collection::vec;
use proptest::prelude::*;
use support::*;
use twg_core::atlassian::sites::SitesRequest;
use twg_core::authorized::AuthorizedFlow;
use twg_core::client::Registered;
use twg_core::credential::StagedReply;
use twg_core::entropy::Entropy;
use twg_core::flow::{
    Effect, Flow, LockError, Outcome, StoreError, StoreErrorKind, UserAgentError,
};
use twg_core::http::{HttpRequest, TransportError, TransportFailure};
use twg_core::identity::IdentityRequest;
use twg_core::login::LoginFlow;
use twg_core::logout::LogoutFlow;
use twg_core::provider::Grant;
use twg_core::refresh::{How, Need, RefreshFlow};
use twg_core::secret::Secret;
use twg_core::time::UnixTime;

/// One choice of the world: its response, and the change of its clock.
type Choice = (u8, u8);

/// The response of a good server.
fn fitting(request: &HttpRequest) -> Answer {
    match request.url.as_str() {
        "https://as.example/device" => device_answer(r#","expires_in":60,"interval":5"#).into(),
        "https://as.example/token" => tokens().into(),
        "https://api.example/me" => json(200, r#"{"sub":"1","name":"Ada"}"#).into(),
        "https://api.example/sites" => json(200, r#"[{"id":"site-1"},{"id":"site-1"}]"#).into(),
        _ => json(200, "").into(),
    }
}

fn http(request: &HttpRequest, choice: u8) -> Outcome {
    let metadata = r#"{"issuer":"https://as.example","token_endpoint":"https://as.example/token",
        "authorization_endpoint":"https://as.example/authorize",
        "device_authorization_endpoint":"https://as.example/device",
        "revocation_endpoint":"https://as.example/revoke",
        "userinfo_endpoint":"https://api.example/me"}"#;
    let evil = r#"{"access_token":"CANARY-access","refresh_token":"CANARY-refresh",
        "token_endpoint":"https://evil.example","revocation_endpoint":"https://evil.example",
        "issuer":"https://evil.example","scope":"\u001b"}"#;
    let answer: Answer = match choice % 24 {
        _ if choice >= 96 => fitting(request),
        0..4 => tokens().into(),
        4..7 => device_answer(r#","expires_in":60,"interval":5"#).into(),
        7 => device_answer(r#","expires_in":0,"interval":18446744073709551615"#).into(),
        8 | 9 => json(200, metadata).into(),
        10 => json(200, evil).into(),
        11 | 12 => json(200, "[{}]").into(),
        13 => oauth_error(400, "authorization_pending").into(),
        14 => oauth_error(429, "slow_down").into(),
        15 => oauth_error(400, "invalid_grant").into(),
        16 => json(
            401,
            r#"{"error":"invalid_client","error_description":"grant_type is not enabled"}"#,
        )
        .into(),
        17 => html(404).into(),
        18 => with_headers(503, &[("retry-after", "18446744073709551615")], "").into(),
        19 => with_headers(307, &[("location", "https://evil.example/token")], "").into(),
        20 => html(200).into(),
        21 => timeout().into(),
        22 => TransportError::NotSent(TransportFailure::Connect).into(),
        _ => json(200, "{}").into(),
    };
    Outcome::Http(answer.0)
}

fn store_error(choice: u8) -> StoreError {
    let kind = match choice % 4 {
        0 => StoreErrorKind::CannotCreate,
        1 => StoreErrorKind::CannotWrite,
        2 => StoreErrorKind::CannotRead,
        _ => StoreErrorKind::Changed,
    };
    StoreError { kind, place: "/store".to_owned(), detail: "no".to_owned() }
}

fn redirect(choice: u8) -> Outcome {
    let right = state();
    let url = match choice % 9 {
        0..4 => redirect_with(&[("state", &right), ("code", "CANARY-code")]),
        4 => redirect_with(&[("state", &right), ("error", "access_denied")]),
        5 => redirect_with(&[("state", "x"), ("code", "CANARY-code")]),
        6 => redirect_with(&[("code", "CANARY-code")]),
        7 => "https://evil.example/".to_owned(),
        _ => return Outcome::Redirected(Err(UserAgentError::TimedOut)),
    };
    Outcome::Redirected(Ok(Secret::new(url)))
}

/// An outcome of `effect`, good or bad.
fn answer(effect: &Effect, choice: u8, stored: &Option<String>) -> Outcome {
    let good = !choice.is_multiple_of(8);
    let stored_now = || stored.as_deref().map(Secret::new);
    match effect {
        Effect::SendHttp(request) => http(request, choice),
        Effect::WaitUntil(_) => Outcome::Waited,
        Effect::ShowUserCode(_) if good => Outcome::Shown(Ok(())),
        Effect::ShowUserCode(_) => Outcome::Shown(Err(UserAgentError::Closed)),
        Effect::ObtainRedirectUri(_) if good => Outcome::RedirectUri(Ok(REDIRECT_URI.to_owned())),
        Effect::ObtainRedirectUri(_) => Outcome::RedirectUri(Err(UserAgentError::PortBusy(1))),
        Effect::OpenUserAgent(_) | Effect::AwaitRedirect { .. } => redirect(choice),
        Effect::Notify(_) | Effect::ReleaseLock(_) | Effect::ArmRecovery { .. } => {
            Outcome::Notified
        }
        Effect::AcquireLock { .. } if good => Outcome::Locked(Ok(())),
        Effect::AcquireLock { .. } => Outcome::Locked(Err(LockError::TimedOut { holder: None })),
        Effect::LoadRecord(_) => match choice % 8 {
            0 => Outcome::Loaded(Err(store_error(choice / 8))),
            1 => Outcome::Loaded(Ok(Some(Secret::new("CANARY torn")))),
            2 => Outcome::Loaded(Ok(Some(Secret::new(r#"{"schema_version":2}"#)))),
            3 => Outcome::Loaded(Ok(None)),
            4 => Outcome::Loaded(Ok(Some(Secret::new(old_record())))),
            _ => Outcome::Loaded(Ok(stored_now())),
        },
        Effect::PreflightStore(_)
        | Effect::ReplaceRecord { .. }
        | Effect::RemoveRecord(_)
        | Effect::OpenStage { .. }
        | Effect::DiscardStage { .. } => {
            Outcome::Store(if good { Ok(()) } else { Err(store_error(choice / 8)) })
        }
        Effect::LoadStage { id, .. } | Effect::LoadRescue { id, .. } => match choice % 8 {
            0 => Outcome::Loaded(Err(store_error(choice / 8))),
            1 => Outcome::Loaded(Ok(Some(Secret::new("CANARY torn")))),
            2 => Outcome::Loaded(Ok(Some(Secret::new("\0\0\0")))),
            3 => Outcome::Loaded(Ok(Some(StagedReply::write(id, &tokens())))),
            4 => Outcome::Loaded(Ok(Some(StagedReply::write(id, &html(502))))),
            _ => Outcome::Loaded(Ok(None)),
        },
        Effect::SetAsideRecord(_)
        | Effect::SetAsideStage { .. }
        | Effect::StageReply { .. }
        | Effect::RescueReply { .. } => {
            Outcome::Kept(if good { Ok("/aside".to_owned()) } else { Err(store_error(choice / 8)) })
        }
    }
}

/// Checks that each secret goes only to the hosts that may have it.
fn assert_goes_home(request: &HttpRequest) {
    let mut all = format!("{} {}", request.url, request.body.expose());
    for (_, value) in &request.headers {
        all.push_str(value.expose());
    }
    let host = url(request.url.as_str()).host();
    let allowed: &[&str] = if all.contains("refresh") && all.contains("CANARY-refresh")
        || all.contains("CANARY-old-refresh")
        || all.contains("CANARY-code")
        || all.contains("CANARY-device-code")
        || all.contains(&verifier())
    {
        &["as.example"]
    } else if all.contains("CANARY") {
        &["as.example", "api.example"]
    } else {
        return assert!(!all.contains("Bearer"));
    };
    assert!(allowed.contains(&host.as_str()), "a secret goes to {host}");
    assert!(!request.url.contains("CANARY"), "a secret in a URL");
}

/// Lets the world respond as it chooses until its choices end. `Play` checks the rest: step ids,
/// locks, and that nothing secret is shown.
fn drive<F: Flow + Debug>(
    flow: F,
    choices: &[Choice],
    mut restore: impl FnMut(&F) -> Option<F>,
) -> Option<F::Output>
where
    F::Output: Debug,
{
    let mut play = Play::begin(flow);
    let mut codes_sent = 0;
    let mut has_intent = false;
    // Half of the runs begin with a due login, so that there is something to refresh.
    let mut stored = choices.first().filter(|(choice, _)| choice % 2 == 0).map(|_| stored_login());
    for (choice, clock) in choices {
        if play.is_done() {
            break;
        }
        let now = match clock % 8 {
            0 => play.now.plus(secs(86_400)),
            1 => UnixTime::from_millis(play.now.as_millis().saturating_sub(86_400_000)),
            2 => UnixTime::from_millis(u64::MAX),
            3 => UnixTime::EPOCH,
            _ => play.now.plus(secs(u64::from(*clock))),
        };
        if clock % 16 == 5
            && let Some(restored) = restore(&play.flow)
        {
            play.killed();
            play = Play::begin_at(restored, now);
            continue;
        }
        play.now = now;
        let effect = play.effect().clone();
        match &effect {
            Effect::SendHttp(request) => {
                assert_goes_home(request);
                codes_sent += usize::from(request.body.expose().contains("CANARY-code"));
                assert!(codes_sent <= 1, "the code is sent twice\n{}", play.story());
                let refreshes = request.body.expose().contains("grant_type=refresh_token");
                assert!(!refreshes || has_intent, "sent without an intent\n{}", play.story());
                has_intent = false;
            }
            Effect::ReplaceRecord { bytes, .. } => {
                let is_good = !choice.is_multiple_of(8);
                has_intent = is_good && parsed(bytes.expose()).pending.is_some();
                if is_good {
                    stored = Some(bytes.expose().to_owned());
                }
            }
            _ => {}
        }
        play.answer(answer(&effect, *choice, &stored));
    }
    if play.is_done() {
        return Some(play.done());
    }
    play.killed();
    None
}

/// A stored login whose token is due, with an account to ask for.
fn stored_login() -> String {
    let issued_at = UnixTime::from_millis(T0.as_millis() - 50 * 60_000);
    record_of(&profile_with_api(), issued_at).to_json().expose().to_owned()
}

fn suspend_and_restore(flow: &LoginFlow) -> Option<LoginFlow> {
    let text = flow.suspend()?;
    Some(LoginFlow::restore(text.expose()).expect("it was just written"))
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() }
}

fn choices() -> impl Strategy<Value = Vec<Choice>> {
    vec(any::<Choice>(), 0..60)
}

proptest! {
    #![proptest_config(config())]

    /// A7, A26, A30, A85: sign-ins of every kind, also suspended and restored on the way.
    #[test]
    fn logins(
        choices in choices(),
        grants in vec(
            prop_oneof![Just(Grant::DeviceCode), Just(Grant::AuthorizationCode)], 0..3
        ),
        discover in any::<bool>(),
        confidential in any::<bool>(),
        ends_grant in any::<bool>(),
    ) {
        let mut profile = profile_with_api();
        profile.revocation_ends_grant = ends_grant;
        if discover {
            profile.endpoints = twg_core::provider::Endpoints::default();
        }
        let mut request = request(profile, &grants);
        if confidential {
            request.client = confidential_client();
        }
        drive(sign_in(request), &choices, suspend_and_restore);
    }

    /// A70: sign-outs.
    #[test]
    fn logouts(choices in choices(), confidential in any::<bool>()) {
        let client = if confidential { confidential_client() } else { public_client() };
        let registered = Registered { profile: profile_with_api(), client: Some(client) };
        drive(LogoutFlow::sign_out(key(), Some(registered)), &choices, |_| None);
    }

    /// A30, A33: refreshes of every kind: no panic, the lock is given back, and nothing is sent
    /// before an intent is written.
    #[test]
    fn refreshes(choices in choices(), need in 0..4, leeway in prop_oneof![Just(0), Just(30), Just(600)]) {
        let need = match need {
            0 => Need::Live,
            1 => Need::Due(secs(900)),
            2 => Need::Now,
            _ => Need::Other(Secret::new("CANARY-old-access")),
        };
        let mut profile = profile_with_api();
        profile.reuse_leeway_seconds = leeway;
        let flow = RefreshFlow::refresh(refresh_of(profile, need), Entropy::new([0x5A; 32]));
        if let Some(Err(error)) = drive(flow, &choices, |_| None) {
            assert_ne!(error.code(), "INTERNAL");
        }
    }

    /// A26, A30: requests with a token, with and without a refresh.
    #[test]
    fn resources(choices in choices()) {
        let profile = profile_with_api();
        let refresh = || refresh_of(profile.clone(), Need::Live);
        let entropy = || Entropy::new([0x5A; 32]);
        let sites = SitesRequest::new(profile.clone());
        drive(AuthorizedFlow::request(sites, refresh(), entropy()), &choices, |_| None);
        let identity = IdentityRequest::new(profile.clone());
        drive(AuthorizedFlow::request(identity, refresh(), entropy()), &choices, |_| None);
    }
}

/// The properties above would mean little if no login succeeded. Logins succeed with both grants,
/// and many are refused.
#[test]
fn some_sign_ins_succeed_and_some_fail() {
    for grant in [Grant::DeviceCode, Grant::AuthorizationCode] {
        let (mut succeeded, mut failed) = (0, 0);
        let mut random = 1_u64;
        for _ in 0..200 {
            let choices: Vec<Choice> = (0..60)
                .map(|_| {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let [a, b, ..] = random.to_be_bytes();
                    (a, b)
                })
                .collect();
            let flow = sign_in(request(profile_with_api(), &[grant]));
            match drive(flow, &choices, suspend_and_restore) {
                Some(Ok(_)) => succeeded += 1,
                Some(Err(_)) => failed += 1,
                None => {}
            }
        }
        assert!(succeeded >= 10 && failed >= 10, "{grant}: {succeeded} in, {failed} out");
    }
}

/// The same for refreshes: some succeed, some fail, and some finish what an earlier process began.
#[test]
fn some_refreshes_succeed_and_some_fail() {
    let (mut succeeded, mut failed, mut sent_nothing) = (0, 0, 0);
    let mut random = 1_u64;
    for _ in 0..400 {
        let mut choices: Vec<Choice> = (0..60)
            .map(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let [a, b, ..] = random.to_be_bytes();
                (a, b | 4)
            })
            .collect();
        choices[0].0 |= 2;
        let flow = RefreshFlow::refresh(
            refresh_of(profile_with_api(), Need::Now),
            Entropy::new([0x5A; 32]),
        );
        match drive(flow, &choices, |_| None) {
            Some(Ok(done)) if matches!(done.how, How::Refreshed | How::Recovered) => succeeded += 1,
            Some(Ok(_)) => sent_nothing += 1,
            Some(Err(_)) => failed += 1,
            None => {}
        }
    }
    assert!(succeeded >= 10 && failed >= 10, "{succeeded}, {failed}, {sent_nothing}");
}
