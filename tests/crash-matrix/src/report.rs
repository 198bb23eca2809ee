//! The tables of README.md, made from the results of a full run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::aftermath::Fate;
use crate::faults::Faulted;
use crate::group::{Kills, LEEWAY, Results, STRICT, victim_name};
use crate::kill::{Killed, Victim};
use crate::place::Age;
use crate::power::{Failed, Failures, Prelude};
use crate::protocol::{Object, Phase};
use crate::server::Kind;

/// Replaces the generated parts of README.md.
pub fn write(results: &Results, seed: u64) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let mut text = std::fs::read_to_string(path).expect("README.md is there");
    for (name, table) in [
        ("summary", summary(results, seed)),
        ("kills", kills(results)),
        ("servers", servers(results)),
        ("errors", errors(results)),
        ("codes", codes(results)),
        ("power", power(results)),
        ("power twice", power_twice(results)),
        ("storm", storm(results)),
    ] {
        text = replaced(&text, name, &table);
    }
    std::fs::write(path, text).expect("README.md can be written");
}

/// `text` with new content between the marks of this name.
fn replaced(text: &str, name: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- generated: {name} -->\n"), "<!-- end -->");
    let from = text.find(&begin).unwrap_or_else(|| panic!("no mark {begin:?}")) + begin.len();
    let to = from + text[from..].find(end).unwrap_or_else(|| panic!("no end of {name}"));
    format!("{}\n{table}\n{}", &text[..from], &text[to..])
}

fn summary(results: &Results, seed: u64) -> String {
    let count = |which: &dyn Fn(Kind) -> bool, fate: &dyn Fn(Fate) -> bool| {
        let kills = results.kills.iter().filter(|kills| which(kills.server));
        kills.flat_map(|kills| &kills.killing.killed).filter(|k| fate(k.after.fate)).count()
    };
    let long = |kind: Kind| kind.leeway() >= 60;
    let strict = |kind: Kind| kind.leeway() == 0;
    let any = |_: Fate| true;
    let lost = |fate: Fate| matches!(fate, Fate::Lost | Fate::Stuck);
    format!(
        "{} cases passed, {} failed; calls not reached: {} (seed {seed}). Kills at servers with a leeway of a minute or more: {}, \
         logins lost: **{}**. Kills at strict servers: {}, logins lost: **{}**, all of them between the \
         request and the write into the stage.",
        results.passed,
        results.violations.len(),
        results.unreached,
        count(&long, &any),
        count(&long, &lost),
        count(&strict, &any),
        count(&strict, &lost),
    )
}

fn find(results: &Results, server: Kind) -> Option<&Kills> {
    let is_it = |kills: &&Kills| {
        kills.server == server && kills.victim == Victim::Refresh && kills.age == Age::Expired
    };
    results.kills.iter().find(is_it)
}

/// Step, file and calls, by their results at a strict server and at one with a leeway.
fn kills(results: &Results) -> String {
    let (Some(strict), Some(leeway)) = (find(results, STRICT), find(results, LEEWAY)) else {
        return "Not run.".to_owned();
    };
    let mut rows: BTreeMap<(Phase, Object, Fate, Fate), BTreeMap<&str, usize>> = BTreeMap::new();
    for at_strict in &strict.killing.killed {
        let same = |other: &&Killed| other.point == at_strict.point;
        let Some(at_leeway) = leeway.killing.killed.iter().find(same) else { continue };
        let key = (at_strict.phase, at_strict.object, at_strict.after.fate, at_leeway.after.fate);
        *rows.entry(key).or_default().entry(&at_strict.point.call).or_default() += 1;
    }
    let mut table = String::from(
        "| step | file | killed before | strict server | leeway 600 s |\n|---|---|---|---|---|\n",
    );
    for ((phase, object, strict, leeway), calls) in rows {
        // Writing to a String cannot fail.
        let _ = writeln!(
            table,
            "| {} | {object} | {} | {} | {} |",
            phase.name(),
            listed(&calls),
            shown(strict),
            shown(leeway)
        );
    }
    table
}

