//! Completion in real shells: what they offer for an unfinished line, with the names of this user's
//! connections and sites.
//!
//! PowerShell is not available here, so only the form of its script is checked.
#![cfg(unix)]

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use twg_tests::{TempHome, repository};

/// The shells that are tested here.
const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// Commands for a zsh that prints what it would offer and then ends.
const ZSH: &str = r#"PROMPT=
autoload -U compinit
compinit -u -D
source SCRIPT
bindkey '^I' complete-word
unsetopt beep
compadd() {
  local -a found
  if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
    builtin compadd -A found "$@"
    print -rl -- $found >> FOUND
  fi
  builtin compadd "$@"
}
finish() { exit }
comppostfuncs=(finish)
"#;

/// A home with a provider, connections and sites of its own.
struct Place {
    home: TempHome,
}

impl Place {
    fn new() -> Self {
        let home = TempHome::new();
        home.write_config("providers/acme.json", "{}");
        let site = |name: &str, url: &str, id: &str| json!({ "name": name, "url": url, "id": id, "scopes": [] });
        let golden = repository().join("core/golden/credential-v1.json");
        let golden = std::fs::read_to_string(golden).expect("a record");
        let golden = golden.replace("golden.access", "canary").replace("golden refresh", "canary");
        let mut record: Value = serde_json::from_str(&golden).expect("a record");
        record["connection"] = "work".into();
        record["sites"] = json!([
            site("krystof-design", "https://krystof-design.atlassian.net", "1"),
            // The owner of the site chose this name.
            site("$(touch pwned)", "https://evil.atlassian.net", "2"),
        ]);
        home.write_config("connections/atlassian/work.conf", record.to_string());
        record["connection"] = "toy".into();
        home.write_config("sandbox/connections/atlassian/toy.conf", record.to_string());
        Self { home }
    }

    /// What a shell offers for this line.
    fn complete(&self, shell: &str, line: &str) -> Vec<String> {
        let script = self.home.twg(["completions", shell]).run();
        let script = script.expect_success().stdout.clone();
        let file = self.home.path().join(format!("completions.{shell}"));
        std::fs::write(&file, script).expect("it can be written");
        let output = self.ask(shell, &file, line);
        assert!(!output.contains("canary"), "{output}");
        let words = output.lines().map(|line| line.split('\t').next().unwrap_or_default().trim());
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    fn ask(&self, shell: &str, file: &Path, line: &str) -> String {
        let file = file.display();
        let question = match shell {
            // As readline does it: split the line, call the function that `complete` registered.
            "bash" => format!(
                "source '{file}'; read -ra COMP_WORDS <<< '{line}'; case '{line}' in *' ') COMP_WORDS+=('');; esac; \
                 COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); COMP_TYPE=9; function=$(complete -p twg); \
                 function=${{function##*-F }}; ${{function%% *}} twg \"${{COMP_WORDS[COMP_CWORD]}}\" ''; \
                 printf '%s\\n' \"${{COMPREPLY[@]}}\""
            ),
            "fish" => format!("source '{file}'; complete -C '{line}'"),
            // zsh completes only in a terminal: one runs inside, and a file collects its
            // candidates.
            "zsh" => {
                let (inner, found) = (format!("{file}.inner"), format!("{file}.found"));
                std::fs::write(&found, "").expect("it can be written");
                let words = ZSH.replace("SCRIPT", &file.to_string()).replace("FOUND", &found);
                std::fs::write(&inner, words).expect("it can be written");
                format!(
                    "zmodload zsh/zpty; zpty z zsh -f -i; zpty -w z 'source {inner}; print rea\"\"dy'; \
                     zpty -r -m z out '*ready*'; zpty -w -n z '{line}'$'\\t'; \
                     while zpty -r z out 2>/dev/null; do :; done; cat {found}"
                )
            }
            other => panic!("no such shell: {other}"),
        };
        let twg = self.home.twg([""; 0]).to_command();
        let program = Path::new(twg.get_program()).parent().expect("it lies in a directory");
        let path = std::env::var("PATH").unwrap_or_default();
        // A shell that waits for input must not stop the test.
        let output = Command::new("timeout")
            .args(["60", shell])
            .args(match shell {
                "bash" => &["--norc", "--noprofile"][..],
                "zsh" => &["-f"],
                _ => &[],
            })
            .args(["-c", &question])
            .env_clear()
            .env("PATH", format!("{}:{path}", program.display()))
            .env("HOME", self.home.path())
            .env("TWG_CONFIG_DIR", self.home.config_dir())
            .env("TERM", "xterm")
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{shell} (see tests/run): {error}"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{shell}: {line}: {output:?}");
        assert_eq!(text(&output.stderr), "", "{shell}: {line}");
        text(&output.stdout)
    }
}

