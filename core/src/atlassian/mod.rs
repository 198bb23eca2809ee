//! What only Atlassian has.

pub mod address;
pub mod admin;
pub mod api_token;
pub mod bitbucket;
pub mod sites;
