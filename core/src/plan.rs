//! Which way of signing in suits the place where `twg` runs: one table, tested row by row.

use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::provider::{Grant, ProviderProfile};

/// What the shell knows about the place it runs in. Hints, never a security boundary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Standard input and standard error are a terminal.
    pub terminal: bool,
    /// A remote shell: the browser, if there is one, is on another machine.
    pub ssh: bool,
    /// Windows Subsystem for Linux: the browser is Windows', loopback is usually shared.
    pub wsl: bool,
    /// A container or a cloud workspace: its loopback is not the browser's.
    pub container: bool,
    /// Continuous integration: no person is there.
    pub ci: bool,
    /// The coding agent that runs this command, if one does.
    pub agent: Option<String>,
    /// Something can open a browser here: a display, a desktop system, or `TWG_BROWSER`/`BROWSER`.
    pub browser: bool,
}

/// What the user chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// `--device` or `--loopback`.
    pub grant: Option<Grant>,
    /// `--no-browser`
    pub no_browser: bool,
}

/// How to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The grants to try, in order.
    pub grants: VecDeque<Grant>,
    /// Whether to open a browser.
    pub open: bool,
    /// Why, in the order of the decisions.
    pub reasons: Vec<Reason>,
}

/// One reason for a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A flag said so.
    Asked(Grant),
    /// The profile lists this one first.
    ProviderPrefers(Grant),
    /// The profile lists only this one.
    OnlyOne(Grant),
    /// An earlier sign-in showed that the client may not use the device grant.
    DeviceGrantNotEnabled,
    /// The redirect would arrive at another machine, so the device code comes first.
    RemoteBrowser(&'static str),
    /// The browser is elsewhere, and there is no device code to use: the redirect must be forwarded to this machine.
    RedirectMustBeForwarded(&'static str),
    /// A browser is opened.
    BrowserOpens,
    /// `--no-browser`
    BrowserNotWanted,
    /// Nothing here can open a browser.
    NoBrowser,
    /// No person is there to see a browser.
    NobodyThere,
    /// Windows' browser is opened.
    WindowsBrowser,
    /// There is no terminal.
    NoTerminal,
    /// A coding agent runs the command: a person must see the URL and approve.
    Agent(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked(grant) => write!(f, "you asked for: {grant}"),
            Self::ProviderPrefers(grant) => write!(f, "the provider profile lists first: {grant}"),
            Self::OnlyOne(grant) => write!(f, "the provider profile lists only: {grant}"),
            Self::DeviceGrantNotEnabled => {
                f.write_str("the server has refused a device code to this client before")
            }
            Self::RemoteBrowser(place) => write!(
                f,
                "this is {place}: a redirect to 127.0.0.1 would not arrive here, a device code works anywhere"
            ),
            Self::RedirectMustBeForwarded(place) => write!(
                f,
                "this is {place} and there is no device code to use: forward the port of the redirect, \
                 or paste the URL that your browser ends at"
            ),
            Self::BrowserOpens => f.write_str("a browser can be opened here"),
            Self::BrowserNotWanted => f.write_str("--no-browser: the URL is only printed"),
            Self::NoBrowser => {
                f.write_str("nothing here can open a browser: the URL is only printed")
            }
            Self::WindowsBrowser => f.write_str(
                "this is WSL: Windows' browser is opened, and its redirect to 127.0.0.1 arrives here",
            ),
            Self::NoTerminal => {
                f.write_str("there is no terminal: a person must see the URL on standard error")
            }
            Self::NobodyThere => f.write_str("this is CI: there is no person to see a browser"),
            Self::Agent(name) => {
                write!(f, "{name} runs this command: a person must see the URL and approve")
            }
        }
    }
}

/// Decides how to sign in.
///
/// # Errors
/// The message that the provider does not offer that grant.
pub fn plan_login(
    profile: &ProviderProfile,
    device_grant_not_enabled: bool,
    here: &Surroundings,
    wishes: Wishes,
) -> Result<Plan, String> {
    let mut reasons = Vec::new();
    let grants = choose_grants(profile, device_grant_not_enabled, here, wishes, &mut reasons)?;
    let open = if wishes.no_browser {
        reasons.push(Reason::BrowserNotWanted);
        false
    } else if here.ci {
        reasons.push(Reason::NobodyThere);
        false
    } else if here.browser {
        reasons.push(if here.wsl { Reason::WindowsBrowser } else { Reason::BrowserOpens });
        true
    } else {
        reasons.push(Reason::NoBrowser);
        false
    };
    if let Some(agent) = &here.agent {
        reasons.push(Reason::Agent(agent.clone()));
    } else if !here.terminal && !here.ci {
        reasons.push(Reason::NoTerminal);
    }
    Ok(Plan { grants, open, reasons })
}

fn choose_grants(
    profile: &ProviderProfile,
    device_grant_not_enabled: bool,
    here: &Surroundings,
    wishes: Wishes,
    reasons: &mut Vec<Reason>,
) -> Result<VecDeque<Grant>, String> {
    if let Some(wish) = wishes.grant {
        if !profile.grants.contains(&wish) {
            return Err(alloc::format!("{} does not offer: {wish}", profile.display_name));
        }
        reasons.push(Reason::Asked(wish));
        return Ok([wish].into());
    }
    let mut grants: VecDeque<Grant> = profile.grants.iter().copied().collect();
    if device_grant_not_enabled && grants.contains(&Grant::AuthorizationCode) {
        grants.retain(|grant| *grant != Grant::DeviceCode);
        reasons.push(Reason::DeviceGrantNotEnabled);
    }
    let elsewhere = match here {
        Surroundings { ssh: true, .. } => Some("a remote shell"),
        Surroundings { container: true, .. } => Some("a container"),
        Surroundings { browser: false, .. } => Some("a place without a browser"),
        Surroundings { .. } => None,
    };
    match elsewhere {
        Some(place) if grants.contains(&Grant::DeviceCode) => {
            if grants.front() != Some(&Grant::DeviceCode) {
                reasons.push(Reason::RemoteBrowser(place));
            }
            grants.retain(|grant| *grant != Grant::DeviceCode);
            grants.push_front(Grant::DeviceCode);
        }
        Some(place) => reasons.push(Reason::RedirectMustBeForwarded(place)),
        None => {}
    }
    let first = grants.front().copied().ok_or_else(|| "there is no grant to use".to_string())?;
    if grants.len() == 1 {
        reasons.push(Reason::OnlyOne(first));
    } else if profile.grants.first() == Some(&first) {
        reasons.push(Reason::ProviderPrefers(first));
    }
    Ok(grants)
}