#[test]
fn every_shell_offers_commands_options_and_the_names_of_this_user() {
    let place = Place::new();
    for shell in SHELLS {
        for (line, offered) in [
            ("twg who", &["whoami"][..]),
            ("twg auth to", &["token"]),
            ("twg login --no-b", &["--no-browser"]),
            ("twg login a", &["acme", "atlassian"]),
            ("twg auth status ", &["acme", "atlassian", "bitbucket"]),
            ("twg whoami --connection ", &["work"]),
            ("twg sites use ", &["evil.atlassian.net", "krystof-design"]),
            ("twg login --site k", &["krystof-design"]),
            ("twg sandbox --switch device-err", &["device-errors="]),
            ("twg sandbox who", &["whoami"]),
            ("twg sandbox logout --connection ", &["toy"]),
            ("twg sandbox ser", &["serve"]),
            ("twg sandbox --approve login --no-b", &["--no-browser"]),
            ("twg sandbox auth to", &["token"]),
            ("twg auth git-credential ", &["erase", "get", "store"]),
            ("twg man upk", &["upkeep"]),
            ("twg he", &["help"]),
            ("twg help e", &["environment", "exec-credential", "exit-codes"]),
            ("twg auth log", &["login", "logout"]),
            ("twg completions f", &["fish"]),
        ] {
            let found = place.complete(shell, line);
            for word in offered {
                assert!(
                    found.iter().any(|one| one.starts_with(word)),
                    "{shell}: {line}: {found:?}"
                );
            }
            let pwned = found.iter().any(|one| one.contains("touch"));
            assert!(!pwned && !place.home.path().join("pwned").exists(), "{shell}: {found:?}");
        }
    }
}

/// Broken files and variables only reduce the offer: no message, no failure. Nothing is written,
/// and no lock is taken.
#[test]
fn completion_is_silent_about_broken_files() {
    let place = Place::new();
    let ask = |words: &[&str]| {
        let index = (words.len() - 1).to_string();
        let twg = place.home.twg(["--"]).args(words).env("_CLAP_COMPLETE_INDEX", index);
        twg.env("_TWG_COMPLETE", "bash")
    };
    let names = || std::fs::read_dir(place.home.config_dir()).expect("a directory").count();
    let before = names();
    let sites = ask(&["twg", "sites", "use", ""]).run();
    assert!(sites.expect_success().stdout.contains("krystof-design"), "{sites}");
    place.home.write_config("connections/atlassian/work.conf", "canary, not a record");
    place.home.write_config("auth.conf", "{");
    for command in [
        ask(&["twg", "sites", "use", ""]),
        ask(&["twg", "sites", "use", ""]).env("TWG_CONFIG_DIR", "relative"),
        ask(&["twg", "sites", "use", ""]).env("_TWG_COMPLETE", "nonsense"),
        ask(&["twg", "sites", "use", ""]).env("_CLAP_COMPLETE_INDEX", "99"),
        ask(&["twg", "nonsense", "--nonsense", ""]),
    ] {
        let output = command.run();
        assert_eq!(output.expect_success().stderr, "", "{output}");
        assert!(
            !output.stdout.contains("krystof") && !output.stdout.contains("canary"),
            "{output}"
        );
    }
    assert_eq!(names(), before + 1, "only auth.conf is new");
    // An empty `_TWG_COMPLETE` asks for no completion.
    let version = place.home.twg(["--version"]).env("_TWG_COMPLETE", "").run();
    assert!(version.expect_success().stdout.starts_with("twg "), "{version}");
}

#[test]
fn the_script_for_powershell_has_its_shape() {
    let script = TempHome::new().twg(["completions", "powershell"]).run();
    let script = &script.expect_success().stdout;
    assert!(script.contains("Register-ArgumentCompleter -Native -CommandName twg"), "{script}");
    assert!(script.contains("$env:_TWG_COMPLETE") && script.contains("& twg -- $args"), "{script}");
    assert_eq!(script.matches('{').count(), script.matches('}').count(), "{script}");
}
