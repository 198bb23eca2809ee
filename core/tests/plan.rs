//! How to sign in, and where: one row per important combination.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use support::*;
use twg_core::plan::{Reason, Surroundings, Wishes, plan_login};
use twg_core::provider::Grant::{self, AuthorizationCode, DeviceCode};

/// Surroundings from words such as `"tty+browser+ssh"`.
fn here(words: &str) -> Surroundings {
    let mut here = Surroundings::default();
    for word in words.split('+').filter(|word| !word.is_empty()) {
        match word {
            "tty" => here.terminal = true,
            "browser" => here.browser = true,
            "ssh" => here.ssh = true,
            "wsl" => here.wsl = true,
            "container" => here.container = true,
            "ci" => here.ci = true,
            "agent" => here.agent = Some("Some Agent".to_owned()),
            _ => panic!("{word}"),
        }
    }
    here
}

struct Row {
    offers: &'static [Grant],
    refused_before: bool,
    here: &'static str,
    wish: Option<Grant>,
    no_browser: bool,
    grants: &'static [Grant],
    open: bool,
    reasons: &'static [&'static str],
}

const ATLASSIAN: &[Grant] = &[DeviceCode, AuthorizationCode];
const OTHERS: &[Grant] = &[AuthorizationCode, DeviceCode];
const CODE_ONLY: &[Grant] = &[AuthorizationCode];
const DEVICE_ONLY: &[Grant] = &[DeviceCode];

const fn row(
    offers: &'static [Grant],
    here: &'static str,
    grants: &'static [Grant],
    open: bool,
    reasons: &'static [&'static str],
) -> Row {
    let (refused_before, wish, no_browser) = (false, None, false);
    Row { offers, refused_before, here, wish, no_browser, grants, open, reasons }
}

const fn wanted(wish: Grant, row: Row) -> Row {
    Row { wish: Some(wish), ..row }
}

const fn refused_before(row: Row) -> Row {
    Row { refused_before: true, ..row }
}

const fn without_browser(row: Row) -> Row {
    Row { no_browser: true, ..row }
}

const REMOTE: &str = "this is a remote shell: a redirect to 127.0.0.1 would not arrive here";
const IN_CONTAINER: &str = "this is a container: a redirect to 127.0.0.1 would not arrive here";
const NO_BROWSER_HERE: &str =
    "this is a place without a browser: a redirect to 127.0.0.1 would not arrive here";
const FORWARD_HEADLESS: &str =
    "this is a place without a browser and there is no device code to use";
const WINDOWS: &str = "this is WSL: Windows' browser is opened";
const NO_TERMINAL: &str = "there is no terminal";
const FORWARD_SSH: &str = "this is a remote shell and there is no device code to use";
const FORWARD_CONTAINER: &str = "this is a container and there is no device code to use";
const FIRST_DEVICE: &str = "the provider profile lists first: device code";
const FIRST_CODE: &str = "the provider profile lists first: browser on this machine";
const ONLY_DEVICE: &str = "the provider profile lists only: device code";
const ONLY_CODE: &str = "the provider profile lists only: browser on this machine";
const REFUSED: &str = "the server has refused a device code to this client before";
const OPENS: &str = "a browser can be opened here";
const PRINTED: &str = "nothing here can open a browser";
const NO_BROWSER: &str = "--no-browser";
const CI: &str = "this is CI";
const AGENT: &str = "Some Agent runs this command: a person must see the URL";
const ASKED_DEVICE: &str = "you asked for: device code";
const ASKED_CODE: &str = "you asked for: browser on this machine";

