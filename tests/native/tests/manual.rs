//! `twg man`: pages that manual checkers accept, and that agree with the docs.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use twg_tests::{TempHome, repository};

fn page(words: &[&str]) -> String {
    let output = TempHome::new().twg(["man"]).args(words).run();
    assert_eq!(output.expect_success().stderr, "", "{output}");
    output.stdout
}

fn lint(program: &str, args: &[&str], file: &Path) {
    let output = Command::new(program).args(args).arg(file).output();
    let output = output.unwrap_or_else(|error| panic!("{program} (see tests/run): {error}"));
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.is_empty(), "{}: {said}", file.display());
}

#[test]
fn every_page_is_clean() {
    let home = TempHome::new();
    let dir = home.path().join("man/man1");
    let written = home.twg(["man", "--json", "--dir"]).arg(&dir).run();
    let written = written.expect_success().json();
    let pages: Vec<_> = written["pages"].as_array().expect("pages").iter().collect();
    assert_eq!(std::fs::read_dir(&dir).expect("a directory").count(), pages.len());
    for name in ["twg.1", "twg-auth-token.1", "twg-sandbox.1", "twg-man.1"] {
        assert!(pages.iter().any(|page| *page == name), "{name}: {written}");
    }
    for name in pages {
        let file = dir.join(name.as_str().expect("a name"));
        // mandoc's only warning is about the missing date, which is intended.
        lint("mandoc", &["-T", "lint", "-W", "error"], &file);
        lint("groff", &["-man", "-ww", "-T", "utf8", "-z"], &file);
        let text = std::fs::read_to_string(&file).expect("a page");
        for section in ["NAME", "SYNOPSIS", "EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO"] {
            let line = format!(".SH \"{section}\"\n");
            assert!(text.contains(&line), "{section} is not in {}", file.display());
        }
    }
}

/// The manual is made from the program's list of variables and exit codes. The docs must agree with
/// it.
#[test]
fn the_docs_and_the_manual_agree() {
    let page = page(&[]).replace("\\-", "-").replace("\\fB", "").replace("\\fR", "");
    let section = |name: &str| {
        let start = page.split(&format!(".SH \"{name}\"\n")).nth(1);
        let terms = start.unwrap_or_else(|| panic!("no {name}")).split(".SH").next();
        let terms = terms.unwrap_or_default().split(".TP\n").skip(1);
        let terms = terms.filter_map(|term| term.lines().next());
        terms.flat_map(|term| term.split(", ")).map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let table = |file: &str| {
        let text = std::fs::read_to_string(repository().join("docs").join(file)).expect("a page");
        let rows = text.split("|---|---|\n").nth(1).unwrap_or_else(|| panic!("no table: {file}"));
        let rows = rows.lines().take_while(|line| line.starts_with('|'));
        let cells = rows.filter_map(|row| row.split('|').nth(1));
        let names = cells.flat_map(|cell| cell.split(", "));
        names.map(|name| name.trim_matches([' ', '`']).to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!(section("EXIT STATUS"), table("exit-codes.md"));
    // The docs leave out what only the system sets.
    let (known, documented) = (section("ENVIRONMENT"), table("environment.md"));
    assert!(documented.len() > 10 && documented.is_subset(&known), "{documented:?} of {known:?}");
}

#[test]
fn a_page_is_named_by_the_words_of_its_command() {
    assert!(page(&[]).contains(".TH twg 1"));
    let token = page(&["auth", "token"]);
    assert!(token.contains(".TH twg-auth-token 1") && token.contains("twg auth token"), "{token}");
    assert!(page(&["api"]).contains("twg api /rest/api/3/myself"));
    let unknown = TempHome::new().twg(["man", "nonsense"]).run();
    unknown.expect_code(2).expect_stderr("There is no command 'nonsense'");
}

/// On a terminal the system's reader shows the page. Without a reader the page is printed.
#[test]
fn on_a_terminal_the_reader_of_the_system_shows_it() {
    let home = TempHome::new();
    let reader = home.path().join("man");
    let script = "#!/bin/sh\necho \"READER $*\"\nenv | grep TOKEN\ngrep -c '^.SH' >&2\n";
    std::fs::write(&reader, script).expect("it can be written");
    std::fs::set_permissions(&reader, std::fs::Permissions::from_mode(0o700)).expect("it can be");
    let path = format!("{}:/bin:/usr/bin", home.path().display());
    let twg = home.twg(["man", "whoami"]).env("TWG_TOKEN", "canary");
    let shown = twg.clone().env("PATH", path).in_terminal();
    assert!(shown.wait().success());
    assert!(shown.screen().contains("READER -l -"), "{}", shown.screen());
    assert!(!shown.transcript().contains("canary"), "{}", shown.transcript());
    let printed = twg.env("PATH", "/nowhere").in_terminal();
    assert!(printed.wait().success());
    assert!(printed.transcript().contains(".TH twg-whoami 1"), "{}", printed.transcript());
}
