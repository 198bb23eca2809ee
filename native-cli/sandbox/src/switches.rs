//! The switches: every variant and every fault of the sandbox that a user can choose.
//!
//! One table below declares each switch once; the struct, the defaults, the parser and the help text
//! come from it. The defaults are what Atlassian most likely does. Where third parties report it, or
//! Auth0 suggests it, a switch chooses the other possibility, because a client must live with both.

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
            /// A sentence for people: the switch does not exist, or does not take this value.
            pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
                if let Some(endpoint) = name.strip_prefix("fault.") {
                    return self.faults.set(endpoint, value);
                }
                match name {
                    $($name => self.$field = <$type as Value>::parse(value)
                        .map_err(|why| format!("The switch {name} cannot be {value:?}: {why}"))?,)+
                    _ => return Err(format!("Unknown switch {name:?}")),
                }
                Ok(())
            }

            /// Every switch with its current value. The faults are not among them.
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
    /// The name.
    pub name: &'static str,
    /// The value.
    pub value: String,
    /// The values that it takes, for example `on|off`.
    pub form: String,
    /// What it changes, in words.
    pub meaning: &'static str,
}

switches! {
    device_grant: bool = true, "device-grant", "Allow the device grant; off: 400 invalid_client, as for ordinary 3LO apps";
    device_errors: DeviceErrors = DeviceErrors::Auth0, "device-errors", "Status of polls without a token: 403 and 429 like Auth0, or 400 (RFC 8628)";
    device_expires: Seconds = Seconds(900), "device-expires", "Lifetime of a device code";
    device_interval: Seconds = Seconds(5), "device-interval", "Polling interval that the server announces and enforces";
    device_complete_uri: bool = true, "device-complete-uri", "Send verification_uri_complete";
    slow_down: SlowDown = SlowDown::Fast, "slow-down", "Polls that get slow_down: those too fast, the first one too, all, or none";
    slow_down_grows: bool = false, "slow-down-grows", "Each slow_down adds 5 s to the enforced interval (RFC 8628 section 3.5)";
    decision: Decision = Decision::Ask, "decision", "Ask the user on a page, or deny every request with access_denied";
    pkce_required: bool = false, "pkce-required", "Require PKCE from confidential clients too; public clients always need it";
    code_expires: Seconds = Seconds(60), "code-expires", "Lifetime of an authorization code";
    code_bytes: usize = 860, "code-bytes", "Length of an authorization code; Atlassian's are longer than 800";
    iss: Iss = Iss::Off, "iss", "The iss parameter of the redirect (RFC 9207); missing: announced, not sent";
    redirect_state: StateEcho = StateEcho::Echo, "redirect-state", "The state parameter of the redirect";
    redirect_port: RedirectPort = RedirectPort::Exactly(7998), "redirect-port", "Port in http://127.0.0.1:PORT/auth/callback/oauth of confidential clients";
    redirect_uris: Words = Words(Vec::new()), "redirect-uris", "More redirect URIs for every client, compared exactly";
    client_error: ClientError = ClientError::InvalidClient, "client-error", "Error for an unknown client or a wrong secret (401)";
    token_body: TokenBody = TokenBody::Both, "token-body", "Bodies that the token endpoint reads; Atlassian documents only JSON";
    access_lifetime: Seconds = Seconds(3600), "access-lifetime", "Lifetime of an access token";
    access_shape: Shape = Shape::Jwt, "access-shape", "Shape of an access token: like a JWT, or random letters and digits";
    access_bytes: usize = 0, "access-bytes", "Minimum length of an access token, for example 65536";
    refresh_bytes: usize = 0, "refresh-bytes", "Minimum length of a refresh token";
    token_type: Text = Text(String::from("Bearer")), "token-type", "token_type of token responses, for example mac";
    omit: Words = Words(Vec::new()), "omit", "Members to leave out of token responses, for example token_type+expires_in";
    omit_on_refresh: Words = Words(Vec::new()), "omit-on-refresh", "The same for refreshes only; without refresh_token, the old one stays valid";
    narrow_scopes: Words = Words(Vec::new()), "narrow-scopes", "Scopes that are never granted, even when a client asks for them";
    rotation: bool = true, "rotation", "Rotate refresh tokens; off: each one stays valid and is not sent again";
    leeway: Seconds = Seconds(600), "leeway", "How long a spent refresh token may be used again; 0: never";
    leeway_replay: Replay = Replay::Previous, "leeway-replay", "Tokens that may be used again in the leeway: the last spent one, or any";
    reuse_ends_family: bool = true, "reuse-ends-family", "Reuse after the leeway ends the family; off: only that refresh fails";
    leeway_children: Children = Children::All, "leeway-children", "Successors that keep working when a token is used again in the leeway";
    idle_lifetime: Seconds = Seconds(90 * 86_400), "idle-lifetime", "A refresh token expires when it is not used for this time";
    absolute_lifetime: Seconds = Seconds(365 * 86_400), "absolute-lifetime", "A refresh token family expires after this time";
    refresh_error: RefreshError = RefreshError::InvalidGrant, "refresh-error", "Error for a refused refresh";
    refresh_error_status: usize = 403, "refresh-error-status", "Status of a refused refresh";
    second_consent_ends_first: bool = false, "second-consent-ends-first", "A new consent ends the refresh tokens of earlier ones";
    revocation: bool = true, "revocation", "Serve /oauth/revoke, which is undocumented for 3LO apps; off: 404";
    revoke_ends_grant: bool = true, "revoke-ends-grant", "Revocation ends all sign-ins of the user at this client; off: only one";
    password_changed: bool = false, "password-changed", "The user changed the password: refreshes fail while this is on";
    sessions_revoked: bool = false, "sessions-revoked", "The organization revoked all sessions: tokens fail while this is on";
    sites: Sites = Sites::Granted, "sites", "Sites that accessible-resources lists";
    duplicate_ids: bool = true, "duplicate-ids", "List a site with two products twice, under one id; off: once";
    www_authenticate: bool = true, "www-authenticate", "Send a WWW-Authenticate header with status 401 of the API";
    date_skew: Skew = Skew(0), "date-skew", "Seconds that the Date header is ahead of the true time";
    bitbucket_lifetime: Seconds = Seconds(7200), "bitbucket-lifetime", "Lifetime of a Bitbucket access token";
    bitbucket_rotation: bool = false, "bitbucket-rotation", "Rotate Bitbucket refresh tokens";
}

