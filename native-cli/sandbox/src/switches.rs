//! The switches: every variant and every fault of the look-alike that can be chosen.
//!
//! One table below declares each switch once; the struct, the defaults, the parser and the help text
//! come from it. The defaults are what Atlassian is believed to do. What is only reported by third
//! parties or inferred from Auth0 can be switched to the other possibility, because a client must
//! live with both.

use std::fmt::Write as _;

use crate::faults::Faults;
use crate::values::{
    Children, ClientError, Decision, DeviceErrors, Iss, RedirectPort, RefreshError, Replay,
    Seconds, Shape, Sites, Skew, SlowDown, StateEcho, Text, TokenBody, Value, Words,
};

/// Declares the switches.
macro_rules! switches {
    ($($field:ident: $type:ty = $default:expr, $name:literal, $meaning:literal;)+) => {
        /// Every switch with its value. See [`Switches::describe`].
        #[derive(Clone, Debug, PartialEq)]
        pub struct Switches {
            $(#[doc = $meaning] pub(crate) $field: $type,)+
            /// The faults that wait for a request: `fault.ENDPOINT=KIND[*TIMES]`.
            pub(crate) faults: Faults,
        }

        impl Default for Switches {
            fn default() -> Self {
                Self { $($field: $default,)+ faults: Faults::default() }
            }
        }

        impl Switches {
            /// Sets one switch.
            ///
            /// # Errors
            /// A sentence for people: the switch does not exist, or cannot have this value.
            pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
                if let Some(endpoint) = name.strip_prefix("fault.") {
                    return self.faults.set(endpoint, value);
                }
                match name {
                    $($name => self.$field = <$type as Value>::parse(value)
                        .map_err(|why| format!("switch {name} cannot be {value:?}: {why}"))?,)+
                    _ => return Err(format!("there is no switch {name:?}")),
                }
                Ok(())
            }

            /// Every switch as name, value now, form and meaning; faults apart.
            pub(crate) fn table(&self) -> Vec<Row> {
                vec![$(Row {
                    name: $name,
                    value: self.$field.show(),
                    form: <$type as Value>::form(),
                    meaning: $meaning,
                },)+]
            }
        }
    };
}

/// One switch, for the list of them.
#[derive(Debug)]
pub struct Row {
    /// What it is called.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// Which values it takes.
    pub form: String,
    /// What it changes.
    pub meaning: &'static str,
}

switches! {
    device_grant: bool = true, "device-grant", "twg-sandbox-device may use the device grant; off: 400 invalid_client, as for ordinary 3LO apps";
    device_errors: DeviceErrors = DeviceErrors::Auth0, "device-errors", "status of pending, slow_down and denied polls: 403/429 as Auth0, or 400 as RFC 8628";
    device_expires: Seconds = Seconds(900), "device-expires", "lifetime of a device code";
    device_interval: Seconds = Seconds(5), "device-interval", "polling interval that is announced and enforced";
    device_complete_uri: bool = true, "device-complete-uri", "send verification_uri_complete";
    slow_down: SlowDown = SlowDown::Fast, "slow-down", "when a poll is answered with slow_down";
    slow_down_grows: bool = false, "slow-down-grows", "each slow_down adds 5 s to the enforced interval, as RFC 8628 section 3.5 asks of clients";
    decision: Decision = Decision::Ask, "decision", "ask on a page, or deny everything at once with access_denied";
    pkce_required: bool = false, "pkce-required", "confidential clients need PKCE too (public ones always do)";
    code_expires: Seconds = Seconds(60), "code-expires", "lifetime of an authorization code";
    code_bytes: usize = 860, "code-bytes", "length of an authorization code; Atlassian's exceed 800";
    iss: Iss = Iss::Off, "iss", "the iss parameter of the redirect (RFC 9207)";
    redirect_state: StateEcho = StateEcho::Echo, "redirect-state", "the state parameter of the redirect";
    redirect_port: RedirectPort = RedirectPort::Exactly(7998), "redirect-port", "port of the registered redirect URI http://127.0.0.1:PORT/auth/callback/oauth of the confidential clients";
    redirect_uris: Words = Words(Vec::new()), "redirect-uris", "more redirect URIs that every client has registered, compared exactly";
    client_error: ClientError = ClientError::InvalidClient, "client-error", "how a wrong client or secret is refused (401)";
    token_body: TokenBody = TokenBody::Both, "token-body", "which bodies the token endpoint reads; only JSON is documented";
    access_lifetime: Seconds = Seconds(3600), "access-lifetime", "lifetime of an access token";
    access_shape: Shape = Shape::Jwt, "access-shape", "how access tokens look";
    access_bytes: usize = 0, "access-bytes", "least length of an access token, e.g. 65536";
    refresh_bytes: usize = 0, "refresh-bytes", "least length of a refresh token";
    token_type: Text = Text(String::from("Bearer")), "token-type", "token_type of token responses, e.g. mac";
    omit: Words = Words(Vec::new()), "omit", "members left out of every token response: token_type+scope+expires_in+refresh_token";
    omit_on_refresh: Words = Words(Vec::new()), "omit-on-refresh", "members left out of refresh responses only; without refresh_token, the old one stays valid";
    narrow_scopes: Words = Words(Vec::new()), "narrow-scopes", "scopes that are never granted, though asked for";
    rotation: bool = true, "rotation", "refresh tokens rotate; off: they stay and are not sent again";
    leeway: Seconds = Seconds(600), "leeway", "how long a spent refresh token may be used again; 0 never";
    leeway_replay: Replay = Replay::Previous, "leeway-replay", "which spent refresh tokens may be used again in the leeway";
    reuse_ends_family: bool = true, "reuse-ends-family", "a spent refresh token that comes after the leeway ends its family; off: it is only refused";
    leeway_children: Children = Children::All, "leeway-children", "which of the tokens that replays gave out keep working";
    idle_lifetime: Seconds = Seconds(90 * 86_400), "idle-lifetime", "a refresh token that is not used dies after this";
    absolute_lifetime: Seconds = Seconds(365 * 86_400), "absolute-lifetime", "a refresh token family dies after this";
    refresh_error: RefreshError = RefreshError::InvalidGrant, "refresh-error", "how a refused refresh is worded";
    refresh_error_status: usize = 403, "refresh-error-status", "status of a refused refresh";
    second_consent_ends_first: bool = false, "second-consent-ends-first", "a new consent ends the refresh tokens of earlier ones";
    revocation: bool = true, "revocation", "/oauth/revoke works; off: 404, because it is undocumented for 3LO apps";
    revoke_ends_grant: bool = true, "revoke-ends-grant", "revoking one token ends every login of this client and account; off: its own family only";
    password_changed: bool = false, "password-changed", "the password was changed: refreshes are refused until it is changed back";
    sessions_revoked: bool = false, "sessions-revoked", "the organization revoked all sessions: access tokens and refreshes are refused while on";
    sites: Sites = Sites::Granted, "sites", "what accessible-resources lists";
    duplicate_ids: bool = true, "duplicate-ids", "a site with two products is listed twice under one id; off: once";
    www_authenticate: bool = true, "www-authenticate", "API answers with 401 carry a WWW-Authenticate header";
    date_skew: Skew = Skew(0), "date-skew", "seconds that the Date header is ahead of the true time";
    bitbucket_lifetime: Seconds = Seconds(7200), "bitbucket-lifetime", "lifetime of a Bitbucket access token";
    bitbucket_rotation: bool = false, "bitbucket-rotation", "Bitbucket refresh tokens rotate";
}

