//! The environment: the only place that names a variable, and each with its sentence.
//!
//! `twg help environment`, the manual, `docs/environment.md`, the doctor's bundle and what the schedule of the upkeep
//! keeps are made from [`VARIABLES`], or a test compares them with it.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

pub(crate) const ACCESS_TOKEN: &str = "TWG_OAUTH_ACCESS_TOKEN";
pub(crate) const API_TOKEN: &str = "TWG_TOKEN";
pub(crate) const TOKEN_MODE: &str = "TWG_TOKEN_MODE";
pub(crate) const USER: &str = "TWG_USER";
pub(crate) const SITE: &str = "TWG_SITE";
pub(crate) const BITBUCKET_TOKEN: &str = "TWG_BBC_TOKEN";
pub(crate) const CLIENT_ID: &str = "TWG_CLIENT_ID";
pub(crate) const CLIENT_SECRET: &str = "TWG_CLIENT_SECRET";
pub(crate) const CONFIG_DIR: &str = "TWG_CONFIG_DIR";
pub(crate) const TWG_BROWSER: &str = "TWG_BROWSER";
pub(crate) const BROWSER: &str = "BROWSER";
pub(crate) const HTTPS_PROXY: &str = "HTTPS_PROXY";
pub(crate) const NO_PROXY: &str = "NO_PROXY";
pub(crate) const SSL_CERT_FILE: &str = "SSL_CERT_FILE";
pub(crate) const NO_COLOR: &str = "NO_COLOR";
pub(crate) const CLICOLOR_FORCE: &str = "CLICOLOR_FORCE";
pub(crate) const CI: &str = "CI";
pub(crate) const KUBERNETES_EXEC_INFO: &str = "KUBERNETES_EXEC_INFO";
/// Where the home directory is.
pub(crate) const HOME: &str = if cfg!(windows) { HOMES[1] } else { HOMES[0] };
pub(crate) const HOMES: [&str; 2] = ["HOME", "USERPROFILE"];
pub(crate) const XDG_CONFIG_HOME: &str = "XDG_CONFIG_HOME";
pub(crate) const XDG_DATA_HOME: &str = "XDG_DATA_HOME";
pub(crate) const XDG_STATE_HOME: &str = "XDG_STATE_HOME";
pub(crate) const XDG_RUNTIME_DIR: &str = "XDG_RUNTIME_DIR";
pub(crate) const APPDATA: &str = "APPDATA";
pub(crate) const LOCALAPPDATA: &str = "LOCALAPPDATA";
#[cfg(windows)]
pub(crate) const USERNAME: &str = "USERNAME";
#[cfg(windows)]
pub(crate) const USERDOMAIN: &str = "USERDOMAIN";
pub(crate) const SYSTEM_ROOT: &str = "SystemRoot";
pub(crate) const PATH: &str = "PATH";
pub(crate) const SHELL: &str = "SHELL";
pub(crate) const TERM: &str = "TERM";
pub(crate) const DISPLAYS: [&str; 2] = ["DISPLAY", "WAYLAND_DISPLAY"];
pub(crate) const WSL: [&str; 2] = ["WSL_DISTRO_NAME", "WSL_INTEROP"];
pub(crate) const SSH: [&str; 2] = ["SSH_CONNECTION", "SSH_TTY"];
pub(crate) const CONTAINERS: [&str; 5] = [
    "CODESPACES",
    "REMOTE_CONTAINERS",
    "GITPOD_WORKSPACE_ID",
    "KUBERNETES_SERVICE_HOST",
    "container",
];
/// The variables that coding agents set, and what to call each agent.
pub(crate) const AGENTS: [(&str, &str); 7] = [
    ("CLAUDECODE", "Claude Code"),
    ("CODEX_SANDBOX", "Codex"),
    ("CODEX_THREAD_ID", "Codex"),
    ("CURSOR_AGENT", "Cursor"),
    ("GEMINI_CLI", "Gemini CLI"),
    ("COPILOT_CLI", "Copilot CLI"),
    ("AI_AGENT", "a coding agent"),
];
/// The script of a shell says here which shell asks for completions.
pub(crate) const COMPLETE: &str = "_TWG_COMPLETE";
/// A build for tests takes releases from elsewhere. A released build does not read these two.
pub(crate) const RELEASE_URL: &str = "TWG_RELEASE_URL";
pub(crate) const RELEASE_KEY: &str = "TWG_RELEASE_KEY";
/// What names the user or the machine: the doctor's bundle hides their values.
pub(crate) const PERSONAL: [&str; 5] = ["USER", "LOGNAME", "USERNAME", "HOSTNAME", "COMPUTERNAME"];
/// What a program reads that this one starts: the text of a notification, and the language.
pub(crate) const NOTIFICATION: [&str; 2] = ["TWG_NOTIFICATION_TITLE", "TWG_NOTIFICATION_BODY"];
pub(crate) const LC_ALL: &str = "LC_ALL";