impl Switches {
    /// Reads `name=value,name=value`. The last value of a switch wins.
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
                .ok_or_else(|| format!("Write a switch as name=value, not {one:?}"))?;
            self.set(name.trim(), value.trim())?;
        }
        Ok(())
    }

    /// Every switch with its default. The faults are not among them.
    pub fn defaults() -> Vec<Row> {
        Self::default().table()
    }

    /// Every switch and fault with form, meaning and default, for help texts and the README.
    pub fn describe() -> String {
        let mut text = String::new();
        for row in Self::defaults() {
            let Row { name, value, form, meaning } = row;
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name}={form} [default: {value}]\n    {meaning}");
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
        assert!(Switches::parse("lee=1").unwrap_err().contains("Unknown switch"));
        assert!(Switches::parse("slow-down=sometimes").unwrap_err().contains("fast|once"));
        assert!(Switches::parse("fault.tokens=502").unwrap_err().contains("tokens"));
        assert!(Switches::parse("fault.token=explode").unwrap_err().contains("explode"));
    }

    #[test]
    fn the_help_names_every_switch_and_fits_in_80_columns() {
        let help = Switches::describe();
        for row in Switches::default().table() {
            assert!(help.contains(&format!("{}=", row.name)));
        }
        assert!(help.contains("drop-after"));
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
