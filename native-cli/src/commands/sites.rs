//! `twg sites`: the Atlassian sites of a connection, from Atlassian.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;
use twg_core::atlassian::sites::{SitesRequest, UseSiteFlow};
use twg_core::credential::ConnectionKey;
use twg_core::credential::Site;

use crate::advice::Advice;
use crate::completion::candidates;
use crate::context::{Context, login_command};
use crate::credentials::connection::ConnectionName;
use crate::credentials::source::{self, Given, Source};
use crate::credentials::{providers, refresh};
use crate::driver::drive;
use crate::failure::Failure;
use crate::output::{print_json, print_text};

/// `twg sites`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twg sites                     the sites that you can use
  twg sites --connection work   the sites of another account
  twg sites use acme            use https://acme.atlassian.net by default")]
pub(crate) struct Sites {
    #[command(subcommand)]
    pub(crate) action: Option<SitesAction>,
    #[command(flatten)]
    pub(crate) name: ConnectionName,
}

/// `twg sites ...`
#[derive(Debug, Subcommand)]
pub(crate) enum SitesAction {
    /// Use this site when no other is named
    #[command(after_help = "\
Examples:
  twg sites use acme                          a name from `twg sites`
  twg sites use https://acme.atlassian.net    or a URL")]
    Use {
        /// Its name, URL or ID
        #[arg(add = candidates::sites())]
        site: String,
        #[command(flatten)]
        name: ConnectionName,
    },
}

/// What a connection without sites needs.
pub(crate) const NO_SITE: &str =
    "This connection has no site. Run `twg login --force` and choose one in the browser.";

/// What failed, in messages.
const DOING: &str = "Could not list the sites";

/// Runs the command.
pub(crate) async fn run(context: &mut Context, arguments: Sites) -> Result<ExitCode, Failure> {
    match arguments.action {
        None => {
            let chosen = arguments.name.chosen(context, providers::DEFAULT)?;
            let key = &chosen.key;
            let (sites, default) = match source::find(context, &chosen)? {
                Source::Given(given) => (of_given(context, &given).await?, None),
                Source::Stored => ask(context, key).await?,
            };
            show(context, key, &sites, default.as_deref());
        }
        Some(SitesAction::Use { site, name }) => {
            let key = name.chosen(context, providers::DEFAULT)?.key;
            let chosen = use_site(context, &key, &site).await?;
            if context.json {
                print_json(&json!({ "schemaVersion": 1, "ok": true, "defaultSite": chosen }));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The sites of a credential in the environment. An API token has the one of `TWG_SITE`.
pub(crate) async fn of_given(context: &mut Context, given: &Given) -> Result<Vec<Site>, Failure> {
    let profile = providers::load(context, providers::DEFAULT)?;
    if !given.is_api_token() {
        let sites = given.ask(context, SitesRequest::new(profile), DOING).await?;
        return Ok(sorted(sites));
    }
    let site = source::named_site(context, &profile, None)?;
    let id = given.cloud_id(context, &site).await?;
    Ok(vec![Site { id, name: site.name, url: site.url.as_str().to_owned(), scopes: Vec::new() }])
}

/// The order of the server has no meaning and changes.
fn sorted(mut sites: Vec<Site>) -> Vec<Site> {
    sites.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    sites
}

/// Makes the site that `text` names the default one.
pub(crate) async fn use_site(
    context: &mut Context,
    key: &ConnectionKey,
    text: &str,
) -> Result<Site, Failure> {
    let (sites, _) = ask(context, key).await?;
    let chosen = find(&sites, text)?.clone();
    choose(context, key, sites, &chosen).await?;
    Ok(chosen)
}

/// The sites, and the ID of the default one.
pub(crate) async fn ask(
    context: &mut Context,
    key: &ConnectionKey,
) -> Result<(Vec<Site>, Option<String>), Failure> {
    let profile = providers::load(context, key.provider())?;
    let answer = refresh::ask(context, key, SitesRequest::new(profile), DOING).await?;
    Ok((sorted(answer.answer), answer.credential.default_site))
}

/// The one site that `text` names.
pub(crate) fn find<'a>(sites: &'a [Site], text: &str) -> Result<&'a Site, Failure> {
    let called: Vec<&Site> =
        distinct(sites).into_iter().filter(|site| site.is_called(text)).collect();
    let list =
        |sites: &[&Site]| sites.iter().map(|s| s.url.as_str()).collect::<Vec<_>>().join(", ");
    let shown = twg_core::text::displayable(text);
    match called.as_slice() {
        [site] => Ok(site),
        [] if sites.is_empty() => Err(Failure::usage("This connection has no site")
            .or_hint("Run `twg login --force` and choose a site in the browser.")),
        [] => Err(Failure::usage(format!("No site '{shown}' in this connection"))
            .or_hint(format!("Available: {}.", list(&sites.iter().collect::<Vec<_>>())))),
        several => Err(Failure::usage(format!("'{shown}' names several sites"))
            .or_hint(format!("Use the URL or ID of one: {}.", list(several)))),
    }
}

/// Each site once. The server lists it once for each product.
pub(crate) fn distinct(sites: &[Site]) -> Vec<&Site> {
    let mut distinct: Vec<&Site> = sites.iter().collect();
    distinct.sort_by(|a, b| a.id.cmp(&b.id));
    distinct.dedup_by(|a, b| a.id == b.id);
    distinct
}

/// Stores a site as the default.
async fn choose(
    context: &mut Context,
    key: &ConnectionKey,
    sites: Vec<Site>,
    chosen: &Site,
) -> Result<(), Failure> {
    let flow = UseSiteFlow::choose(key.clone(), sites, chosen.id.clone());
    match drive(context, flow).await? {
        Ok(true) => {
            context.achieved(format!("Using {} ({}) by default", chosen.name, chosen.url));
            Ok(())
        }
        Ok(false) => Err(Failure::internal(
            "The connection was removed meanwhile: signed out in another process",
        )),
        Err(error) => {
            Err(Failure::from_core("Could not store the default site", &error, login_command(key)))
        }
    }
}

fn show(context: &mut Context, key: &ConnectionKey, sites: &[Site], default: Option<&str>) {
    if context.json {
        print_json(&json!({
            "schemaVersion": 1,
            "connection": key.connection(),
            "sites": sites,
            "defaultSite": default,
        }));
        return;
    }
    if sites.is_empty() {
        let advice = Advice::from(NO_SITE).as_called(context.person.program);
        context.person.terminal.line(&advice);
    }
    let width = sites.iter().map(|site| site.name.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for site in sites {
        let mark = if Some(site.id.as_str()) == default { '*' } else { ' ' };
        text.push_str(&format!("{mark} {:<width$}  {}  {}\n", site.name, site.url, site.id));
        if !site.scopes.is_empty() {
            text.push_str(&format!("  {:<width$}  {}\n", "", site.scopes.join(" ")));
        }
    }
    print_text(&text);
}