impl Switches {
    /// Reads `name=value,name=value`. Later ones win. See [`Switches::describe`] for the names.
    ///
    /// # Errors
    /// A sentence for people.
    #[cfg(test)]
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut switches = Self::default();
        switches.apply(text)?;
        Ok(switches)
    }

    /// Sets every `name=value` of a comma-separated list; for a repeated `--switch` flag.
    ///
    /// # Errors
    /// A sentence for people. The switches before the wrong one are set.
    pub fn apply(&mut self, text: &str) -> Result<(), String> {
        for one in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
            let (name, value) = one
                .split_once('=')
                .ok_or_else(|| format!("a switch is written name=value, not {one:?}"))?;
            self.set(name.trim(), value.trim())?;
        }
        Ok(())
    }

    /// Every switch as it is at first; faults apart.
    pub fn defaults() -> Vec<Row> {
        Self::default().table()
    }

    /// All switches with form, default and meaning, a line each, for help texts and the README.
    pub fn describe() -> String {
        let mut text = String::new();
        for row in Self::defaults() {
            let Row { name, value, form, meaning } = row;
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name}={form}\n    {meaning} [default: {value}]");
        }
        text.push_str(&Faults::describe());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_reads_back_as_itself() {
        let mut switches = Switches::default();
        for row in Switches::default().table() {
            switches.set(row.name, &row.value).unwrap();
        }
        assert_eq!(switches, Switches::default());
    }

    #[test]
    fn a_list_is_read_and_mistakes_are_named() {
        let switches = Switches::parse(
            "leeway=0, omit=scope+token_type,fault.token=drop-after*1,idle-lifetime=30d",
        )
        .unwrap();
        assert_eq!(switches.leeway, Seconds(0));
        assert_eq!(switches.idle_lifetime, Seconds(30 * 86_400));
        assert!(switches.omit.has("scope") && switches.omit.has("token_type"));
        assert!(Switches::parse("leeway").unwrap_err().contains("name=value"));
        assert!(Switches::parse("lee=1").unwrap_err().contains("no switch"));
        assert!(Switches::parse("slow-down=sometimes").unwrap_err().contains("fast|once"));
        assert!(Switches::parse("fault.tokens=502").unwrap_err().contains("tokens"));
        assert!(Switches::parse("fault.token=explode").unwrap_err().contains("explode"));
    }

    #[test]
    fn the_help_names_every_switch() {
        let help = Switches::describe();
        for row in Switches::default().table() {
            assert!(help.contains(&format!("{}=", row.name)));
        }
        assert!(help.contains("drop-after"));
    }
}
