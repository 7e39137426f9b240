//! What the maker of a change may do to clients. It is asked in the transaction of the
//! change, so that nobody's rights are remembered from before they were taken away.

use countersign_protocol::{ClientId, Scope};

use super::{Right, resource_server_id};
use crate::api_keys::{ApiKey, Permission};
use crate::audit::Actor;
use crate::change::ChangeError;
use crate::clients::{Client, ClientGrant};
use crate::ids::{ApiKeyId, OrganizationId, ResourceServerId};
use crate::resource_servers::ResourceServer;
use crate::store::{Session, Tx};

/// What the maker of a change may do.
pub(crate) enum Authority {
    /// The command line and the instance itself: whoever has the database has it all.
    Unlimited,
    /// A client, with what it holds of the rights that its access token says.
    Caller(Box<Client>, Scope),
}

/// A client, without its credentials, that nobody else changes before the transaction ends.
pub(crate) struct LockedClient {
    pub(crate) client: Client,
    pub(crate) authority: Authority,
}

/// Locks a client that `by` is about to change, or whose credentials or grants. Every
/// change of a client begins here.
///
/// # Errors
/// [`ChangeError::NotFound`], also for a client of another organization than the
/// maker's; [`ChangeError::ExceedsCaller`] when the client may do more than the maker:
/// a credential of it, or the client itself, would be a way to these rights.
pub(crate) async fn lock_client(tx: &mut Tx, by: &Actor, id: &ClientId) -> Result<LockedClient, ChangeError> {
    let not_found = || ChangeError::NotFound { kind: "client", id: id.to_string() };
    let client = tx.lock_client(id).await?.ok_or_else(not_found)?;
    let authority = Authority::of(tx, by).await?;
    if !authority.reaches(client.organization_id.as_ref()) {
        return Err(not_found());
    }
    for grant in &client.grants {
        authority.check_covers(grant)?;
    }
    authority.check_covers_introspection(tx, id).await?;
    authority.check_covers_keys(tx, id).await?;
    Ok(LockedClient { client, authority })
}

impl Authority {
    /// What `by` may do at this moment.
    ///
    /// # Errors
    /// [`ChangeError::ExceedsCaller`] when it may do nothing any more.
    pub(crate) async fn of(session: &mut Session, by: &Actor) -> Result<Self, ChangeError> {
        let Some((id, scope)) = by.as_client() else { return Ok(Self::Unlimited) };
        let found = session.find_client(id).await?.filter(|client| client.disabled_at.is_none());
        let client = found.ok_or_else(|| ChangeError::ExceedsCaller("the caller is deleted or disabled".to_owned()))?;
        let held = match by.api_key() {
            Some(key) => rights_of_key(session, key, id).await?,
            None => client.grant_for(&resource_server_id()).map(|grant| grant.scope.clone()).unwrap_or_default(),
        };
        let rights = scope.map_or_else(|| held.clone(), |scope| scope.intersection(&held));
        Ok(Self::Caller(Box::new(client), rights))
    }

    /// The organization that it is limited to.
    pub(crate) fn organization(&self) -> Option<&OrganizationId> {
        match self {
            Self::Unlimited => None,
            Self::Caller(client, _) => client.organization_id.as_ref(),
        }
    }

    /// Whether objects of this organization are in its reach.
    pub(crate) fn reaches(&self, organization: Option<&OrganizationId>) -> bool {
        self.organization().is_none_or(|own| Some(own) == organization)
    }

    /// Checks that a limited caller does not put an end to itself.
    pub(crate) fn check_not_own_end(&self, id: &ClientId) -> Result<(), ChangeError> {
        match self {
            Self::Caller(client, _) if client.organization_id.is_some() && client.id == *id => {
                Err(ChangeError::LimitedToOrganization("a caller of an organization does not disable or delete itself"))
            }
            Self::Unlimited | Self::Caller(..) => Ok(()),
        }
    }

    /// Checks that a client with these grants may be moved to this organization.
    pub(crate) fn check_move(&self, client: &Client, to: Option<&OrganizationId>) -> Result<(), ChangeError> {
        if client.organization_id.as_ref() == to {
            return Ok(());
        }
        if !self.reaches(to) {
            return Err(ChangeError::LimitedToOrganization("clients of an organization stay in it"));
        }
        // Outside of an organization its rights are over the whole instance.
        client.grants.iter().try_for_each(|grant| self.check_grants_for(&grant.resource_server_id))
    }

    /// Checks that grants for this resource server are the caller's to give and to take.
    pub(crate) fn check_grants_for(&self, id: &ResourceServerId) -> Result<(), ChangeError> {
        if *id == resource_server_id() { self.check_may_make_operators() } else { Ok(()) }
    }

