//! The people, organizations and sites of the sandbox.

use serde_json::{Value, json};

/// A person with an Atlassian account. The values are those of Atlassian's own documentation.
pub(crate) struct Person {
    /// The account id.
    pub(crate) account: &'static str,
    /// The e-mail address.
    pub(crate) email: &'static str,
    /// The full name.
    pub(crate) name: &'static str,
    /// The nickname.
    pub(crate) nickname: &'static str,
}

/// The user that signs in.
pub(crate) const MIA: Person = Person {
    account: "112233aa-bb11-cc22-33dd-445566abcabc",
    email: "mia@example.com",
    name: "Mia Krystof",
    nickname: "mkrystof",
};

/// The members of every organization, enough for more than one page of the admin API.
pub(crate) const PEOPLE: &[Person] = &[
    MIA,
    Person {
        account: "5b10ac8d82e05b22cc7d4ef5",
        email: "emma@example.com",
        name: "Emma Richards",
        nickname: "emma",
    },
    Person {
        account: "5b10a2844c20165700ede21g",
        email: "alan@example.com",
        name: "Alan Grant",
        nickname: "alan",
    },
];

/// An organization.
pub(crate) struct Organization {
    /// Its id.
    pub(crate) id: &'static str,
    /// Its name.
    pub(crate) name: &'static str,
    /// Its sites.
    pub(crate) sites: &'static [Site],
}

/// A site.
pub(crate) struct Site {
    /// The cloud id.
    pub(crate) cloud_id: &'static str,
    /// The name.
    pub(crate) name: &'static str,
    /// The host name.
    pub(crate) host: &'static str,
    /// Whether it has Jira.
    pub(crate) jira: bool,
    /// Whether it has Confluence.
    pub(crate) confluence: bool,
    /// The file name of the avatar.
    pub(crate) avatar: &'static str,
    /// Keys and names of its projects and spaces.
    pub(crate) places: &'static [(&'static str, &'static str)],
}

impl Site {
    /// The URL in a browser.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.host)
    }

    /// The URL of the avatar.
    pub(crate) fn avatar_url(&self) -> String {
        format!(
            "https://site-admin-avatar-cdn.prod.public.atl-paas.net/avatars/240/{}.png",
            self.avatar
        )
    }
}

/// The organizations, in the order of the page where the user selects one.
pub(crate) const ORGANIZATIONS: &[Organization] = &[
    Organization {
        id: "2f1a7c34-6a0c-4d3c-9f0e-52a1f6d1b7aa",
        name: "Krystof Design",
        sites: &[
            Site {
                cloud_id: "1324a887-45db-1bf4-1e99-ef0ff456d421",
                name: "krystof-design",
                host: "krystof-design.atlassian.net",
                jira: true,
                confluence: true,
                avatar: "flag",
                places: &[("DES", "Design system"), ("WEB", "Website")],
            },
            Site {
                cloud_id: "8594f221-9797-5f78-1fa4-485e198d7cd0",
                name: "krystof-support",
                host: "krystof-support.atlassian.net",
                jira: true,
                confluence: false,
                avatar: "koala",
                places: &[("HELP", "Help desk")],
            },
        ],
    },
    Organization {
        id: "90c3b5de-0b1f-4f0e-8f52-0e6c1d9a44bb",
        name: "Sydney Makers",
        sites: &[Site {
            cloud_id: "11223344-a1b2-3b33-8444-def123456789",
            name: "sydney-makers",
            host: "sydney-makers.atlassian.net",
            jira: false,
            confluence: true,
            avatar: "rocket",
            places: &[("WIKI", "Makers' handbook")],
        }],
    },
];

/// The organization with this id.
pub(crate) fn organization(id: &str) -> Option<&'static Organization> {
    ORGANIZATIONS.iter().find(|organization| organization.id == id)
}

/// All sites.
pub(crate) fn sites() -> impl Iterator<Item = &'static Site> {
    ORGANIZATIONS.iter().flat_map(|organization| organization.sites)
}

/// The site with this cloud id.
pub(crate) fn site(cloud_id: &str) -> Option<&'static Site> {
    sites().find(|site| site.cloud_id == cloud_id)
}

/// A product that a site can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    /// Jira, with Jira Service Management.
    Jira,
    /// Confluence.
    Confluence,
}

impl Product {
    /// The product of a classic (`read:jira-work`) or granular (`read:page:confluence`) scope.
    pub(crate) fn of_scope(scope: &str) -> Option<Self> {
        if scope.contains("confluence") {
            Some(Self::Confluence)
        } else if scope.contains("jira") || scope.contains("servicedesk") {
            Some(Self::Jira)
        } else {
            None
        }
    }

    /// Whether the site has the product.
    pub(crate) const fn is_on(self, site: &Site) -> bool {
        match self {
            Self::Jira => site.jira,
            Self::Confluence => site.confluence,
        }
    }
}

/// The body of `/me`, member by member as in Atlassian's documentation.
pub(crate) fn profile(person: &Person) -> Value {
    json!({
        "account_type": "atlassian",
        "account_id": person.account,
        "email": person.email,
        "name": person.name,
        "picture": format!(
            "https://avatar-management--avatars.us-west-2.prod.public.atl-paas.net/{}/1234abcd-9876-54aa-33aa-1234dfsade9487ds",
            person.account
        ),
        "account_status": "active",
        "nickname": person.nickname,
        "zoneinfo": "Australia/Sydney",
        "locale": "en-US",
        "extended_profile": {
            "job_title": "Designer",
            "organization": person.email,
            "department": "Design team",
            "location": "Sydney",
        },
    })
}

/// A scope in words, for the page of permissions.
pub(crate) fn meaning(scope: &str) -> String {
    let known = match scope {
        "offline_access" => "Stay signed in: get new access tokens while you are away",
        "read:me" => "View your profile: name, e-mail address, picture",
        "read:account" => "View the accounts of your organization",
        "read:jira-user" => "View user information in Jira",
        "read:jira-work" => "View projects and issues in Jira",
        "write:jira-work" => "Create and edit issues in Jira",
        "manage:jira-project" => "Manage project settings in Jira",
        "manage:jira-configuration" => "Manage Jira's global settings",
        "read:confluence-user" => "View user information in Confluence",
        "read:confluence-space.summary" => "View summaries of spaces in Confluence",
        "read:confluence-content.all" => "View content in Confluence",
        "read:confluence-content.summary" => "View summaries of content in Confluence",
        "write:confluence-content" => "Create and edit content in Confluence",
        "search:confluence" => "Search content in Confluence",
        "account" => "Read your Bitbucket account",
        "repository" => "Read your Bitbucket repositories",
        _ => return scope.replace([':', '_', '-', '.'], " "),
    };
    known.into()
}
