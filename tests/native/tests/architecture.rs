//! ARCHITECTURE.md shows which rooms there are, from top to bottom. The imports of the code keep to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use twg_tests::repository;

/// The sources of a crate: the text of each module, by its path: `["effects", "lock"]`. Without comments, unit
/// tests and text in quotes.
struct Sources(BTreeMap<Vec<String>, String>);

impl Sources {
    fn of(directory: &str) -> Self {
        let root = repository().join(directory);
        let mut modules = BTreeMap::new();
        for file in rust_files(&root) {
            let path = file.strip_prefix(&root).expect("below").with_extension("");
            let mut module: Vec<String> =
                path.iter().map(|name| name.to_string_lossy().into_owned()).collect();
            if module.iter().any(|name| name == "tests") {
                continue;
            }
            // The root of a crate stands above all of it.
            let is_root = matches!(&module[..], [only] if only == "lib" || only == "main");
            if is_root || module.last().is_some_and(|name| name == "mod") {
                module.pop();
            }
            let text = fs::read_to_string(&file).expect("a source file");
            modules.insert(module, code(&text));
        }
        Self(modules)
    }

    /// The modules that a module imports, each with the line that names it.
    fn imports(&self, module: &[String]) -> BTreeMap<Vec<String>, String> {
        let parent = &module[..module.len().saturating_sub(1)];
        let mut found = BTreeMap::new();
        for path in paths(&self.0[module]) {
            let names: Vec<&str> = path.split("::").collect();
            let absolute: Vec<String> = match names.split_first() {
                Some((&"crate", rest)) => rest.iter().map(ToString::to_string).collect(),
                Some((&"super", rest)) if !module.is_empty() => {
                    parent.iter().cloned().chain(rest.iter().map(ToString::to_string)).collect()
                }
                Some((&"self", rest)) => {
                    module.iter().cloned().chain(rest.iter().map(ToString::to_string)).collect()
                }
                _ => continue,
            };
            // The longest beginning that is a module; what follows is an item of it.
            let target = (0..=absolute.len()).rev().map(|length| &absolute[..length]);
            if let Some(target) = target.into_iter().find(|path| self.0.contains_key(*path))
                && target != module
            {
                found.insert(target.to_vec(), path);
            }
        }
        found
    }
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// What is compiled into the product: without comments, and up to the unit tests, which stand last.
fn code(text: &str) -> String {
    let product = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = product.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// Every path that begins with `crate`, `super` or `self`; groups (`a::{b, c}`) are taken apart.
fn paths(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                expand("", &code[at..], &mut paths);
            }
        }
    }
    paths
}

/// Takes `a::{b, c::{d}}` at the beginning of a text apart. Returns how many bytes it was.
fn expand(prefix: &str, text: &str, paths: &mut Vec<String>) -> usize {
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let length = text.find(|c| !is_name(c)).unwrap_or(text.len());
    let path = format!("{prefix}{}", &text[..length]);
    if !text[length..].starts_with('{') || !path.ends_with("::") {
        paths.push(path.trim_end_matches(':').to_owned());
        return length;
    }
    let mut at = length + 1;
    while let Some(next) = text[at..].chars().next() {
        match next {
            '}' => return at + 1,
            c if is_name(c) => at += expand(&path, &text[at..], paths),
            c => at += c.len_utf8(),
        }
    }
    at
}

