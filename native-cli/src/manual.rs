//! What the manual says that is the same for every command. The README says it too; a test compares them.

/// Which exit code means what.
pub(crate) const EXIT_STATUS: [(&str, &str); 9] = [
    ("0", "Done, or nothing to do."),
    ("1", "It failed."),
    ("2", "The command line is wrong."),
    ("73", "The store cannot be created; nothing was sent to the server."),
    (
        "74",
        "The store cannot be written; nothing was sent to the server, or, rarely, a reply could not be saved, and \
         the message says where it lies.",
    ),
    ("75", "Temporary: the network, the server or a busy lock. Everything is kept."),
    ("77", "Sign in first."),
    ("78", "The configuration is wrong."),
    ("130", "Interrupted."),
];

/// Which environment variables there are.
pub(crate) const ENVIRONMENT: [(&str, &str); 12] = [
    ("TWG_CONFIG_DIR", "Where everything is kept, instead of the directory below."),
    (
        "TWG_OAUTH_ACCESS_TOKEN",
        "The access token of whoever starts twg, who keeps it alive. It goes before everything else.",
    ),
    (
        "TWG_USER, TWG_TOKEN, TWG_TOKEN_MODE",
        "The e-mail address and the API token of an account, for scripts, and whether the token is classic (the \
         default) or scoped. They go before the stored login.",
    ),
    ("TWG_SITE", "The site that is meant when none is named: acme for acme.atlassian.net."),
    ("TWG_BBC_TOKEN", "The Bitbucket token. It goes before the stored one."),
    ("KUBERNETES_EXEC_INFO", "Set by kubectl: which ExecCredential it understands."),
    (
        "TWG_CLIENT_ID, TWG_CLIENT_SECRET",
        "The Atlassian client, instead of the stored one; for a provider named example they are called \
         TWG_EXAMPLE_CLIENT_ID and TWG_EXAMPLE_CLIENT_SECRET.",
    ),
    ("TWG_BROWSER, BROWSER", "The program that opens addresses."),
    (
        "HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE, SSL_CERT_DIR",
        "Proxy and certificates, as everywhere.",
    ),
    ("XDG_DATA_HOME", "Where versions are installed, instead of ~/.local/share."),
    ("NO_COLOR, CLICOLOR_FORCE", "Whether there are colours, as everywhere."),
    ("CI", "Nobody is asked, and no browser is opened."),
];

/// Which files there are.
pub(crate) const FILES: [(&str, &str); 11] = [
    (
        "~/.config/twg",
        "The configuration directory, or $XDG_CONFIG_HOME/twg, or TWG_CONFIG_DIR; %APPDATA%\\twg on Windows. Its \
         owner alone can read it. The files below are in it.",
    ),
    ("auth.conf", "The login: tokens, account, sites."),
    ("connections/PROVIDER/NAME.conf", "Further logins."),
    ("clients/PROVIDER.conf", "The client id, and the secret, of your app."),
    ("providers/NAME.json", "Providers of your own."),
    ("bitbucket.conf", "The Bitbucket token."),
    ("admin.conf", "The admin API key of an organization."),
    ("upkeep.json", "What the scheduled upkeep remembers; no secret."),
    ("sandbox", "A configuration directory for twg sandbox."),
    (
        ".twg",
        "In a working directory or above it: the account and the site that are meant there when none is named, as \
         {\"connection\": NAME, \"site\": NAME}.",
    ),
    (
        "~/.local/state/twg/rescue",
        "Replies that could not be saved above; the next refresh takes them from here.",
    ),
];