const TABLE: &[Row] = &[
    // A terminal on a desktop: the provider's preference.
    row(ATLASSIAN, "tty+browser", ATLASSIAN, true, &[FIRST_DEVICE, OPENS]),
    row(OTHERS, "tty+browser", OTHERS, true, &[FIRST_CODE, OPENS]),
    row(CODE_ONLY, "tty+browser", CODE_ONLY, true, &[ONLY_CODE, OPENS]),
    row(DEVICE_ONLY, "tty+browser", DEVICE_ONLY, true, &[ONLY_DEVICE, OPENS]),
    // Windows' browser reaches a loopback of WSL.
    row(OTHERS, "tty+browser+wsl", OTHERS, true, &[FIRST_CODE, WINDOWS]),
    // A headless machine.
    row(OTHERS, "tty", ATLASSIAN, false, &[NO_BROWSER_HERE, PRINTED]),
    row(CODE_ONLY, "tty", CODE_ONLY, false, &[FORWARD_HEADLESS, ONLY_CODE, PRINTED]),
    row(ATLASSIAN, "", ATLASSIAN, false, &[FIRST_DEVICE, PRINTED, NO_TERMINAL]),
    row(ATLASSIAN, "browser", ATLASSIAN, true, &[FIRST_DEVICE, OPENS, NO_TERMINAL]),
    // The browser is elsewhere: a device code first, if there is one.
    row(ATLASSIAN, "tty+ssh", ATLASSIAN, false, &[FIRST_DEVICE, PRINTED]),
    row(OTHERS, "tty+ssh", ATLASSIAN, false, &[REMOTE, PRINTED]),
    row(OTHERS, "tty+container", ATLASSIAN, false, &[IN_CONTAINER, PRINTED]),
    row(OTHERS, "tty+ssh+container", ATLASSIAN, false, &[REMOTE, PRINTED]),
    row(OTHERS, "tty+ssh+browser", ATLASSIAN, true, &[REMOTE, OPENS]),
    row(CODE_ONLY, "tty+ssh", CODE_ONLY, false, &[FORWARD_SSH, ONLY_CODE, PRINTED]),
    row(CODE_ONLY, "tty+container", CODE_ONLY, false, &[FORWARD_CONTAINER, ONLY_CODE, PRINTED]),
    row(DEVICE_ONLY, "tty+ssh", DEVICE_ONLY, false, &[ONLY_DEVICE, PRINTED]),
    // CI has no user in front of a browser, even if one could be opened.
    row(OTHERS, "ci", ATLASSIAN, false, &[NO_BROWSER_HERE, CI]),
    row(OTHERS, "ci+browser+tty", OTHERS, false, &[FIRST_CODE, CI]),
    row(OTHERS, "ci+container", ATLASSIAN, false, &[IN_CONTAINER, CI]),
    // A coding agent: the same plan, and a note that a person must act.
    row(OTHERS, "agent+browser", OTHERS, true, &[FIRST_CODE, OPENS, AGENT]),
    row(ATLASSIAN, "agent", ATLASSIAN, false, &[FIRST_DEVICE, PRINTED, AGENT]),
    row(OTHERS, "agent+container", ATLASSIAN, false, &[IN_CONTAINER, PRINTED, AGENT]),
    // The client may not use the device grant. The plan uses another grant, if there is one.
    refused_before(row(ATLASSIAN, "tty+browser", CODE_ONLY, true, &[REFUSED, ONLY_CODE, OPENS])),
    refused_before(row(
        ATLASSIAN,
        "tty+ssh",
        CODE_ONLY,
        false,
        &[REFUSED, FORWARD_SSH, ONLY_CODE, PRINTED],
    )),
    refused_before(row(DEVICE_ONLY, "tty+browser", DEVICE_ONLY, true, &[ONLY_DEVICE, OPENS])),
    // The user's own choice wins over everything.
    wanted(AuthorizationCode, row(ATLASSIAN, "tty+browser", CODE_ONLY, true, &[ASKED_CODE, OPENS])),
    wanted(AuthorizationCode, row(ATLASSIAN, "tty+ssh", CODE_ONLY, false, &[ASKED_CODE, PRINTED])),
    wanted(DeviceCode, row(OTHERS, "tty+browser", DEVICE_ONLY, true, &[ASKED_DEVICE, OPENS])),
    refused_before(wanted(
        DeviceCode,
        row(ATLASSIAN, "tty+browser", DEVICE_ONLY, true, &[ASKED_DEVICE, OPENS]),
    )),
    // `--no-browser` wins over a browser on this machine, and over the other reasons not to open
    // one.
    without_browser(row(OTHERS, "tty+browser", OTHERS, false, &[FIRST_CODE, NO_BROWSER])),
    without_browser(row(OTHERS, "tty", ATLASSIAN, false, &[NO_BROWSER_HERE, NO_BROWSER])),
    without_browser(row(OTHERS, "ci+browser", OTHERS, false, &[FIRST_CODE, NO_BROWSER])),
    without_browser(wanted(
        DeviceCode,
        row(OTHERS, "tty+browser", DEVICE_ONLY, false, &[ASKED_DEVICE, NO_BROWSER]),
    )),
];