/// The rooms of a crate as ARCHITECTURE.md has them, the highest floor first.
fn floors(directory: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(repository().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let table = text.split(&format!("<!-- floors of {directory} -->")).nth(1);
    let table = table.unwrap_or_else(|| panic!("no floors of {directory}"));
    let rows = table.trim_start().lines().skip(2).take_while(|line| line.starts_with('|'));
    let rooms = rows.map(|row| {
        let cell = row.split('|').nth(1).unwrap_or_default();
        cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    });
    rooms.collect()
}

/// A room is a file or a folder directly below `src`. Each imports only rooms of lower floors.
fn check(directory: &str) {
    let floors = floors(directory);
    let floor = |room: &str| floors.iter().position(|rooms| rooms.iter().any(|r| r == room));
    let sources = Sources::of(directory);
    let mut wrong = BTreeSet::new();
    let mut rooms = BTreeSet::new();
    for module in sources.0.keys().filter(|module| !module.is_empty()) {
        let Some(from) = floor(&module[0]) else {
            wrong.insert(format!("{} is on no floor", module[0]));
            continue;
        };
        rooms.insert(module[0].clone());
        for (target, path) in sources.imports(module) {
            let Some(room) = target.first().filter(|room| **room != module[0]) else { continue };
            if floor(room).is_none_or(|to| to <= from) {
                wrong.insert(format!("{} imports {path}", module.join("::")));
            }
        }
    }
    for room in floors.iter().flatten().filter(|room| !rooms.contains(*room)) {
        wrong.insert(format!("{room} is on a floor, and not in {directory}"));
    }
    assert!(wrong.is_empty(), "{directory}:\n{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

/// Files that import each other in a loop. A folder's `mod.rs` may name its files, and they may name it.
fn circles(directory: &str) -> Vec<String> {
    let sources = Sources::of(directory);
    let mut arrows: BTreeMap<&[String], Vec<Vec<String>>> = BTreeMap::new();
    for module in sources.0.keys() {
        let is_family = |other: &[String]| other.starts_with(module) || module.starts_with(other);
        let targets = sources.imports(module).into_keys().filter(|other| !is_family(other));
        arrows.insert(module, targets.collect());
    }
    let reaches = |from: &[String], to: &[String]| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from.to_vec()]);
        while let Some(module) = next.pop() {
            for target in arrows.get(module.as_slice()).into_iter().flatten() {
                if target == to {
                    return true;
                }
                if seen.insert(target.clone()) {
                    next.push(target.clone());
                }
            }
        }
        false
    };
    let looped = sources.0.keys().filter(|module| reaches(module, module));
    looped.map(|module| module.join("::")).collect()
}

#[test]
fn the_core_imports_from_top_to_bottom() {
    check("core/src");
}

#[test]
fn the_command_line_imports_from_top_to_bottom() {
    check("native-cli/src");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    for directory in ["core/src", "native-cli/src", "native-cli/sandbox/src", "wasm/src"] {
        assert_eq!(circles(directory), Vec::<String>::new(), "{directory}");
    }
}

const ROOMS: [&str; 6] = ["core/", "native-cli/", "wasm/", "js-pkg/", "tests/", "docs/"];

/// CONTRIBUTING.md names files. They exist, but for those that it tells people to make (`NAME`, `…`).
#[test]
fn the_files_that_contributors_read_about_exist() {
    let text = fs::read_to_string(repository().join("CONTRIBUTING.md")).expect("CONTRIBUTING.md");
    let quoted = text.split('`').skip(1).step_by(2);
    let is_path = |word: &&str| {
        let ends = [".rs", ".ts", ".mjs", ".json", ".toml", "/"];
        ROOMS.iter().any(|room| word.starts_with(room))
            && !word.contains([' ', '*', '…'])
            && ends.iter().any(|end| word.ends_with(end))
    };
    let paths: Vec<_> = quoted.filter(is_path).filter(|path| !path.contains("NAME")).collect();
    assert!(paths.len() > 30, "{paths:?}");
    let missing: Vec<_> = paths.iter().filter(|path| !repository().join(path).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// What the test reads is not taken for granted: it finds an import in every form.
#[test]
fn imports_are_found_in_every_form() {
    let code = code(
        "use crate::a::{self, b::C, d};\nuse super::e;\npub(crate) use crate::f as g;\n\
         // crate::h\nfn x() { crate::i::j(); nocrate::k(); }\n#[cfg(test)]\nmod tests { use crate::l; }",
    );
    let mut found = paths(&code);
    found.sort();
    let expected =
        ["crate::a::b::C", "crate::a::d", "crate::a::self", "crate::f", "crate::i::j", "super::e"];
    assert_eq!(found, expected);
}
