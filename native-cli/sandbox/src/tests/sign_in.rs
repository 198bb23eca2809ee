//! Sign-ins with a device code and in the browser, and every reason to refuse one.

use serde_json::json;

use super::{Sandbox, Tokens, VERIFIER, authorize_url, listen, param};
use crate::approve;
use crate::clients::{DEVICE_CLIENT, THREE_LO_CLIENT, THREE_LO_SECRET};

#[test]
fn a_device_code_from_the_first_poll_to_the_last() {
    let sandbox = Sandbox::new("");
    let asked = sandbox.device_code();
    let code = asked.text("device_code");
    assert_eq!(asked.json()["interval"], 5);
    assert_eq!(asked.text("verification_uri"), format!("{}/oauth/activate", sandbox.base()));
    assert_eq!(sandbox.poll(&code).outcome(), (403, "authorization_pending".into()));
    let hasty = sandbox.poll(&code);
    assert_eq!(hasty.outcome(), (429, "slow_down".into()));
    assert_eq!(
        hasty.text("error_description"),
        "You are polling faster than the specified interval of 5 seconds."
    );
    sandbox.advance(5);
    let approval = approve(&asked.text("verification_uri_complete"), sandbox.base()).unwrap();
    assert_eq!(
        approval.pages,
        [
            "Connect a device",
            "Select your organization",
            "Select a site",
            "Review the permissions",
            "You are connected"
        ]
    );
    assert_eq!(approval.client_status, None);
    let got = sandbox.poll(&code);
    let body = got.json();
    assert_eq!((got.status, &body["expires_in"]), (200, &json!(3600)), "{body}");
    assert_eq!(body["token_type"], "Bearer");
    assert!(got.text("access_token").starts_with("eyJraW"));
    assert_eq!(got.header("cache-control"), Some("no-store"));
    assert_eq!(sandbox.poll(&code).outcome(), (403, "invalid_grant".into()));
    assert!(approve(&asked.text("verification_uri_complete"), sandbox.base()).is_err());
}

#[test]
fn device_variants() {
    let sandbox =
        Sandbox::new("device-errors=rfc,slow-down=once,device-expires=60,device-interval=1");
    let asked = sandbox.device_code();
    let code = asked.text("device_code");
    assert_eq!(sandbox.poll(&code).outcome(), (400, "slow_down".into()));
    sandbox.advance(1);
    assert_eq!(sandbox.poll(&code).outcome(), (400, "authorization_pending".into()));
    sandbox.advance(60);
    assert_eq!(sandbox.poll(&code).outcome(), (400, "expired_token".into()));
    assert_eq!(sandbox.poll(&code).outcome(), (400, "invalid_grant".into()));

    sandbox.switch("slow-down", "never");
    sandbox.switch("decision", "deny");
    let code = sandbox.device_code().text("device_code");
    assert_eq!(sandbox.poll(&code).outcome(), (400, "access_denied".into()));

    sandbox.switch("device-grant", "off");
    let refused = sandbox.device_code();
    assert_eq!(refused.outcome(), (400, "invalid_client".into()));
    assert_eq!(refused.text("error_description"), "grant_type is not enabled for client");
}

#[test]
fn the_user_types_denies_and_comes_too_late() {
    let sandbox = Sandbox::new("");
    let asked = sandbox.device_code();
    let ticket = sandbox.page("/oauth/activate").ticket();
    let form = |ticket: &str, code: &str| {
        sandbox.post("/oauth/activate", &[("ticket", ticket), ("user_code", code)])
    };
    let wrong = form(&ticket, "AAAA-AAAA");
    assert_eq!(wrong.status, 400);
    assert!(wrong.body.contains("role=\"alert\""));
    // The ticket of a form works once; the page brought a new one.
    assert_eq!(form(&ticket, "AAAA-AAAA").status, 400);
    let typed = asked.text("user_code").replace('-', " ").to_ascii_lowercase();
    let organizations = form(&wrong.ticket(), &typed);
    assert!(organizations.body.contains("Krystof Design"));
    let denied =
        sandbox.post("/consent", &[("ticket", &organizations.ticket()), ("action", "deny")]);
    assert!(denied.body.contains("Access denied"));
    let code = asked.text("device_code");
    assert_eq!(sandbox.poll(&code).outcome(), (403, "access_denied".into()));

    let asked = sandbox.device_code();
    sandbox.advance(900);
    assert!(approve(&asked.text("verification_uri_complete"), sandbox.base()).is_err());
}

