//! What the look-alike remembers between runs: one JSON file, replaced atomically.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::grants::{Families, Millis};

/// The file in the state directory.
pub(super) const FILE: &str = "sandbox-state.json";

/// Access tokens that are remembered; the oldest are forgotten first.
const REMEMBERED_ACCESS_TOKENS: usize = 5000;

/// How long an expired access token is remembered, to say that it expired.
const REMEMBER_EXPIRED: Millis = 24 * 3600 * 1000;

/// Everything. Tokens and codes are here as SHA-256 only.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    /// Names this look-alike, so that a second start recognizes it.
    pub(super) instance: String,
    /// The port of the last run.
    pub(super) port: Option<u16>,
    /// How far the clock was put forward.
    pub(super) advanced: Millis,
    /// What each account has granted to each client.
    pub(super) grants: Vec<Grant>,
    /// The refresh tokens.
    pub(super) families: Families,
    /// The access tokens, by hash.
    pub(super) access: BTreeMap<String, Access>,
    /// The authorization codes, by hash.
    pub(super) codes: BTreeMap<String, Code>,
    /// The device codes, by hash.
    pub(super) devices: BTreeMap<String, Device>,
}

/// "Only one grant exists per app for a given Atlassian account."
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Grant {
    /// To whom.
    pub(super) client: String,
    /// From whom.
    pub(super) account: String,
    /// "The scopes in the new grant override the scopes in the existing grant."
    pub(super) scopes: Vec<String>,
    /// "The additional sites are added to the same grant."
    pub(super) sites: BTreeSet<String>,
}

/// An access token that was given out.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Access {
    /// To whom.
    pub(super) client: String,
    /// For whom; a client that acts for itself has no account.
    pub(super) account: Option<String>,
    /// The login it comes from.
    pub(super) family: Option<String>,
    /// Which authorization code or device code it comes from, by hash.
    pub(super) origin: Option<String>,
    /// When.
    pub(super) issued: Millis,
    /// Until when.
    pub(super) expires: Millis,
    /// Whether it was revoked.
    pub(super) revoked: bool,
}

/// What the user agreed to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Agreed {
    /// The account.
    pub(super) account: String,
    /// The granted scopes.
    pub(super) scopes: Vec<String>,
    /// The site.
    pub(super) site: Option<String>,
}

/// An authorization code.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Code {
    /// Who may use it.
    pub(super) client: String,
    /// The redirect URI of the authorization request, if it had one.
    pub(super) redirect_uri: Option<String>,
    /// The PKCE challenge.
    pub(super) challenge: Option<String>,
    /// What it stands for.
    pub(super) agreed: Agreed,
    /// Until when.
    pub(super) expires: Millis,
    /// Whether it was used.
    pub(super) used: bool,
    /// The login that came out of it.
    pub(super) family: Option<String>,
}

/// A device code.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Device {
    /// Who may poll with it.
    pub(super) client: String,
    /// What the user types.
    pub(super) user_code: String,
    /// What is asked for.
    pub(super) scopes: Vec<String>,
    /// Until when.
    pub(super) expires: Millis,
    /// The interval that is enforced now.
    pub(super) interval: Millis,
    /// The last poll.
    pub(super) polled: Option<Millis>,
    /// Polls answered with `slow_down`.
    pub(super) slow_downs: u32,
    /// What the user decided.
    pub(super) decision: Decided,
}

/// What the user decided about a device code.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Decided {
    /// Nothing yet.
    Waiting,
    /// No.
    Denied,
    /// Yes.
    Accepted(Agreed),
}

impl State {
    /// What the account granted to the client.
    pub(super) fn grant(&self, client: &str, account: &str) -> Option<&Grant> {
        self.grants.iter().find(|grant| grant.client == client && grant.account == account)
    }

    /// Forgets what no answer depends on any more.
    pub(super) fn prune(&mut self, now: Millis) {
        self.access.retain(|_, access| now < access.expires.saturating_add(REMEMBER_EXPIRED));
        while self.access.len() > REMEMBERED_ACCESS_TOKENS {
            let oldest =
                self.access.iter().min_by_key(|(_, access)| access.issued).map(|(hash, _)| hash);
            let Some(oldest) = oldest.cloned() else { break };
            self.access.remove(&oldest);
        }
        let day_ago = now.saturating_sub(REMEMBER_EXPIRED);
        self.codes.retain(|_, code| code.expires > day_ago);
        self.devices.retain(|_, device| device.expires > day_ago);
    }
}

/// The state directory.
#[derive(Debug)]
pub(super) struct Store {
    directory: PathBuf,
}

impl Store {
    /// Opens the directory, and creates it if need be, for its owner only.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
            builder.mode(0o700).create(directory)?;
            fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
        }
        #[cfg(not(unix))]
        builder.create(directory)?;
        Ok(Self { directory: directory.into() })
    }

    /// The lock file, which a running look-alike holds locked. Never deleted.
    pub(super) fn lock_file(&self) -> io::Result<File> {
        private().create(true).open(self.directory.join("sandbox.lock"))
    }

    /// Reads the state; a fresh one if there is none.
    pub(super) fn load(&self) -> io::Result<State> {
        match fs::read(self.directory.join(FILE)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                io::Error::new(io::ErrorKind::InvalidData, format!("{FILE}: {error}"))
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::default()),
            Err(error) => Err(error),
        }
    }

    /// Replaces the state, durably: a look-alike that forgot a rotation would be no test of a client
    /// that must not.
    pub(super) fn save(&self, state: &State) -> io::Result<()> {
        let bytes = serde_json::to_vec(state)?;
        // Only the holder of the lock writes, so one name is enough, and a left-over is replaced.
        let temporary = self.directory.join("sandbox-state.json.new");
        match fs::remove_file(&temporary) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut file = private().create_new(true).open(&temporary)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, self.directory.join(FILE))?;
        #[cfg(unix)]
        File::open(&self.directory)?.sync_all()?;
        Ok(())
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}
