//! The types of the switches' values.

/// A value that a switch can have.
pub(crate) trait Value: Sized {
    /// The values in short, for people: `on|off`.
    fn form() -> String;
    /// Reads a value. The error is the end of a sentence for people.
    fn parse(text: &str) -> Result<Self, String>;
    /// Writes the value as [`Value::parse`] reads it.
    fn show(&self) -> String;
}

impl Value for bool {
    fn form() -> String {
        "on|off".into()
    }
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "on" | "true" | "1" | "yes" => Ok(true),
            "off" | "false" | "0" | "no" => Ok(false),
            _ => Err("it must be on or off".into()),
        }
    }
    fn show(&self) -> String {
        if *self { "on" } else { "off" }.into()
    }
}

impl Value for usize {
    fn form() -> String {
        "N".into()
    }
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "it must be a whole number".into())
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

/// A time in whole seconds, written with an optional unit `s`, `m`, `h` or `d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) u64);

impl Seconds {
    /// The same time in milliseconds.
    pub(crate) const fn millis(self) -> u64 {
        self.0.saturating_mul(1000)
    }
}

impl Value for Seconds {
    fn form() -> String {
        "SECONDS".into()
    }
    fn parse(text: &str) -> Result<Self, String> {
        let (number, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
            Some(number) => (number, &text[number.len()..]),
            None => (text, "s"),
        };
        let factor = match unit {
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => 1,
        };
        number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .map(Self)
            .ok_or_else(|| "it must be a number of seconds, or a time like 10m, 8h, 90d".into())
    }
    fn show(&self) -> String {
        self.0.to_string()
    }
}

/// How many seconds the clock is ahead; negative if it is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Skew(pub(crate) i64);

impl Value for Skew {
    fn form() -> String {
        "[-]SECONDS".into()
    }
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| "it must be a number of seconds".into())
    }
    fn show(&self) -> String {
        self.0.to_string()
    }
}

/// Words with `+` between them (`,` separates switches), or `none`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words(pub(crate) Vec<String>);

impl Words {
    /// Whether `word` is among them.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.0.iter().any(|one| one == word)
    }
}

impl Value for Words {
    fn form() -> String {
        "WORD+WORD|none".into()
    }
    fn parse(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::default());
        }
        Ok(Self(text.split('+').filter(|word| !word.is_empty()).map(Into::into).collect()))
    }
    fn show(&self) -> String {
        if self.0.is_empty() { "none".into() } else { self.0.join("+") }
    }
}

/// Any text without spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) String);

impl Value for Text {
    fn form() -> String {
        "TEXT".into()
    }
    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(text.into()))
    }
    fn show(&self) -> String {
        self.0.clone()
    }
}

/// The loopback port that a redirect URI must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RedirectPort {
    /// This one, as Atlassian compares.
    Exactly(u16),
    /// Any one, RFC 8252 section 7.3.
    Any,
}

impl Value for RedirectPort {
    fn form() -> String {
        "PORT|any".into()
    }
    fn parse(text: &str) -> Result<Self, String> {
        if text == "any" {
            return Ok(Self::Any);
        }
        text.parse().map(Self::Exactly).map_err(|_| "it must be a port number or any".into())
    }
    fn show(&self) -> String {
        match self {
            Self::Exactly(port) => port.to_string(),
            Self::Any => "any".into(),
        }
    }
}

/// Declares an enum whose variants are written as the given words.
macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[$vdoc])* $variant,)+ }

        impl Value for $name {
            fn form() -> String {
                [$($word),+].join("|")
            }
            fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("it must be one of {}", Self::form())),
                }
            }
            fn show(&self) -> String {
                match self { $(Self::$variant => $word,)+ }.into()
            }
        }
    )+};
}

choices! {
    /// The status of a poll that brings no token.
    DeviceErrors {
        /// 403 and 429, as Auth0 documents.
        Auth0 = "auth0",
        /// 400, as RFC 8628 section 3.5 says.
        Rfc = "rfc",
    }
    /// Which polls get `slow_down`.
    SlowDown {
        /// Those that come sooner than the interval allows.
        Fast = "fast",
        /// The first one, and then as `fast`.
        Once = "once",
        /// All of them until the code expires.
        Always = "always",
        /// None.
        Never = "never",
    }
    /// What the user decides.
    Decision {
        /// The pages ask.
        Ask = "ask",
        /// The server denies without a page.
        Deny = "deny",
    }
    /// Which spent refresh tokens may be replayed within the leeway.
    Replay {
        /// Only one whose children are all unused (Auth0: the immediately previous token).
        Previous = "previous",
        /// Any one that was spent within the leeway.
        Any = "any",
    }
    /// Which children of a replayed refresh token work.
    Children {
        /// All of them.
        All = "all",
        /// Only the newest one; an older one counts as reused.
        Newest = "newest",
    }
    /// How access tokens look.
    Shape {
        /// Like a JSON Web Token that starts with `eyJraW`.
        Jwt = "jwt",
        /// Random letters and digits.
        Opaque = "opaque",
    }
    /// The error of a refused refresh.
    RefreshError {
        /// `invalid_grant`, "Unknown or invalid refresh token."
        InvalidGrant = "invalid_grant",
        /// `unauthorized_client`, "refresh_token is invalid".
        UnauthorizedClient = "unauthorized_client",
    }
    /// The error of an unknown client or a wrong secret, with status 401.
    ClientError {
        /// `invalid_client`, RFC 6749 section 5.2.
        InvalidClient = "invalid_client",
        /// `access_denied`, "Unauthorized", as Auth0 does.
        AccessDenied = "access_denied",
    }
    /// The bodies that the token endpoint reads.
    TokenBody {
        /// Both.
        Both = "both",
        /// JSON only, as documented.
        Json = "json",
        /// Forms only, as RFC 6749 says.
        Form = "form",
    }
    /// The `iss` parameter of the redirect, RFC 9207.
    Iss {
        /// Neither announced nor sent.
        Off = "off",
        /// Announced and sent.
        On = "on",
        /// Announced, but with another issuer.
        Wrong = "wrong",
        /// Announced, but not sent.
        Missing = "missing",
    }
    /// The `state` parameter of the redirect.
    StateEcho {
        /// As the client sent it.
        Echo = "echo",
        /// Another value.
        Wrong = "wrong",
        /// Left out.
        Omit = "omit",
    }
    /// The sites that `accessible-resources` lists.
    Sites {
        /// Those that the user granted.
        Granted = "granted",
        /// All of the user's, as after several consents.
        All = "all",
        /// None.
        None = "none",
    }
}