#[test]
fn the_table() {
    for (number, row) in TABLE.iter().enumerate() {
        let case = format!("row {number}: {:?} {}", row.offers, row.here);
        let mut profile = profile();
        profile.grants = row.offers.to_vec();
        let wishes = Wishes { grant: row.wish, no_browser: row.no_browser };
        let plan = plan_login(&profile, row.refused_before, &here(row.here), wishes).expect(&case);
        assert_eq!(Vec::from(plan.grants), row.grants, "{case}");
        assert_eq!(plan.open, row.open, "{case}");
        let reasons: Vec<_> = plan.reasons.iter().map(ToString::to_string).collect();
        assert_eq!(reasons.len(), row.reasons.len(), "{case}: {reasons:?}");
        for (reason, expected) in reasons.iter().zip(row.reasons) {
            assert!(reason.starts_with(expected), "{case}: {reason}");
        }
    }
}

/// A64: on a machine with a browser, the device code comes first only if the provider's profile
/// says so.
#[test]
fn no_device_code_where_the_browser_is() {
    for place in ["tty+browser", "tty+browser+wsl", "agent+browser", "browser"] {
        let mut profile = profile();
        profile.grants = OTHERS.to_vec();
        let plan = plan_login(&profile, false, &here(place), Wishes::default()).unwrap();
        assert_eq!(plan.grants.front(), Some(&AuthorizationCode), "{place}");
    }
}

/// A wish that the provider cannot fulfil is an error that names both.
#[test]
fn impossible_wishes() {
    for (offers, wish) in [(CODE_ONLY, DeviceCode), (DEVICE_ONLY, AuthorizationCode)] {
        let mut profile = profile();
        profile.grants = offers.to_vec();
        let wishes = Wishes { grant: Some(wish), no_browser: false };
        let refused = plan_login(&profile, false, &here("tty+browser"), wishes).unwrap_err();
        assert!(refused.contains("Example") && refused.contains(&wish.to_string()), "{refused}");
    }
    let mut profile = profile();
    profile.grants.clear();
    plan_login(&profile, false, &here("tty"), Wishes::default()).unwrap_err();
}

/// In all surroundings: the plan begins with a grant of the profile, has only grants of the
/// profile, none twice, and at least one reason.
#[test]
fn every_combination_has_a_plan() {
    for bits in 0..128_u8 {
        let bit = |n: u8| bits & (1 << n) != 0;
        let here = Surroundings {
            terminal: bit(0),
            ssh: bit(1),
            wsl: bit(2),
            container: bit(3),
            ci: bit(4),
            agent: bit(5).then(|| "A".to_owned()),
            browser: bit(6),
        };
        for offers in [ATLASSIAN, OTHERS, CODE_ONLY, DEVICE_ONLY] {
            for (refused, no_browser) in
                [(false, false), (true, false), (false, true), (true, true)]
            {
                let mut profile = profile();
                profile.grants = offers.to_vec();
                let wishes = Wishes { grant: None, no_browser };
                let plan = plan_login(&profile, refused, &here, wishes).unwrap();
                assert!(plan.grants.iter().all(|grant| offers.contains(grant)));
                assert!((1..=offers.len()).contains(&plan.grants.len()));
                assert_ne!(plan.grants.front(), plan.grants.get(1));
                assert!(!plan.open || here.browser && !here.ci && !no_browser);
                assert!(plan.reasons.len() >= 2, "{here:?} {offers:?}: {:?}", plan.reasons);
                assert_eq!(plan.reasons.contains(&Reason::Agent("A".to_owned())), bit(5));
            }
        }
    }
}
