//! Opens the user's browser. Never a web view: RFC 8252 section 8.12, "native apps MUST NOT use
//! embedded user-agents".
//!
//! The URL is one argument of one program, and no shell ever sees it. `TWG_BROWSER` and then
//! `BROWSER` name the program; otherwise the operating system chooses. The crate `webbrowser` does
//! more than this, but not what is needed here: to notice a launcher that fails, to leave no
//! zombie, to keep secrets out of the browser's environment, and to keep Ctrl-C away from it.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use url::Url;

use super::http::is_loopback;
#[cfg(windows)]
use crate::environment::SYSTEM_ROOT;
use crate::environment::{BROWSER, TWG_BROWSER};
#[cfg(all(unix, not(target_os = "macos")))]
use crate::environment::{DISPLAYS, WSL};
use crate::system::{platform, subprocess};

/// A launcher that fails does so at once. One that is still running after this time is a browser in
/// the foreground.
const GRACE: Duration = Duration::from_secs(2);

/// Why no browser was opened. The command goes on, because the URL is on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoBrowser {
    /// The URL must not be opened.
    Forbidden,
    /// There is no desktop to open a browser on.
    #[cfg_attr(
        any(windows, target_os = "macos"),
        expect(dead_code, reason = "their openers fail instead")
    )]
    NoDisplay,
    /// Each program that was tried is missing or failed.
    Failed(Vec<String>),
}

impl fmt::Display for NoBrowser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forbidden => f.write_str("the URL must not be opened"),
            Self::NoDisplay => f.write_str("there is no desktop"),
            Self::Failed(tried) => write!(f, "these did not work: {}", tried.join(", ")),
        }
    }
}

impl std::error::Error for NoBrowser {}

/// Opens the URL in the user's browser. Returns when a launcher has succeeded, or is still running
/// after a moment.
///
/// # Errors
/// [`NoBrowser`].
pub(crate) async fn open(
    url: &str,
    env: &impl Fn(&str) -> Option<OsString>,
) -> Result<(), NoBrowser> {
    if !may_be_opened(url) {
        return Err(NoBrowser::Forbidden);
    }
    let mut tried = Vec::new();
    for candidate in candidates(url, env)? {
        if launch(&candidate).await {
            return Ok(());
        }
        let name = candidate.program.to_string_lossy();
        tried.push(twg_core::text::inert(&name));
    }
    Err(NoBrowser::Failed(tried))
}

/// Allows only https URLs and URLs of this machine, and only characters that no shell or launcher
/// interprets, in case one is in between. Authorization requests need no others, because their
/// parameters are percent-encoded.
fn may_be_opened(url: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!&*+,=%".contains(&b);
    if url.starts_with('-') || url.len() > 32 * 1024 || !url.bytes().all(plain) {
        return false;
    }
    let Ok(parsed) = Url::parse(url) else { return false };
    let is_web = parsed.scheme() == "https" && parsed.has_host();
    (is_web || parsed.scheme() == "http" && is_loopback(&parsed))
        // The URL that was checked must be the URL that is opened.
        && url.starts_with(&format!("{}://", parsed.scheme()))
        && parsed.username().is_empty()
        && parsed.password().is_none()
}

/// A program and its arguments, including the URL.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    program: OsString,
    args: Vec<OsString>,
}

impl Candidate {
    fn new(program: impl Into<OsString>, args: &[&str]) -> Self {
        Self { program: program.into(), args: args.iter().map(OsString::from).collect() }
    }
}