/// A variable that this program, or a library in it, reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    /// One or two sentences for people. Neighbours with the same sentence share a row.
    pub(crate) meaning: &'static str,
    pub(crate) bundle: Bundle,
    /// Whether the schedule of the upkeep keeps it, so that a run means the same connections over the same network.
    pub(crate) is_scheduled: bool,
}

/// What the doctor's bundle says of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bundle {
    /// Its value, which names no person and holds no secret.
    Value,
    /// Only that it is set.
    Name,
    Nothing,
}

const fn row(name: &'static str, bundle: Bundle, meaning: &'static str) -> Variable {
    Variable { name, meaning, bundle, is_scheduled: false }
}

const fn scheduled(variable: Variable) -> Variable {
    Variable { is_scheduled: true, ..variable }
}

const API_TOKEN_MEANING: &str = "The email address and the API token of an account, for scripts, and the kind of \
                                 token: classic (the default) or scoped. They replace the default Atlassian connection.";
const CLIENT_MEANING: &str = "The OAuth client for Atlassian. For a provider named example the names are \
                              TWG_EXAMPLE_CLIENT_ID and TWG_EXAMPLE_CLIENT_SECRET.";
const BROWSER_MEANING: &str = "The program that opens URLs; the first one wins.";
const PROXY_MEANING: &str = "The proxy, and the hosts that need none. Lower case works too.";
const CERTIFICATE_MEANING: &str =
    "Certificates to trust: on Linux instead of those of the system, elsewhere beside them.";
const COLOR_MEANING: &str = "Turn colors off or on, as in other programs.";
const HOME_MEANING: &str = "The home directory.";
const WINDOWS_MEANING: &str = "Where Windows keeps settings and programs of this user.";
const PERSONAL_MEANING: &str =
    "The names of this user and this machine. `twg doctor --bundle` hides them.";
const DISPLAY_MEANING: &str = "A desktop, so that a browser can open here.";
const WSL_MEANING: &str = "Windows Subsystem for Linux: a browser opens in Windows.";
const SSH_MEANING: &str = "A session over SSH: no browser opens here.";
const CONTAINER_MEANING: &str = "A container: no browser opens here.";
const AGENT_MEANING: &str = "A coding agent runs twg: errors show how to change its restrictions.";
const LANGUAGE_MEANING: &str = "The language of other programs. twg speaks English.";

