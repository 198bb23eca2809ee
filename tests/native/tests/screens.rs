//! What the help looks like on terminals of several widths: `screens/NAME.txt`, and in colour
//! `screens/NAME-colour.txt`, where `<b>` is bold, `<bu>` bold and underlined, and `</>` the end of
//! both.
//!
//! `SNAPSHOTS=overwrite cargo test -p twg-tests --test screens` writes them again; then read the
//! difference.
#![cfg(unix)]

use snapbox::{Assert, Data};
use twg_tests::{TempHome, repository};

const COMMANDS: [(&str, &[&str]); 4] =
    [("twg", &[]), ("login", &["login"]), ("auth", &["auth"]), ("api", &["api"])];

const WIDTHS: [&str; 3] = ["40", "80", "200"];

#[test]
fn the_help_of_these_commands() {
    let home = TempHome::new();
    for (name, words) in COMMANDS {
        let (mut plain, mut colour) = (String::new(), String::new());
        for width in WIDTHS {
            let twg = home.twg(words).arg("--help").env("COLUMNS", width);
            let shown = twg.run().expect_success().stdout.clone();
            let painted = twg.env("CLICOLOR_FORCE", "1").run().expect_success().stdout.clone();
            assert_ne!(shown, painted);
            let painted = painted.replace("\u{1b}[1m\u{1b}[4m", "<bu>").replace("\u{1b}[1m", "<b>");
            let painted = painted.replace("\u{1b}[0m", "</>");
            let without = ["<bu>", "<b>", "</>"]
                .iter()
                .fold(painted.clone(), |text, style| text.replace(style, ""));
            assert_eq!(shown, without, "colours change no text");
            let ruler = format!("{:-^1$}\n", format!(" {width} columns "), 40);
            plain.push_str(&format!("{ruler}{shown}"));
            colour.push_str(&format!("{ruler}{painted}"));
        }
        is_as_stored(name, &plain);
        is_as_stored(&format!("{name}-colour"), &colour);
    }
}

#[track_caller]
fn is_as_stored(name: &str, text: &str) {
    let path = repository().join(format!("tests/native/screens/{name}.txt"));
    Assert::new().action_env("SNAPSHOTS").eq(text, Data::read_from(&path, None));
}

/// `twg` alone, a group of commands alone and `twg help` show help on standard output, as `--help`
/// does.
#[test]
fn help_comes_in_many_ways() {
    let home = TempHome::new();
    let help = |words: &[&str]| {
        let output = home.twg(words).run();
        assert_eq!(output.expect_success().stderr, "", "{output}");
        output.stdout
    };
    assert_eq!(help(&[]), help(&["--help"]));
    assert_eq!(help(&[]), help(&["help"]));
    for group in [&["auth"][..], &["upkeep"], &["admin", "auth"], &["sandbox"]] {
        let asked = [group, &["--help"]].concat();
        assert_eq!(help(group), help(&asked));
        assert_eq!(help(&[&["help"], group].concat()), help(&asked));
    }
    assert_eq!(help(&["help", "auth", "token"]), help(&["auth", "token", "-h"]));
    assert_eq!(help(&["help", "auth", "token"]), help(&["auth", "token", "--help"]));
    let login = help(&["login", "--help"]);
    let alias = help(&["auth", "login", "--help"]).replace("twg auth login", "twg login");
    let without_about = |text: &str| text.split_once('\n').map(|(_, rest)| rest.to_owned());
    assert_eq!(without_about(&alias), without_about(&login));
}

#[test]
fn topics_explain_codes_variables_and_files() {
    let home = TempHome::new();
    for (topic, words) in [
        ("exit-codes", ["73", "130", "Interrupted"]),
        ("environment", ["TWG_CONFIG_DIR", "HTTPS_PROXY", "CODEX_SANDBOX"]),
        ("files", ["auth.conf", "upkeep.json", ".twg"]),
    ] {
        let shown = home.twg(["help", topic]).env("COLUMNS", "200").run();
        let shown = &shown.expect_success().stdout;
        assert!(words.iter().all(|word| shown.contains(word)), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    }
    let unknown = home.twg(["help", "nonsense"]).run();
    unknown.expect_code(2).expect_stderr("There is no command 'nonsense'");
    unknown.expect_stderr("Run `twg help` to see the commands.");
}

/// On a terminal, help has its colours and its width.
#[test]
fn help_fits_a_real_terminal() {
    let home = TempHome::new();
    let twg = home.twg(["login", "--help"]);
    let shown = twg.clone().in_terminal();
    assert!(shown.wait().success());
    assert!(shown.transcript().contains("\u{1b}[1m"), "{}", shown.transcript());
    assert!(shown.screen().lines().all(|line| line.trim_end().len() <= 80), "{}", shown.screen());
    let plain = twg.env("NO_COLOR", "1").in_terminal();
    assert!(plain.wait().success());
    assert!(!plain.transcript().contains("\u{1b}[1m"), "{}", plain.transcript());
}

/// The aliases do what the commands do.
#[test]
fn auth_login_is_login() {
    let home = TempHome::new();
    for (alias, command) in [
        (&["auth", "login", "--no-input"][..], &["login", "--no-input"][..]),
        (&["auth", "logout"], &["logout"]),
    ] {
        let (alias, command) = (home.twg(alias).run(), home.twg(command).run());
        assert_eq!(alias.code(), command.code());
        assert_eq!((&alias.stdout, &alias.stderr), (&command.stdout, &command.stderr));
    }
}
