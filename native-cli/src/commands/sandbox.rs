//! `twg sandbox`: a local look-alike of Atlassian, for other programs or for one command of twg.
//!
//! The commands run unchanged. The sandbox has its own configuration directory, with provider files that contain its
//! URLs and client files that contain its apps.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;
use clap::Parser as _;
use serde_json::{Value, json};
use twg_core::provider::BUNDLED;
use twg_core::secret::Secret;
use twg_sandbox::{Options, Running, Switches};

use crate::advice::Program;
use crate::completion::candidates;
use crate::config_dir::ConfigDir;
use crate::context::Context;
use crate::effects::file_store::{Expected, FileStore};
use crate::effects::terminal::print_data;
use crate::effects::user_agent::UserAgent;
use crate::failure::{Cause, Failure};
use crate::options::Global;
use crate::output::print_text;
use crate::usage;

/// `twg sandbox`
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  twg sandbox --approve login   sign in; the sandbox plays the user
  twg sandbox login             sign in and play the user yourself
  twg sandbox whoami            any command of twg, against the sandbox
  twg sandbox serve             run it for other programs, until Ctrl-C
  twg sandbox switches          the switches that --switch takes"
)]
pub(crate) struct Sandbox {
    /// Play the user and approve every sign-in
    #[arg(long)]
    pub(crate) approve: bool,
    /// Listen on this port instead of the usual one
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Behave differently; `twg sandbox switches` lists the switches
    #[arg(long = "switch", value_name = "NAME=VALUE", add = candidates::switches())]
    pub(crate) switches: Vec<String>,
    /// `serve`, `switches`, or a command of twg
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required = true,
        value_name = "COMMAND"
    )]
    pub(crate) command: Vec<String>,
}

/// Run the look-alike for other programs, or list its switches
#[derive(Debug, clap::Parser)]
#[command(
    no_binary_name = true,
    max_term_width = 80,
    override_usage = "twg sandbox [--port PORT] [--switch NAME=VALUE]... serve
       twg sandbox switches",
    after_help = "\
Examples:
  twg sandbox serve                                    until Ctrl-C
  twg sandbox --port 8123 serve                        on this port
  twg sandbox --switch fault.refresh=502*1 serve       with a fault"
)]
struct OwnCommand {
    /// `serve` runs the look-alike until Ctrl-C, `switches` lists the switches
    #[arg(value_name = "COMMAND")]
    name: String,
    /// Print JSON on standard output
    #[arg(long)]
    json: bool,
    /// Print only results and errors
    #[arg(long, short)]
    quiet: bool,
}

/// Runs a parsed command.
type Run = Box<dyn FnOnce(&mut Context) -> Result<ExitCode, Failure>>;

/// The parsed command line after `twg sandbox`.
pub(crate) struct Inner {
    pub(crate) global: Global,
    /// Whether the inner command is `twg sandbox` again.
    pub(crate) is_sandbox: bool,
    pub(crate) run: Run,
}

/// Runs the command. `parse` parses a command line of twg, or shows what is wrong with it.
pub(crate) fn run(
    context: &mut Context,
    arguments: Sandbox,
    parse: fn(&[OsString]) -> Result<Inner, ExitCode>,
) -> Result<ExitCode, Failure> {
    let words = &arguments.command;
    let json = context.json || words.iter().any(|word| word == "--json");
    if !matches!(words.first().map(String::as_str), Some("serve" | "switches")) {
        let typed: Vec<OsString> = std::iter::once("twg")
            .chain(words.iter().map(String::as_str))
            .map(OsString::from)
            .collect();
        return match parse(&typed) {
            Ok(inner) => run_one(context, &arguments, inner),
            Err(exit_code) => Ok(exit_code),
        };
    }
    match OwnCommand::try_parse_from(words) {
        Err(error) => Ok(usage::explain(&error, json, "twg sandbox")),
        Ok(own) if own.name == "switches" => {
            list_switches(context.json || own.json);
            Ok(ExitCode::SUCCESS)
        }
        Ok(_) if arguments.approve => Err(Failure::usage("`serve` cannot approve sign-ins")
            .or_hint("Run `twg sandbox --approve login` in another terminal to sign in.")),
        Ok(own) => {
            context.json |= own.json;
            context.person.quiet |= own.quiet;
            serve(context, arguments)
        }
    }
}

fn list_switches(as_json: bool) {
    if !as_json {
        print_text(&Switches::describe());
        return;
    }
    let rows = Switches::defaults().into_iter().map(|row| {
        json!({ "name": row.name, "form": row.form, "default": row.value, "meaning": row.meaning })
    });
    let rows: Vec<Value> = rows.collect();
    crate::output::print_json(&json!({ "schemaVersion": 1, "switches": rows }));
}

fn start(context: &mut Context, arguments: &Sandbox) -> Result<(Running, ConfigDir), Failure> {
    let mut switches = Switches::default();
    for switch in &arguments.switches {
        switches.apply(switch).map_err(|error| {
            Failure::usage(error).or_hint("Run `twg sandbox switches` to see them.")
        })?;
    }
    let config = context.config.sandbox();
    let state_dir = config.path().to_owned();
    let options = Options { state_dir, port: arguments.port, switches };
    let running = twg_sandbox::start(options).map_err(|error| {
        Failure::new(Cause::Sandbox, error.to_string())
            .or_hint("Choose another directory with TWG_CONFIG_DIR, or another port with `--port`.")
    })?;
    if running.is_anothers() && (!arguments.switches.is_empty() || arguments.port.is_some()) {
        let base_url = running.base_url();
        return Err(Failure::usage(format!("A sandbox is already running at {base_url}"))
            .or_hint("Stop it to start one with other switches or another port."));
    }
    if let Some(notice) = running.notice() {
        context.say(notice);
    }
    Ok((running, config))
}

