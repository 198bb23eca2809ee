//! `/oauth/revoke`, RFC 7009.

use crate::clients::{self, Realm};
use crate::families::Ending;
use crate::http::{Handled, Request, Response};
use crate::tokens;
use crate::world::World;

/// `POST /oauth/revoke`. An unknown token is not an error: "invalid tokens do not cause an error response
/// since the client cannot handle such an error in a reasonable way", section 2.2.
pub(crate) fn revoke(world: &mut World, request: &Request) -> Handled {
    if !world.switches.revocation {
        return Err(Response::error(404, "not_found", "Not Found"));
    }
    request.check()?;
    let client = clients::authenticate(request, Realm::Atlassian, &world.switches)?;
    let presented = request.params.get("token").ok_or_else(|| Response::missing("token"))?;
    let hash = tokens::hash(presented);
    let whole_grant = world.switches.revoke_ends_grant;
    let state = world.change();
    let (account, family) = match (state.families.find(&hash), state.access.get_mut(&hash)) {
        (Some(family), _) if family.client == client.id => {
            (Some(family.account.clone()), Some(family.id.clone()))
        }
        (None, Some(access)) if access.client == client.id => {
            access.revoked = true;
            (access.account.clone(), None)
        }
        // Unknown, or issued to another client: "the request is refused", but the response must not
        // show which.
        _ => return Ok(Response::empty(200).outcome("unknown_token")),
    };
    if whole_grant {
        let ours = |client_id: &str, of: Option<&str>| {
            client_id == client.id && of.is_some() && of == account.as_deref()
        };
        state.families.end(Ending::Revoked, |one| ours(&one.client, Some(&one.account)));
        for access in state.access.values_mut() {
            access.revoked |= ours(&access.client, access.account.as_deref());
        }
        state.grants.retain(|grant| !ours(&grant.client, Some(&grant.account)));
    } else if family.is_some() {
        state.families.end(Ending::Revoked, |one| Some(&one.id) == family.as_ref());
    }
    Ok(Response::empty(200))
}