#[test]
fn the_browser_with_pkce() {
    let sandbox = Sandbox::new("iss=on");
    let (redirect_uri, client) = listen();
    let url = authorize_url(sandbox.base(), DEVICE_CLIENT, &redirect_uri);
    let approval = approve(&url, sandbox.base()).unwrap();
    assert_eq!(approval.client_status, Some(200));
    let line = client.join().unwrap();
    assert_eq!(param(&line, "state").as_deref(), Some("s t&ate"));
    assert_eq!(param(&line, "iss").as_deref(), Some(sandbox.base()));
    let code = param(&line, "code").unwrap();
    assert!(code.len() > 800);
    let exchange = |verifier: &str, redirect_uri: &str| {
        sandbox.post(
            "/oauth/token",
            &[
                ("grant_type", "authorization_code"),
                ("client_id", DEVICE_CLIENT),
                ("code", &code),
                ("redirect_uri", redirect_uri),
                ("code_verifier", verifier),
            ],
        )
    };
    let wrong = VERIFIER.replace('d', "e");
    assert_eq!(exchange(&wrong, &redirect_uri).outcome(), (403, "invalid_grant".into()));
    assert_eq!(exchange("", &redirect_uri).outcome(), (400, "invalid_request".into()));
    assert_eq!(exchange(VERIFIER, "http://x/").outcome(), (403, "invalid_grant".into()));
    let tokens = Tokens::of(&exchange(VERIFIER, &redirect_uri));
    assert_eq!(sandbox.get("/me", &tokens.access).status, 200);
    // A code that comes again ends what came out of it.
    assert_eq!(exchange(VERIFIER, &redirect_uri).outcome(), (403, "invalid_grant".into()));
    assert_eq!(sandbox.get("/me", &tokens.access).status, 401);
    assert_eq!(sandbox.refresh(&tokens.refresh).status, 403);
    assert_eq!(sandbox.families()[0]["ended"], "code-reused");
}

#[test]
fn a_three_lo_app_speaks_json_and_has_no_device_grant() {
    let sandbox = Sandbox::new("redirect-port=any");
    let form = [("client_id", THREE_LO_CLIENT), ("scope", "read:me")];
    assert_eq!(sandbox.post("/oauth/device/code", &form).outcome(), (400, "invalid_client".into()));

    let (redirect_uri, client) = listen();
    approve(&authorize_url(sandbox.base(), THREE_LO_CLIENT, &redirect_uri), sandbox.base())
        .unwrap();
    let code = param(&client.join().unwrap(), "code").unwrap();
    let body = |secret: &str| {
        json!({
            "grant_type": "authorization_code", "client_id": THREE_LO_CLIENT,
            "client_secret": secret, "code": code, "redirect_uri": redirect_uri,
            "code_verifier": VERIFIER,
        })
    };
    let wrong = sandbox.post_json("/oauth/token", &body("wrong"));
    assert_eq!(wrong.outcome(), (401, "invalid_client".into()));
    sandbox.advance(59);
    let got = sandbox.post_json("/oauth/token", &body(THREE_LO_SECRET));
    let refresh = Tokens::of(&got).refresh;
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
    let client = (THREE_LO_CLIENT, THREE_LO_SECRET);
    assert_eq!(sandbox.post_basic("/oauth/token", client, &form).status, 200);
    let malformed = sandbox.send("POST", "/oauth/token", "Content-Type: application/json\r\n", "{");
    assert_eq!(malformed.unwrap().outcome(), (400, "invalid_request".into()));
}