/// Every variable, settings first.
pub(crate) const VARIABLES: &[Variable] = &[
    row(
        CONFIG_DIR,
        Bundle::Name,
        "The configuration directory, an absolute path. Without it: $XDG_CONFIG_HOME/twg, else ~/.config/twg; on Windows \
         %APPDATA%\\twg.",
    ),
    row(
        ACCESS_TOKEN,
        Bundle::Name,
        "An access token that another program keeps alive. It replaces the default Atlassian connection, and twg neither refreshes nor \
         stores it.",
    ),
    row(USER, Bundle::Name, API_TOKEN_MEANING),
    row(API_TOKEN, Bundle::Name, API_TOKEN_MEANING),
    row(TOKEN_MODE, Bundle::Name, API_TOKEN_MEANING),
    row(SITE, Bundle::Name, "The default site: acme for acme.atlassian.net."),
    row(
        BITBUCKET_TOKEN,
        Bundle::Name,
        "A Bitbucket token. It wins over the stored one; TWG_USER names its account where docker needs it.",
    ),
    scheduled(row(CLIENT_ID, Bundle::Name, CLIENT_MEANING)),
    row(CLIENT_SECRET, Bundle::Name, CLIENT_MEANING),
    row(TWG_BROWSER, Bundle::Name, BROWSER_MEANING),
    row(BROWSER, Bundle::Name, BROWSER_MEANING),
    scheduled(row(HTTPS_PROXY, Bundle::Name, PROXY_MEANING)),
    row("HTTP_PROXY", Bundle::Name, PROXY_MEANING),
    scheduled(row("ALL_PROXY", Bundle::Name, PROXY_MEANING)),
    scheduled(row(NO_PROXY, Bundle::Name, PROXY_MEANING)),
    scheduled(row(SSL_CERT_FILE, Bundle::Name, CERTIFICATE_MEANING)),
    scheduled(row("SSL_CERT_DIR", Bundle::Name, CERTIFICATE_MEANING)),
    row(NO_COLOR, Bundle::Value, COLOR_MEANING),
    row(CLICOLOR_FORCE, Bundle::Value, COLOR_MEANING),
    row(CI, Bundle::Value, "twg asks no questions and opens no browser."),
    row(KUBERNETES_EXEC_INFO, Bundle::Nothing, "kubectl says here which ExecCredential it reads."),
    row(XDG_CONFIG_HOME, Bundle::Name, "Holds the configuration directory, instead of ~/.config."),
    row(XDG_DATA_HOME, Bundle::Nothing, "Holds installed versions, instead of ~/.local/share."),
    scheduled(row(
        XDG_STATE_HOME,
        Bundle::Name,
        "Holds responses that could not be saved elsewhere, instead of ~/.local/state.",
    )),
    row(XDG_RUNTIME_DIR, Bundle::Name, "Holds them if that directory cannot."),
    row(HOMES[0], Bundle::Nothing, HOME_MEANING),
    row(HOMES[1], Bundle::Nothing, HOME_MEANING),
    row(APPDATA, Bundle::Nothing, WINDOWS_MEANING),
    row(LOCALAPPDATA, Bundle::Nothing, WINDOWS_MEANING),
    row(PERSONAL[0], Bundle::Nothing, PERSONAL_MEANING),
    row(PERSONAL[1], Bundle::Nothing, PERSONAL_MEANING),
    row(PERSONAL[2], Bundle::Nothing, PERSONAL_MEANING),
    row(PERSONAL[3], Bundle::Nothing, PERSONAL_MEANING),
    row(PERSONAL[4], Bundle::Nothing, PERSONAL_MEANING),
    row("USERDOMAIN", Bundle::Nothing, "The domain of this user on Windows."),
    row(SYSTEM_ROOT, Bundle::Nothing, "Where Windows is."),
    row(PATH, Bundle::Nothing, "Where programs are."),
    row(SHELL, Bundle::Nothing, "The shell that `twg setup` adds completion to."),
    row(TERM, Bundle::Value, "The kind of terminal; dumb has no colors."),
    row("COLUMNS", Bundle::Value, "The width of help that is not shown on a terminal."),
    row("LANG", Bundle::Value, LANGUAGE_MEANING),
    row(LC_ALL, Bundle::Value, LANGUAGE_MEANING),
    row(DISPLAYS[0], Bundle::Name, DISPLAY_MEANING),
    row(DISPLAYS[1], Bundle::Name, DISPLAY_MEANING),
    row(WSL[0], Bundle::Name, WSL_MEANING),
    row(WSL[1], Bundle::Nothing, WSL_MEANING),
    row(SSH[0], Bundle::Name, SSH_MEANING),
    row(SSH[1], Bundle::Nothing, SSH_MEANING),
    row(CONTAINERS[0], Bundle::Nothing, CONTAINER_MEANING),
    row(CONTAINERS[1], Bundle::Nothing, CONTAINER_MEANING),
    row(CONTAINERS[2], Bundle::Nothing, CONTAINER_MEANING),
    row(CONTAINERS[3], Bundle::Nothing, CONTAINER_MEANING),
    row(CONTAINERS[4], Bundle::Nothing, CONTAINER_MEANING),
    row(AGENTS[0].0, Bundle::Nothing, AGENT_MEANING),
    row(AGENTS[1].0, Bundle::Nothing, AGENT_MEANING),
    row(AGENTS[2].0, Bundle::Nothing, AGENT_MEANING),
    row(AGENTS[3].0, Bundle::Nothing, AGENT_MEANING),
    row(AGENTS[4].0, Bundle::Nothing, AGENT_MEANING),
    row(AGENTS[5].0, Bundle::Nothing, AGENT_MEANING),
    row(AGENTS[6].0, Bundle::Nothing, AGENT_MEANING),
    row(COMPLETE, Bundle::Nothing, "The completion script says here which shell asks."),
    row(
        NOTIFICATION[0],
        Bundle::Nothing,
        "twg sets these for the program that shows a notification.",
    ),
    row(
        NOTIFICATION[1],
        Bundle::Nothing,
        "twg sets these for the program that shows a notification.",
    ),
];

/// The names of the variables that configure proxies and certificates, in upper and in lower case.
pub(crate) const NETWORK: [&str; 10] = [
    HTTPS_PROXY,
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    NO_PROXY,
    "no_proxy",
    SSL_CERT_FILE,
    "SSL_CERT_DIR",
];

/// The value of a variable. Services and containers often lack [`HOME`]: then the system knows it. A value that is
/// empty was emptied on purpose.
pub(crate) fn env(name: &str) -> Option<OsString> {
    std::env::var_os(name)
        .or_else(|| (name == HOME).then(std::env::home_dir).flatten().map(PathBuf::into_os_string))
}