/// Runs until Ctrl-C. Prints the URL on standard output, for other programs.
fn serve(context: &mut Context, arguments: Sandbox) -> Result<ExitCode, Failure> {
    let (running, config) = start(context, &arguments)?;
    furnish(config.clone(), running.base_url())?;
    let base_url = running.base_url();
    if context.json {
        crate::output::print_json(&json!({
            "schemaVersion": 1,
            "baseUrl": base_url,
            "configDir": config.path(),
        }));
    } else {
        let _ = print_data(format!("{base_url}\n").as_bytes());
    }
    let dir = context.config.display(config.path());
    context.say(format!("The sandbox listens at {base_url} until Ctrl-C. It is not Atlassian."));
    context.say(twg_sandbox::describe_clients().trim_end());
    context.say(format!("To use it in another terminal: TWG_CONFIG_DIR={dir} twg login"));
    running.wait();
    Ok(ExitCode::SUCCESS)
}

/// Runs one command of `twg` against the sandbox.
fn run_one(
    context: &mut Context,
    arguments: &Sandbox,
    inner_command: Inner,
) -> Result<ExitCode, Failure> {
    if inner_command.is_sandbox {
        return Err(Failure::usage("A sandbox cannot run inside a sandbox"));
    }
    let (running, config) = start(context, arguments)?;
    let mut inner = Context::new(config.clone(), &inner_command.global);
    // Each option means the same before and after `sandbox`.
    inner.json |= context.json;
    inner.person.quiet |= context.person.quiet;
    inner.person.verbose |= context.person.verbose;
    inner.yes |= context.yes;
    inner.person.may_ask &= context.person.may_ask;
    inner.person.program = Program::TwgSandbox;
    inner.in_sandbox = true;
    if arguments.approve {
        inner.person.user_agent = UserAgent::SandboxApprover(running.base_url().to_owned());
    }
    furnish(config, running.base_url())?;
    (inner_command.run)(&mut inner).map_err(|failure| failure.called(Program::TwgSandbox))
}

/// Makes the sandbox's directory a complete configuration directory.
fn furnish(config: ConfigDir, base_url: &str) -> Result<(), Failure> {
    let failed = |error| {
        let error = twg_core::error::Error::Store(error);
        Failure::from_core("Could not prepare the sandbox", &error, "twg sandbox login")
    };
    let store = FileStore::new(config.clone());
    for (name, profile) in BUNDLED {
        let profile = look_alike(profile, base_url)
            .map_err(|error| Failure::internal(format!("The bundled profile '{name}': {error}")))?;
        let (Some(provider), Some(client)) = (config.provider_path(name), config.client_path(name))
        else {
            continue;
        };
        // The port or the bundled profile may have changed since the last time.
        let current = store.load(&provider).map_err(failed)?;
        if current.is_none_or(|current| current.expose() != profile) {
            store.replace(&provider, Expected::Anything, &Secret::new(profile)).map_err(failed)?;
        }
        // A client that the user chose stays.
        if store.load(&client).map_err(failed)?.is_none() {
            let file = Secret::new(format!("{:#}\n", client_file(name)));
            store.replace(&client, Expected::Anything, &file).map_err(failed)?;
        }
    }
    Ok(())
}

fn client_file(provider: &str) -> Value {
    if provider == "bitbucket" {
        json!({
            "schema_version": 1,
            "client_id": twg_sandbox::BITBUCKET_CLIENT,
            "client_secret": twg_sandbox::BITBUCKET_SECRET,
        })
    } else {
        json!({ "schema_version": 1, "client_id": twg_sandbox::DEVICE_CLIENT })
    }
}

/// A bundled profile with the URLs of the sandbox instead of Atlassian's. The redirect URI has no fixed port, so that
/// two sandboxes can run.
fn look_alike(profile: &str, base_url: &str) -> Result<String, serde_json::Error> {
    let host = base_url.trim_start_matches("http://");
    let text = profile
        .replace("https://auth.atlassian.com", base_url)
        .replace("https://bitbucket.org", &format!("{base_url}/bitbucket"))
        .replace("https://api.bitbucket.org", &format!("{base_url}/bitbucket"))
        .replace("https://{site}.atlassian.net", &format!("{base_url}/sites/{{site}}"))
        .replace("https://api.atlassian.com", base_url);
    let mut profile: Value = serde_json::from_str(&text)?;
    if let Some(name) = profile["display_name"].as_str() {
        profile["display_name"] = format!("{name} (sandbox)").into();
    }
    profile["api_hosts"] = json!([host]);
    if let Some(redirect) = profile["redirect"].as_object_mut() {
        redirect.remove("port");
    }
    Ok(format!("{profile:#}\n"))
}

#[cfg(test)]
mod tests {
    use twg_core::provider::ProviderProfile;

    use super::*;

    #[test]
    fn look_alikes_contain_only_urls_of_the_sandbox() {
        for (name, profile) in BUNDLED {
            let profile = look_alike(profile, "http://127.0.0.1:4242").unwrap();
            assert_eq!(ProviderProfile::parse(&profile).unwrap().name, name);
            let urls = profile.matches("https://").count();
            // Except the page on which people register real apps.
            assert_eq!(urls, profile.matches("\"console\"").count(), "{profile}");
        }
    }
}