#[test]
fn codes_expire() {
    let sandbox = Sandbox::new("");
    let (redirect_uri, client) = listen();
    approve(&authorize_url(sandbox.base(), DEVICE_CLIENT, &redirect_uri), sandbox.base()).unwrap();
    let code = param(&client.join().unwrap(), "code").unwrap();
    sandbox.advance(60);
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", DEVICE_CLIENT),
        ("code", &code),
        ("redirect_uri", &redirect_uri),
        ("code_verifier", VERIFIER),
    ];
    assert_eq!(sandbox.post("/oauth/token", &form).outcome(), (403, "invalid_grant".into()));
}

#[test]
fn wrong_authorization_requests() {
    let sandbox = Sandbox::new("");
    let right = authorize_url("", DEVICE_CLIENT, "http://127.0.0.1:1/auth/callback/oauth");
    assert_eq!(sandbox.page(&right).status, 200);
    // These get a page, never a redirect.
    for (from, to) in [
        ("audience=api.atlassian.com", "audience="),
        ("client_id=twg", "client_id=gwt"),
        ("127.0.0.1", "127.0.0.2"),
        ("state=", "stale="),
        ("prompt=consent", "state=twice"),
    ] {
        let got = sandbox.page(&right.replace(from, to));
        assert_eq!((got.status, got.header("location")), (400, None), "{to}");
        assert!(got.body.contains("incomplete or invalid"));
    }
    // And these get a redirect with an error and the state.
    for (from, to, error) in [
        ("response_type=code", "response_type=token", "unsupported_response_type"),
        ("code_challenge=", "x=", "invalid_request"),
        ("S256", "plain", "invalid_request"),
        ("&scope=", "&x=", "invalid_scope"),
    ] {
        let got = sandbox.page(&right.replace(from, to));
        let location = got.header("location").unwrap();
        assert_eq!(param(location, "error").as_deref(), Some(error), "{to}");
        assert_eq!(param(location, "state").as_deref(), Some("s t&ate"));
    }
}

#[test]
fn denial_and_wrong_redirects() {
    let sandbox = Sandbox::new("decision=deny");
    let url = authorize_url("", DEVICE_CLIENT, "http://127.0.0.1:1/auth/callback/oauth");
    let got = sandbox.page(&url);
    let location = got.header("location").unwrap();
    assert_eq!((got.status, param(location, "error").as_deref()), (303, Some("access_denied")));
    assert_eq!(param(location, "iss"), None);
    for (iss, sent) in [("wrong", Some("https://another-issuer.example")), ("missing", None)] {
        sandbox.switch("iss", iss);
        assert_eq!(param(sandbox.page(&url).header("location").unwrap(), "iss").as_deref(), sent);
        let metadata = sandbox.page("/.well-known/openid-configuration").json();
        assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
        assert_eq!(metadata["issuer"], sandbox.base());
    }
    sandbox.switch("redirect-state", "wrong");
    let got = sandbox.page(&url);
    assert_ne!(param(got.header("location").unwrap(), "state").as_deref(), Some("s t&ate"));
    sandbox.switch("redirect-state", "omit");
    assert_eq!(param(sandbox.page(&url).header("location").unwrap(), "state"), None);
}

#[test]
fn pages_cannot_be_framed_scripted_or_sent_from_elsewhere() {
    let sandbox = Sandbox::new("");
    let url = authorize_url("", DEVICE_CLIENT, "http://127.0.0.1:1/auth/callback/oauth");
    let got = sandbox.page(&url);
    let policy = got.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(policy.contains("form-action 'self' http://127.0.0.1:1;"), "{policy}");
    assert!(!got.body.contains("<script"));
    for ticket in ["", "guess"] {
        let form = [("ticket", ticket), ("action", "accept")];
        assert_eq!(sandbox.post("/consent", &form).status, 400);
    }
    // Accepting before the site is chosen, or a site of another organization, changes nothing.
    let skipped = sandbox.post("/consent", &[("ticket", &got.ticket()), ("action", "accept")]);
    assert_eq!(skipped.status, 400);
}