fn listed(calls: &BTreeMap<&str, usize>) -> String {
    let one = |(call, count): (&&str, &usize)| match count {
        1 => format!("`{call}`"),
        n => format!("`{call}` ×{n}"),
    };
    calls.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn shown(fate: Fate) -> String {
    if matches!(fate, Fate::Lost | Fate::Stuck) { format!("**{fate}**") } else { fate.to_string() }
}

/// Every group of kills.
fn servers(results: &Results) -> String {
    let mut table = String::from(
        "| server | killed | kills | not reached | lost | lost before | a recovery was armed | replays | reuse \
         outside the leeway, login kept |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for Kills { server, victim, age, killing } in &results.kills {
        let lost: Vec<&Killed> = killing
            .killed
            .iter()
            .filter(|one| matches!(one.after.fate, Fate::Lost | Fate::Stuck))
            .collect();
        let places: BTreeSet<String> =
            lost.iter().map(|one| format!("`{}` ({})", one.point.call, one.phase.name())).collect();
        let places: Vec<String> = places.into_iter().collect();
        let requests = killing.killed.iter().map(|one| (one, one.after.requests));
        let (mut replays, mut reuses) = (Some(0), Some(0));
        for (one, counted) in requests {
            replays = replays.zip(counted).map(|(sum, counted)| sum + counted.replays);
            let is_lost = matches!(one.after.fate, Fate::Lost | Fate::Stuck);
            let kept = |counted: crate::server::Counted| if is_lost { 0 } else { counted.reuses };
            reuses = reuses.zip(counted).map(|(sum, counted)| sum + kept(counted));
        }
        let number = |n: Option<u64>| n.map_or("not told".to_owned(), |n| n.to_string());
        let _ = writeln!(
            table,
            "| {server} | {} | {} | {} | {} | {} | {} | {} | {} |",
            victim_name(*victim, *age),
            killing.killed.len(),
            killing.unreached.len(),
            lost.len(),
            if places.is_empty() { "–".to_owned() } else { places.join(", ") },
            killing.killed.iter().filter(|one| one.armed > 0).count(),
            number(replays),
            number(reuses)
        );
    }
    table
}

/// Errors at the strict server, by file and call.
fn errors(results: &Results) -> String {
    let Some((_, faults)) = results.faults.iter().find(|(kind, _)| *kind == STRICT) else {
        return "Not run.".to_owned();
    };
    let mut rows: BTreeMap<(Phase, Object, &str), [usize; 4]> = BTreeMap::new();
    for one in &faults.faulted {
        let key = (one.phase, one.object, one.fault.point.call.as_str());
        rows.entry(key).or_default()[end_of(one)] += 1;
    }
    let mut table = String::from(
        "| step | file | call | refreshed all the same | refused, nothing sent | reply kept, repaired later | \
         no place left: lost |\n|---|---|---|---|---|---|---|\n",
    );
    for ((phase, object, call), ends) in rows {
        let [fine, refused, kept, lost] = ends.map(|n| match n {
            0 => "–".to_owned(),
            n => n.to_string(),
        });
        let name = phase.name();
        let _ = writeln!(
            table,
            "| {name} | {object} | `{call}` | {fine} | {refused} | {kept} | {lost} |"
        );
    }
    table
}

fn end_of(one: &Faulted) -> usize {
    match (one.code, one.seen.requests()) {
        (Some(0), _) => 0,
        (_, 0) => 1,
        _ if !one.no_place => 2,
        _ => 3,
    }
}

/// Exit codes and error codes of `--json`, by how long the error lasted.
fn codes(results: &Results) -> String {
    let mut rows: BTreeMap<(Option<i32>, &str, bool), Vec<&Faulted>> = BTreeMap::new();
    for one in results.faults.iter().flat_map(|(_, faults)| &faults.faulted) {
        rows.entry((one.code, &one.class, one.seen.requests() > 0)).or_default().push(one);
    }
    let mut table = String::from(
        "| exit code | `error.code` | a request was sent | cases | errors lasted |\n|---|---|---|---|---|\n",
    );
    for ((code, class, sent), cases) in rows {
        let count = cases.len();
        let modes: BTreeSet<String> = cases.iter().map(|one| one.fault.mode.to_string()).collect();
        let code = code.map_or("–".to_owned(), |code| code.to_string());
        let class = if class.is_empty() { "(could not be written)" } else { class };
        let sent = yes(sent);
        let modes = modes.into_iter().collect::<Vec<_>>().join(", ");
        let _ = writeln!(table, "| {code} | {class} | {sent} | {count} | {modes} |");
    }
    table
}

/// Power failures by step, side by side.
fn power(results: &Results) -> String {
    let at_rest: Vec<_> = results.power.iter().filter(|(_, p, _)| *p == Prelude::Rest).collect();
    let mut phases: BTreeMap<(Phase, bool), usize> = BTreeMap::new();
    for one in at_rest.first().iter().flat_map(|(.., failures)| &failures.failed) {
        *phases.entry((one.state.phase, one.has_reply)).or_default() += 1;
    }
    let kinds: Vec<String> = at_rest.iter().map(|(kind, ..)| kind.to_string()).collect();
    let mut table = format!("| step | reply on the disk | states | {} |\n", kinds.join(" | "));
    table.push_str(&"|---".repeat(kinds.len() + 3));
    table.push_str("|\n");
    for ((phase, has_reply), count) in phases {
        let here = |one: &Failed| one.state.phase == phase && one.has_reply == has_reply;
        let cells: Vec<String> = at_rest.iter().map(|(.., all)| fates(all, here)).collect();
        let has_reply = yes(has_reply);
        let name = phase.name();
        let _ = writeln!(table, "| {name} | {has_reply} | {count} | {} |", cells.join(" | "));
    }
    table
}

/// Power failures in a run after a killed one.
fn power_twice(results: &Results) -> String {
    let mut table = String::from(
        "| the run before | server | states with the reply | became | without it | became | refused while the \
         token worked |\n|---|---|---|---|---|---|---|\n",
    );
    for (kind, prelude, failures) in results.power.iter().filter(|(_, p, _)| *p != Prelude::Rest) {
        let _ = write!(table, "| {} | {kind} ", prelude.name());
        for has_reply in [true, false] {
            let here = |one: &Failed| one.has_reply == has_reply;
            let count = failures.failed.iter().filter(|one| here(one)).count();
            let _ = write!(table, "| {count} | {} ", fates(failures, here));
        }
        let aged = failures.failed.iter().filter(|one| one.was_aged).count();
        let _ = writeln!(table, "| {aged} |");
    }
    table
}

fn fates(failures: &Failures, which: impl Fn(&Failed) -> bool) -> String {
    let mut fates: BTreeMap<Fate, usize> = BTreeMap::new();
    for one in failures.failed.iter().filter(|one| which(one)) {
        *fates.entry(one.after.fate).or_default() += 1;
    }
    let all = fates.into_iter().map(|(fate, n)| format!("{n} {}", shown(fate)));
    all.collect::<Vec<_>>().join(", ")
}

const fn yes(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

fn storm(results: &Results) -> String {
    let mut table = String::from(
        "| processes at once | expiries | processes in all | ended by `kill -9` | requests | rotations | replays | \
         reuses |\n|---|---|---|---|---|---|---|---|\n",
    );
    for (plan, storm) in &results.storms {
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            plan.processes,
            plan.expiries,
            storm.started,
            storm.killed,
            storm.logged,
            storm.counted.rotations,
            storm.counted.replays,
            storm.counted.reuses
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let text =
            "a\n<!-- generated: x -->\nold\n<!-- end -->\nb\n<!-- generated: y -->\n<!-- end -->";
        assert_eq!(
            replaced(text, "x", "new"),
            "a\n<!-- generated: x -->\n\nnew\n<!-- end -->\nb\n<!-- generated: y -->\n<!-- end -->"
        );
    }
}