fn candidates(
    url: &str,
    env: &impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<Candidate>, NoBrowser> {
    for name in [TWG_BROWSER, BROWSER] {
        if let Some(value) = env(name).filter(|value| !value.is_empty()) {
            // The user chose a browser, so no other is tried.
            return Ok(chosen(&value, url));
        }
    }
    platform_candidates(url, env)
}

/// The programs that `BROWSER` names: alternatives separated by `:`, each a program and its
/// arguments separated by spaces, with `%s` for the URL (`%c` for `:`, `%%` for `%`). There is no
/// quoting, but if the whole value is the path of a file, it is that file. The words are split
/// before the URL is inserted, so that the URL stays within its word; RUSTSEC-2026-0257 is about
/// the opposite order.
fn chosen(value: &OsStr, url: &str) -> Vec<Candidate> {
    if Path::new(value).is_file() {
        return vec![Candidate::new(value, &[url])];
    }
    let Some(value) = value.to_str() else { return Vec::new() };
    let alternatives: Vec<_> = if cfg!(windows) { vec![value] } else { value.split(':').collect() };
    let candidate = |alternative: &str| {
        let mut words = alternative.split_ascii_whitespace();
        let program = words.next()?;
        let mut has_url = false;
        let mut args: Vec<OsString> =
            words.map(|word| expanded(word, url, &mut has_url).into()).collect();
        if !has_url {
            args.push(url.into());
        }
        Some(Candidate { program: program.into(), args })
    };
    alternatives.into_iter().filter_map(candidate).collect()
}

fn expanded(word: &str, url: &str, has_url: &mut bool) -> String {
    let mut expanded = String::with_capacity(word.len() + url.len());
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('%') {
        expanded.push_str(before);
        let value = match after.chars().next() {
            Some('s') => {
                *has_url = true;
                url
            }
            Some('c') => ":",
            Some('%') => "%",
            _ => {
                expanded.push('%');
                rest = after;
                continue;
            }
        };
        expanded.push_str(value);
        rest = after.get(1..).unwrap_or_default();
    }
    expanded + rest
}

#[cfg(target_os = "macos")]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on other systems")]
fn platform_candidates(
    url: &str,
    _: &impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<Candidate>, NoBrowser> {
    Ok(vec![Candidate::new("/usr/bin/open", &[url])])
}

#[cfg(windows)]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on other systems")]
fn platform_candidates(
    url: &str,
    env: &impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<Candidate>, NoBrowser> {
    // `start` would be cmd.exe, which interprets an `&`.
    let system = env(SYSTEM_ROOT).unwrap_or_else(|| "C:\\Windows".into());
    let rundll = Path::new(&system).join("System32").join("rundll32.exe");
    Ok(vec![Candidate::new(rundll, &["url.dll,FileProtocolHandler", url])])
}

#[cfg(all(unix, not(target_os = "macos")))]
fn platform_candidates(
    url: &str,
    env: &impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<Candidate>, NoBrowser> {
    let set = |name: &str| env(name).is_some_and(|value| !value.is_empty());
    let mut candidates = Vec::new();
    if WSL.into_iter().any(set) {
        // The browser of the Windows around it. `explorer.exe` opens a folder instead if the URL
        // has a query, and PowerShell would need the URL quoted in its own language.
        let protocol = "url.dll,FileProtocolHandler";
        candidates.extend([
            Candidate::new("wslview", &[url]),
            Candidate::new("rundll32.exe", &[protocol, url]),
            Candidate::new("/mnt/c/Windows/System32/rundll32.exe", &[protocol, url]),
        ]);
    }
    // Without a desktop, these would start a text browser, or wait for a browser that never comes.
    if DISPLAYS.into_iter().any(set) {
        candidates.extend([
            Candidate::new("xdg-open", &[url]),
            Candidate::new("gio", &["open", url]),
            Candidate::new("sensible-browser", &[url]),
        ]);
    }
    if candidates.is_empty() { Err(NoBrowser::NoDisplay) } else { Ok(candidates) }
}

/// Whether the program succeeded or is still running. In the second case a thread waits for it, so
/// that it does not become a zombie.
async fn launch(candidate: &Candidate) -> bool {
    let mut command = subprocess::command(&candidate.program);
    command.args(&candidate.args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    platform::detach(&mut command);
    let Ok(mut child) = command.spawn() else { return false };
    let (done, exit) = tokio::sync::oneshot::channel();
    let waiter = std::thread::Builder::new().name("browser".to_owned()).spawn(move || {
        // If the program stayed, the receiver is gone.
        let _ = done.send(child.wait());
    });
    if waiter.is_err() {
        return true;
    }
    match tokio::time::timeout(GRACE, exit).await {
        Ok(Ok(Ok(status))) => status.success(),
        Ok(_) => false,
        Err(_) => true,
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::time::Instant;

    use super::super::file_store::tests::scratch_dir;
    use super::*;

    const URL: &str = "https://auth.example.com/authorize?a=1&b=%20x";

    fn args(value: &str) -> Vec<String> {
        chosen(OsStr::new(value), URL)
            .into_iter()
            .map(|c| {
                let words = std::iter::once(&c.program).chain(&c.args);
                words.map(|w| w.to_str().unwrap()).collect::<Vec<_>>().join("|")
            })
            .collect()
    }

    /// A43 and the incidents mcp-remote CVE-2025-6514, go-gh CVE-2025-48938 and oidc-agent 5.3.8.
    #[test]
    fn only_web_urls_are_opened() {
        for url in [
            URL,
            "https://example.com",
            "http://127.0.0.1:80/x",
            "http://localhost:1/",
            "http://[::1]:1/",
        ] {
            assert!(may_be_opened(url), "{url}");
        }
        for url in [
            "",
            "--version",
            "-https://example.com",
            "http://example.com/",
            "http://127.0.0.1.example.com/",
            "HTTPS://example.com/",
            "https:example.com",
            "https:/example.com",
            " https://example.com/",
            "https://example.com/ x",
            "https://example.com/\n",
            "https://example.com/\0",
            "https://example.com/\u{9b}",
            "https://example.com/é",
            "https://user:pass@example.com/",
            "https://user@example.com/",
            "https://example.com/$(id)",
            "https://example.com/`id`",
            "https://example.com/\"&calc",
            "https://example.com/'x'",
            "https://example.com/;x",
            "https://example.com/|x",
            "https://example.com/^x",
            "https://example.com/<x>",
            "https://example.com\\@evil.example",
            "file:///etc/passwd",
            "\\\\server\\share",
            "//example.com/",
            "javascript:alert(1)",
            "data:text/html,x",
            "ms-settings:x",
            "vscode://x/y",
            "https://",
        ] {
            assert!(!may_be_opened(url), "{url}");
        }
    }

    /// Incident RUSTSEC-2026-0257: the URL stays one argument.
    #[test]
    fn browser_is_split_into_words_before_the_url_is_inserted() {
        assert_eq!(args("firefox"), [format!("firefox|{URL}")]);
        assert_eq!(args("x %s"), [format!("x|{URL}")]);
        assert_eq!(args("x --new  --url=%s y"), [format!("x|--new|--url={URL}|y")]);
        assert_eq!(args("a:b -c %s::"), [format!("a|{URL}"), format!("b|-c|{URL}")]);
        assert_eq!(args("x %%s %c %d %"), [format!("x|%s|:|%d|%|{URL}")]);
        assert_eq!(args("  "), [""; 0]);
        let spaced = chosen(OsStr::new("x %s"), "https://e/a b");
        assert_eq!(spaced[0].args, ["https://e/a b"]);
    }

    #[test]
    fn a_path_with_spaces_is_one_program() {
        let dir = scratch_dir();
        let path = dir.path().join("my browser");
        std::fs::write(&path, "").unwrap();
        assert_eq!(chosen(path.as_os_str(), URL), [Candidate::new(&path, &[URL])]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_choice_of_the_user_goes_first_and_a_desktop_is_needed() {
        let programs = |vars: &[(&str, &str)]| {
            let env = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| v.into());
            candidates(URL, &env).map(|found| {
                found.iter().map(|c| c.program.to_str().unwrap().to_owned()).collect::<Vec<_>>()
            })
        };
        assert_eq!(programs(&[("TWG_BROWSER", "a"), ("BROWSER", "b")]).unwrap(), ["a"]);
        assert_eq!(programs(&[("TWG_BROWSER", ""), ("BROWSER", "b")]).unwrap(), ["b"]);
        assert_eq!(programs(&[]), Err(NoBrowser::NoDisplay));
        assert_eq!(programs(&[("DISPLAY", "")]), Err(NoBrowser::NoDisplay));
        let desktop = ["xdg-open", "gio", "sensible-browser"];
        assert_eq!(programs(&[("DISPLAY", ":0")]).unwrap(), desktop);
        assert_eq!(programs(&[("WAYLAND_DISPLAY", "wayland-0")]).unwrap(), desktop);
        assert_eq!(programs(&[("WSL_DISTRO_NAME", "Debian")]).unwrap()[0], "wslview");
    }

    /// A program that runs this shell script. The script gets the URL as `$1`.
    fn script(dir: &Path, name: &str, text: &str) -> String {
        use std::os::unix::fs::PermissionsExt;
        let path = dir.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn open_with(browser: &str) -> Result<(), NoBrowser> {
        let env = |name: &str| (name == "BROWSER").then(|| OsString::from(browser));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(open(URL, &env))
    }

    #[test]
    fn a_launcher_that_fails_is_followed_by_the_next_one() {
        let dir = scratch_dir();
        let told = dir.path().join("told");
        let bad = script(dir.path(), "bad", "exit 3");
        let good =
            script(dir.path(), "good", &format!("printf '%s\\n' \"$@\" > {}", told.display()));
        open_with(&format!("/nowhere/x:{bad}:{good} --flag")).unwrap();
        assert_eq!(std::fs::read_to_string(&told).unwrap(), format!("--flag\n{URL}\n"));
        let error = open_with(&format!("/nowhere/x:{bad}")).unwrap_err();
        assert_eq!(error, NoBrowser::Failed(vec!["/nowhere/x".to_owned(), bad]));
    }

    #[test]
    fn a_browser_in_the_foreground_does_not_block_and_leaves_no_zombie() {
        let dir = scratch_dir();
        let pid = dir.path().join("pid");
        let text = format!("echo $$ > {}; exec sleep 3", pid.display());
        let begun = Instant::now();
        open_with(&script(dir.path(), "stays", &text)).unwrap();
        assert!(begun.elapsed() < Duration::from_millis(2900), "{:?}", begun.elapsed());
        let pid = std::fs::read_to_string(pid).unwrap();
        let process = format!("/proc/{}", pid.trim());
        // It has its own process group, so that Ctrl-C in the terminal does not reach it.
        let stat = std::fs::read_to_string(format!("{process}/stat")).unwrap();
        let group = stat.rsplit_once(") ").unwrap().1.split(' ').nth(2).unwrap();
        assert_eq!(group, pid.trim());
        for fd in 0..3 {
            let target = std::fs::read_link(format!("{process}/fd/{fd}")).unwrap();
            assert_eq!(target, Path::new("/dev/null"));
        }
        let gone = || !Path::new(&process).exists();
        while !gone() && begun.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(gone());
    }
}
