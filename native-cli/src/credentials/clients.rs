//! The client registration: how this user's `twg` identifies itself to a provider. It is asked for
//! once and kept in a private file.

use serde::Serialize;
use serde_json::Value;
use twg_core::client::Client;
use twg_core::error::Error;
use twg_core::flow::StoreError;
use twg_core::json::{FromJson, Members, Mistakes};
use twg_core::provider::{ProviderProfile, SecretNeed};
use twg_core::secret::Secret;
use twg_core::time::Span;

use crate::context::Context;
use crate::credentials::private_file::{PrivateFile, Unusable, VERSION};
use crate::credentials::providers;
use crate::driver::interruptible;
use crate::effects::client_form::{self, ClientForm, SecretField};
use crate::effects::clock;
use crate::environment;
use crate::environment::{CLIENT_ID, CLIENT_SECRET};
use crate::failure::{Cause, Failure};

/// How long the form in the browser is open.
const PATIENCE: Span = Span::from_mins(15);

/// The file `clients/<provider>.conf`.
#[derive(Debug, Serialize)]
struct ClientFile {
    schema_version: u32,
    #[serde(flatten)]
    client: Client,
    /// The server refused the device grant to this client.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    device_grant_not_enabled: bool,
}

impl FromJson for ClientFile {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let client = Client::from_json(value.clone(), mistakes);
        if !Client::is_plausible(&client.id) {
            mistakes.note("its client_id is invalid");
        }
        let mut members = Members::of(value, mistakes);
        Self {
            schema_version: members.required("schema_version"),
            client,
            device_grant_not_enabled: members.or_default("device_grant_not_enabled"),
        }
    }
}

/// The source of a client that is stored.
pub(crate) const STORED: &str = "client file";

/// The source of a client that was entered just now and does not replace the stored one yet.
const ENTERED: &str = "just entered";

/// A client, and what is known about it.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    pub(crate) client: Client,
    pub(crate) device_grant_not_enabled: bool,
    /// Where it comes from, for `doctor`.
    pub(crate) source: String,
}

/// The client from `--client-id`, the environment, the file or the profile. The first one found
/// wins.
pub(crate) fn find(
    context: &Context,
    profile: &ProviderProfile,
    flag: Option<&str>,
) -> Result<Option<Registration>, Failure> {
    let stored = load(context, profile);
    let id_variable = variable(profile, CLIENT_ID);
    let named = [
        (flag.map(str::to_owned), "--client-id".to_owned()),
        (from_environment(context, &id_variable), id_variable),
    ];
    let named = named.into_iter().find_map(|(id, source)| Some((id?, source)));
    if let Some((id, source)) = named {
        if !Client::is_plausible(&id) {
            return Err(Failure::configuration(format!("{source} is not a valid client ID")));
        }
        // The stored secret belongs to the stored ID only.
        let same = stored.ok().flatten().filter(|stored| stored.client.id == id);
        let secret = from_environment(context, &variable(profile, CLIENT_SECRET)).map(Secret::new);
        let device_grant_not_enabled = same.as_ref().is_some_and(|s| s.device_grant_not_enabled);
        let secret = secret.or_else(|| same.and_then(|stored| stored.client.secret));
        let client = Client { id, secret };
        return Ok(Some(Registration { client, device_grant_not_enabled, source }));
    }
    if let Some(stored) = stored? {
        return Ok(Some(Registration {
            client: stored.client,
            device_grant_not_enabled: stored.device_grant_not_enabled,
            source: STORED.to_owned(),
        }));
    }
    Ok(profile.client.id.clone().map(|id| Registration {
        client: Client { id, secret: None },
        device_grant_not_enabled: false,
        source: "provider profile".to_owned(),
    }))
}

/// The environment variable for a provider's client. `TWG_CLIENT_ID` is Atlassian's,
/// `TWG_EXAMPLE_CLIENT_ID` that of the provider `example`, so that no provider ever gets the secret
/// of another.
fn variable(profile: &ProviderProfile, what: &str) -> String {
    if profile.name == providers::DEFAULT {
        return what.to_owned();
    }
    environment::of_client(&profile.name, what)
}

fn login_command(profile: &ProviderProfile) -> String {
    if profile.name == providers::DEFAULT {
        "twg login".to_owned()
    } else {
        format!("twg login {}", profile.name)
    }
}

fn from_environment(context: &Context, variable: &str) -> Option<String> {
    environment::text(variable).filter(|_| !context.in_sandbox)
}

/// The file of this user's client. `None` if the provider cannot have one.
fn file(context: &Context, profile: &ProviderProfile) -> Option<PrivateFile> {
    Some(PrivateFile {
        path: context.config.client_path(&profile.name)?,
        what: "client ID",
        enter_again: format!("{} --new-client", login_command(profile)),
    })
}

fn load(context: &Context, profile: &ProviderProfile) -> Result<Option<ClientFile>, Failure> {
    let Some(file) = file(context, profile) else { return Ok(None) };
    file.load(context).map_err(|why| file.unusable(context, &why))
}

/// Moves a damaged client file out of the way and returns its new path. `None` if it is valid or
/// absent.
pub(crate) fn set_damaged_aside(
    context: &Context,
    profile: &ProviderProfile,
) -> Option<Result<String, StoreError>> {
    file(context, profile)?.set_damaged_aside::<ClientFile>(context)
}

