//! The authorization servers: their settings before a case, and what they report about a grant
//! after it.

use std::fmt;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use twg_tests::{Browser, OidcProvider, RunningTwg, Sandbox, TempHome, TwgOutput};

/// Which tokens from a replay keep working.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Children {
    /// All of them.
    All,
    /// Only the newest.
    Newest,
}

/// The kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The sandbox, with this leeway in seconds.
    Sandbox {
        /// How long a spent token may be sent again.
        leeway: u64,
        /// The tokens that keep working after a replay.
        children: Children,
    },
    /// npm `oidc-provider`: no leeway.
    OidcProvider,
}

impl Kind {
    /// The leeway in seconds.
    #[must_use]
    pub const fn leeway(self) -> u64 {
        match self {
            Self::Sandbox { leeway, .. } => leeway,
            Self::OidcProvider => 0,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OidcProvider => f.write_str("oidc-provider (strict)"),
            Self::Sandbox { leeway: 0, children: Children::All } => f.write_str("sandbox, strict"),
            Self::Sandbox { leeway, children } => {
                let children = if *children == Children::All { "all" } else { "newest" };
                write!(f, "sandbox, leeway {leeway} s, children {children}")
            }
        }
    }
}

/// The server's counts for one login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Exchanges of an unspent refresh token.
    pub rotations: u64,
    /// Exchanges of a spent one within the leeway.
    pub replays: u64,
    /// Spent tokens that came after the leeway.
    pub reuses: u64,
}

impl Counted {
    /// Refresh requests in all.
    #[must_use]
    pub const fn requests(self) -> u64 {
        self.rotations + self.replays + self.reuses
    }

    /// The difference since `before`.
    #[must_use]
    pub const fn since(self, before: Self) -> Self {
        Self {
            rotations: self.rotations - before.rotations,
            replays: self.replays - before.replays,
            reuses: self.reuses - before.reuses,
        }
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    /// Its kind.
    pub kind: Kind,
    running: Running,
}

#[derive(Debug)]
enum Running {
    Sandbox(Box<Sandbox>),
    OidcProvider(Box<OidcProvider>),
}

impl Server {
    /// Starts a server.
    #[must_use]
    pub fn start(kind: Kind) -> Self {
        let running = match kind {
            Kind::Sandbox { leeway, children } => {
                let children = if children == Children::All { "all" } else { "newest" };
                Running::Sandbox(Box::new(Sandbox::start_with(&[
                    &format!("leeway={leeway}"),
                    &format!("leeway-children={children}"),
                ])))
            }
            Kind::OidcProvider => Running::OidcProvider(Box::new(OidcProvider::start())),
        };
        Self { kind, running }
    }

    /// The sandbox, if this is one.
    #[must_use]
    pub fn sandbox(&self) -> Option<&Sandbox> {
        match &self.running {
            Running::Sandbox(sandbox) => Some(sandbox),
            Running::OidcProvider(_) => None,
        }
    }

    /// The record of a login here, relative to the configuration directory.
    #[must_use]
    pub const fn record(&self) -> &'static str {
        match self.running {
            Running::Sandbox(_) => "auth.conf",
            Running::OidcProvider(_) => "connections/oidc/default.conf",
        }
    }

    /// The provider's name on the command line.
    #[must_use]
    pub const fn provider(&self) -> Option<&'static str> {
        match self.running {
            Running::Sandbox(_) => None,
            Running::OidcProvider(_) => Some("oidc"),
        }
    }

    /// Configures the server in a new home. The profile names the server's leeway, unless
    /// `known_leeway` is another one.
    pub fn furnish(&self, home: &TempHome, known_leeway: Option<u64>) {
        let leeway = known_leeway.unwrap_or_else(|| self.kind.leeway());
        match &self.running {
            Running::Sandbox(sandbox) => {
                let mut profile = sandbox.provider_file();
                profile["reuse_leeway_seconds"] = leeway.into();
                home.write_config("providers/atlassian.json", profile.to_string());
                let client = sandbox.config_dir().join("clients/atlassian.conf");
                let client = std::fs::read(client).expect("the sandbox wrote it");
                home.write_config("clients/atlassian.conf", client);
            }
            Running::OidcProvider(server) => {
                let mut profile = server.provider_file();
                profile["reuse_leeway_seconds"] = leeway.into();
                home.write_config("providers/oidc.json", profile.to_string());
            }
        }
    }

    /// Approves a running login.
    #[must_use]
    pub fn finish(&self, login: RunningTwg) -> TwgOutput {
        match &self.running {
            Running::Sandbox(sandbox) => sandbox.finish(login),
            Running::OidcProvider(server) => {
                let page = server.approve(&Browser::new(), &login.wait_for_address());
                assert_eq!(page.status, 200, "{page:?}");
                login.wait()
            }
        }
    }

    /// The name of the login of this unspent refresh token. `None` if the server has no such names.
    #[must_use]
    pub fn family_of(&self, refresh_token: &str) -> Option<String> {
        let hash = sha256(refresh_token);
        let is_it = |grant: &Value| {
            grant["unspent_sha256"].as_array().is_some_and(|all| all.iter().any(|h| *h == hash))
        };
        let grants = self.sandbox()?.grants();
        let grant = grants.iter().find(|grant| is_it(grant)).expect("the sandbox knows its tokens");
        Some(grant["id"].as_str().expect("a name").to_owned())
    }

    /// The counts for a login. `None` if the server does not count.
    #[must_use]
    pub fn counted(&self, family: Option<&str>) -> Option<Counted> {
        let grant = self.grant(family?);
        let number = |name: &str| grant[name].as_u64().expect("a number");
        Some(Counted {
            rotations: number("rotations"),
            replays: number("replays"),
            reuses: number("reuses"),
        })
    }

    /// Whether the grant lives, and this refresh token with it.
    #[must_use]
    pub fn is_alive(&self, family: Option<&str>, refresh_token: &str) -> bool {
        match &self.running {
            Running::Sandbox(_) => {
                let grant = self.grant(family.expect("a sandbox names its logins"));
                grant["alive"] == true
            }
            Running::OidcProvider(server) => server.is_active(refresh_token),
        }
    }

    fn grant(&self, family: &str) -> Value {
        let grants = self.sandbox().expect("only a sandbox tells").grants();
        grants.into_iter().find(|grant| grant["id"] == family).expect("a login that it began")
    }
}

/// SHA-256 in hexadecimal, as the sandbox names tokens.
fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
