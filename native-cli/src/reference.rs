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