/// Stores a registration.
pub(crate) fn save(
    context: &mut Context,
    profile: &ProviderProfile,
    registration: &Registration,
) -> Result<(), Failure> {
    let Some(file) = file(context, profile) else { return Ok(()) };
    let content = ClientFile {
        schema_version: VERSION,
        client: registration.client.clone(),
        device_grant_not_enabled: registration.device_grant_not_enabled,
    };
    file.save(context, &content)
}

/// Asks the user, on the terminal or in a browser. The first client is stored at once, so that it
/// is not asked for again after a failed sign-in. A client that replaces another is stored by
/// [`keep`].
pub(crate) async fn ask(
    context: &mut Context,
    profile: &ProviderProfile,
) -> Result<Registration, Failure> {
    let name = &profile.display_name;
    let missing =
        Failure::new(Cause::ClientRequired, format!("No client ID for {name}")).or_hint(format!(
            "Run `{}` in a terminal once, or set {} (and {}).",
            login_command(profile),
            variable(profile, CLIENT_ID),
            variable(profile, CLIENT_SECRET),
        ));
    if !context.person.may_ask {
        return Err(missing);
    }
    let on_terminal = context.person.terminal.can_ask();
    if !on_terminal && !context.can_open_browser() {
        return Err(missing);
    }
    // Such a file could not be replaced afterwards.
    if let Some(file) = file(context, profile)
        && let Err(why @ Unusable::Newer) = file.load::<ClientFile>(context)
    {
        return Err(file.unusable(context, &why));
    }
    let asking = async {
        if on_terminal {
            ask_on_terminal(context, profile).await
        } else {
            ask_in_browser(context, profile).await
        }
    };
    let asked = interruptible(asking).await.flatten();
    let client = asked.map_err(|failure| failure.keeping("Nothing was stored."))?;
    let registration =
        Registration { client, device_grant_not_enabled: false, source: ENTERED.to_owned() };
    // The stored client stays until the new one has worked, because the new one may be mistyped.
    if let Ok(Some(_)) = load(context, profile) {
        return Ok(registration);
    }
    keep(context, profile, registration)
}

/// Stores a client that was just entered. Any other stays where it came from.
pub(crate) fn keep(
    context: &mut Context,
    profile: &ProviderProfile,
    registration: Registration,
) -> Result<Registration, Failure> {
    if registration.source != ENTERED {
        return Ok(registration);
    }
    let registration = Registration { source: STORED.to_owned(), ..registration };
    save(context, profile, &registration)?;
    Ok(registration)
}

/// The redirect URI to register, as far as the profile fixes it.
fn redirect_uri(profile: &ProviderProfile) -> String {
    let path = &profile.redirect.path;
    match profile.redirect.port {
        Some(port) => format!("http://127.0.0.1:{port}{path}"),
        None => format!("http://127.0.0.1{path} (any port)"),
    }
}

async fn ask_on_terminal(
    context: &mut Context,
    profile: &ProviderProfile,
) -> Result<Client, Failure> {
    let terminal = &mut context.person.terminal;
    terminal.line("twg signs in through an OAuth app that you own. This is asked once.");
    if let Some(console) = &profile.client.console {
        terminal.line(&format!("  Register one at    {console}"));
    }
    terminal.line(&format!("  with redirect URI  {}", redirect_uri(profile)));
    let id = loop {
        let id = terminal.ask("Client ID:").await?;
        if Client::is_plausible(&id) {
            break id;
        }
        terminal.warning("A client ID is one word without spaces.");
    };
    let question = match profile.client.secret {
        SecretNeed::None => return Ok(Client { id, secret: None }),
        SecretNeed::Required => "Client secret (not shown):",
        SecretNeed::Optional => "Client secret (not shown; press Enter if it has none):",
    };
    loop {
        let secret = terminal.ask_secret(question).await?;
        if secret.is_empty() && profile.client.secret == SecretNeed::Optional {
            return Ok(Client { id, secret: None });
        }
        if Client::is_plausible(secret.expose()) {
            return Ok(Client { id, secret: Some(secret) });
        }
        terminal.warning("A client secret is one word without spaces.");
    }
}

async fn ask_in_browser(
    context: &mut Context,
    profile: &ProviderProfile,
) -> Result<Client, Failure> {
    let form = ClientForm {
        provider: &profile.display_name,
        console_url: profile.client.console.as_ref().map_or("", |url| url.as_str()),
        redirect_uri: &redirect_uri(profile),
        secret: match profile.client.secret {
            SecretNeed::Required => SecretField::Required,
            SecretNeed::Optional => SecretField::Optional,
            SecretNeed::None => SecretField::None,
        },
    };
    let deadline = clock::now().plus(PATIENCE);
    let asked = client_form::collect(form, deadline, async |url: &str| {
        context.say("Enter the client ID of your app in this form:");
        context.say(format!("  {url}"));
        context.open(url).await;
    });
    let (id, secret) = asked.await.map_err(|error| {
        let login = login_command(profile);
        Failure::from_core("The client ID was not entered", &Error::UserAgent(error), &login)
    })?;
    Ok(Client { id, secret })
}
