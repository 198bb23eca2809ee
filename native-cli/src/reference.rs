//! What is the same for every command: exit codes and files, for `twg help` and the manual. A test compares the exit
//! codes with `docs/exit-codes.md`.

/// The exit codes and their meaning.
pub(crate) const EXIT_STATUS: [(&str, &str); 9] = [
    ("0", "Done, or nothing to do."),
    ("1", "Failed."),
    ("2", "The command line is wrong."),
    ("73", "The store cannot be created. Nothing was sent to the server."),
    (
        "74",
        "The store cannot be written. Nothing was sent to the server; or, in rare cases, a response could not be \
         saved, and the message says where it is.",
    ),
    (
        "75",
        "Temporary: the network, the server, or a lock that another process holds. All credentials are kept.",
    ),
    ("77", "Sign in first."),
    ("78", "The configuration is wrong."),
    ("130", "Interrupted."),
];

/// The files of twg and their content.
pub(crate) const FILES: [(&str, &str); 11] = [
    (
        "~/.config/twg",
        "The configuration directory. TWG_CONFIG_DIR or XDG_CONFIG_HOME can change it; on Windows it is \
         %APPDATA%\\twg. Only its owner can read it. The files below are in it.",
    ),
    ("auth.conf", "The default connection: tokens, account, sites."),
    ("connections/PROVIDER/NAME.conf", "Other connections."),
    ("clients/PROVIDER.conf", "The client ID, and the secret, of your app."),
    ("providers/NAME.json", "Your own providers."),
    ("bitbucket.conf", "The Bitbucket token."),
    ("admin.conf", "The admin API key of an organization."),
    ("upkeep.json", "The state of the scheduled upkeep, without secrets."),
    ("sandbox", "The configuration directory of twg sandbox."),
    (
        ".twg",
        "In a working directory or above it: the connection and the site to use there, as {\"connection\": NAME, \
         \"site\": NAME}.",
    ),
    (
        "~/.local/state/twg/rescue",
        "Responses that could not be saved above. The next refresh reads them.",
    ),
];