    /// Checks that a grant that is to be gives no more than the caller has.
    pub(crate) fn check_grant(&self, grant: &ClientGrant, resource_server: &ResourceServer) -> Result<(), ChangeError> {
        self.check_grants_for(&grant.resource_server_id)?;
        let Self::Caller(client, _) = self else { return Ok(()) };
        if client.organization_id.is_some() {
            let own = client.grant_for(&resource_server.id);
            let unknown = || ChangeError::NotFound { kind: "resource server", id: resource_server.id.to_string() };
            let own = own.ok_or_else(unknown)?;
            if grant.lifetime_seconds(resource_server) > own.lifetime_seconds(resource_server) {
                return Err(exceeds("tokens of a longer lifetime", &resource_server.audience));
            }
        }
        self.check_covers(grant)
    }

    /// Rights on this API are compared always, grants for other resource servers where
    /// the caller belongs to an organization.
    fn check_covers(&self, grant: &ClientGrant) -> Result<(), ChangeError> {
        let Self::Caller(client, rights) = self else { return Ok(()) };
        let nothing = Scope::default();
        let held = match client.grant_for(&grant.resource_server_id) {
            _ if grant.resource_server_id == resource_server_id() => rights,
            _ if client.organization_id.is_none() => return Ok(()),
            Some(own) => &own.scope,
            None if grant.scope.is_empty() => return Err(exceeds("a grant", &grant.resource_server_id)),
            None => &nothing,
        };
        grant.scope.first_outside(held).map_or(Ok(()), |scope| Err(exceeds(scope, &grant.resource_server_id)))
    }

    /// Nor is a client with keys of this API that give more.
    async fn check_covers_keys(&self, session: &mut Session, id: &ClientId) -> Result<(), ChangeError> {
        match self {
            Self::Caller(caller, rights) if caller.id != *id => {
                let held = Right::given_by(&session.permissions_of_keys_for(id, &resource_server_id()).await?);
                held.first_outside(rights).map_or(Ok(()), |right| Err(exceeds(right, &resource_server_id())))
            }
            Self::Unlimited | Self::Caller(..) => Ok(()),
        }
    }

    /// Checks that a client may be moved to this organization with its keys of this API.
    pub(crate) async fn check_move_of_keys(
        &self,
        session: &mut Session,
        client: &Client,
        to: Option<&OrganizationId>,
    ) -> Result<(), ChangeError> {
        if client.organization_id.as_ref() == to || matches!(self, Self::Unlimited) {
            return Ok(());
        }
        let held = session.permissions_of_keys_for(&client.id, &resource_server_id()).await?;
        if held.is_empty() { Ok(()) } else { self.check_may_make_operators() }
    }

    /// Tokens of others are not looked at by way of a client that may introspect them.
    async fn check_covers_introspection(&self, session: &mut Session, id: &ClientId) -> Result<(), ChangeError> {
        let Self::Caller(caller, _) = self else { return Ok(()) };
        if caller.organization_id.is_none() || caller.id == *id {
            return Ok(());
        }
        let held = session.introspected_by(&caller.id).await?;
        let introspected = session.introspected_by(id).await?;
        let beyond = introspected.iter().find(|resource_server| !held.contains(resource_server));
        beyond.map_or(Ok(()), |resource_server| Err(exceeds("introspection", resource_server)))
    }

    /// Checks that a key for this resource server may have these permissions: those of
    /// this API are compared always, others where the caller belongs to an organization.
    pub(crate) fn check_permissions(&self, id: &ResourceServerId, permissions: &[Permission]) -> Result<(), ChangeError> {
        self.check_grants_for(id)?;
        let Self::Caller(client, rights) = self else { return Ok(()) };
        let held = match client.grant_for(id) {
            _ if *id == resource_server_id() => rights,
            _ if client.organization_id.is_none() => return Ok(()),
            Some(own) => &own.scope,
            None => return Err(ChangeError::NotFound { kind: "resource server", id: id.to_string() }),
        };
        let beyond = permissions.iter().find(|permission| !held.contains(permission.as_str()));
        beyond.map_or(Ok(()), |permission| Err(exceeds(permission, id)))
    }

    fn check_may_make_operators(&self) -> Result<(), ChangeError> {
        match self {
            Self::Caller(_, rights) if !rights.contains(Right::OperatorsWrite.scope()) => {
                Err(exceeds(Right::OperatorsWrite.scope(), &resource_server_id()))
            }
            Self::Unlimited | Self::Caller(..) => Ok(()),
        }
    }
}

/// What an API key of the client gives at this moment.
async fn rights_of_key(session: &mut Session, key: &ApiKeyId, client: &ClientId) -> Result<Scope, ChangeError> {
    let found = session.find_api_key(key).await?;
    let is_live = |key: &ApiKey| key.client_id == *client && key.revoked_at.is_none() && key.disabled_at.is_none();
    let live = found.filter(|key| is_live(key) && key.resource_server_id == resource_server_id());
    let live = live.ok_or_else(|| ChangeError::ExceedsCaller("the caller's API key is disabled, revoked or gone".to_owned()))?;
    Ok(Right::given_by(&live.permissions))
}

fn exceeds(what: impl std::fmt::Display, whose: &dyn std::fmt::Display) -> ChangeError {
    ChangeError::ExceedsCaller(format!("the caller does not hold `{what}` of {whose}"))
}