/// As [`env`], without asking the system.
pub(crate) fn exactly(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The value of a variable that is set, not empty, and text.
pub(crate) fn text(name: &str) -> Option<String> {
    env(name)?.into_string().ok().filter(|text| !text.is_empty())
}

/// Whether a variable is set and not empty.
pub(crate) fn is_set(name: &str) -> bool {
    env(name).is_some_and(|value| !value.is_empty())
}

/// The home directory of this environment. A relative path is ignored: it would change with the directory.
pub(crate) fn home_dir(env: &impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    env(HOME).map(PathBuf::from).filter(|home| home.is_absolute())
}

/// The names of all variables that are set here and look like they hold a secret of twg.
pub(crate) fn secrets() -> impl Iterator<Item = OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(|name| is_secret(name))
}

fn is_secret(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_uppercase();
    name.starts_with("TWG_")
        && ["TOKEN", "SECRET", "PASSWORD", "KEY"].iter().any(|word| name.contains(word))
}

/// The variable of a provider's client: `TWG_EXAMPLE_CLIENT_ID` for the provider `example`, so that no provider is
/// ever sent the secret of another one. [`CLIENT_ID`] is that of the main provider.
pub(crate) fn of_client(provider: &str, main_variable: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = provider.chars().map(letter).collect();
    format!("TWG_{name}_{}", main_variable.trim_start_matches("TWG_"))
}

/// The rows for people: the names that share a sentence, and the sentence.
pub(crate) fn rows() -> Vec<(String, &'static str)> {
    let mut rows: Vec<(String, &'static str)> = Vec::new();
    for variable in VARIABLES {
        match rows.last_mut() {
            Some((names, meaning)) if *meaning == variable.meaning => {
                names.push_str(&format!(", {}", variable.name));
            }
            _ => rows.push((variable.name.to_owned(), variable.meaning)),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::{env, fs};

    use super::*;

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/environment.md");

    /// `SNAPSHOTS=overwrite cargo test -p twg environment` writes the table again.
    #[test]
    fn the_page_for_readers_has_the_same_table() {
        let page = fs::read_to_string(PAGE).unwrap();
        let (before, rest) = page.split_once("<!-- environment: begin -->\n").unwrap();
        let (_, after) = rest.split_once("<!-- environment: end -->").unwrap();
        let mut table = String::from("| variable | meaning |\n|---|---|\n");
        for (names, meaning) in rows() {
            let names: Vec<_> = names.split(", ").map(|name| format!("`{name}`")).collect();
            table.push_str(&format!("| {} | {meaning} |\n", names.join(", ")));
        }
        let expected =
            format!("{before}<!-- environment: begin -->\n{table}<!-- environment: end -->{after}");
        if env::var_os("SNAPSHOTS").is_some_and(|action| action == "overwrite") {
            fs::write(PAGE, &expected).unwrap();
        }
        assert_eq!(page, expected, "write it again with SNAPSHOTS=overwrite");
    }

    #[test]
    fn every_variable_has_one_row() {
        let mut names: Vec<_> = VARIABLES.iter().map(|variable| variable.name).collect();
        names.sort_unstable();
        let before = names.len();
        names.dedup();
        assert_eq!(names.len(), before);
    }

    /// A token could stand in any of ours by mistake.
    #[test]
    fn the_bundle_shows_no_value_of_ours() {
        let shown = |variable: &&Variable| variable.bundle == Bundle::Value;
        let mut ours = VARIABLES.iter().filter(|variable| variable.name.starts_with("TWG_"));
        assert_eq!(ours.find(shown), None);
    }

    /// No other file reads the environment, or has a name of a variable in quotes.
    #[test]
    fn no_other_file_names_a_variable() {
        let mut wrong = Vec::new();
        for file in sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))) {
            let text = fs::read_to_string(&file).unwrap();
            let product = text.split("#[cfg(test)]").next().unwrap_or_default();
            if file.ends_with("environment.rs") || file.ends_with("tests.rs") {
                continue;
            }
            // `option_env!` is read by the compiler, and takes no constant.
            let product = product.replace("option_env!(\"", "option_env!(");
            // A word like PATH is not always a variable.
            let quoted = VARIABLES.iter().map(|variable| match variable.name {
                name if name.contains('_') => format!("\"{name}\""),
                name => format!("env(\"{name}\")"),
            });
            let read = ["env::var".to_owned()];
            for name in quoted.chain(read).filter(|name| product.contains(name.as_str())) {
                wrong.push(format!("{}: {name}", file.display()));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    fn sources(directory: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
    }

    #[test]
    fn secrets_are_told_apart() {
        let secrets = [
            "TWG_TOKEN",
            "TWG_OAUTH_ACCESS_TOKEN",
            "TWG_BBC_TOKEN",
            "TWG_CLIENT_SECRET",
            "twg_token",
        ];
        assert!(secrets.iter().all(|name| is_secret(OsStr::new(name))));
        assert!(
            !["TWG_BROWSER", "TWG_CONFIG_DIR", "GITHUB_TOKEN"]
                .iter()
                .any(|n| is_secret(OsStr::new(n)))
        );
    }
}
