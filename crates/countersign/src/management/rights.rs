//! What a caller of the management API may do: the scopes of its resource server.

use countersign_protocol::Scope;

use crate::api_keys::Permission;

macro_rules! rights {
    ($($variant:ident = $scope:literal, $description:literal;)+) => {
        /// A right: one scope of the management API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Right {
            $(#[doc = $description] $variant,)+
        }

        impl Right {
            /// Every right, in the order of the nouns.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The scope.
            pub const fn scope(self) -> &'static str {
                match self { $(Self::$variant => $scope),+ }
            }

            /// What it allows, for people.
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $description),+ }
            }
        }
    };
}

impl Right {
    /// What an API key with these permissions gives, as a scope.
    pub(crate) fn given_by(permissions: &[Permission]) -> Scope {
        let given = Self::ALL.iter().filter(|right| permissions.iter().any(|own| own.covers(right.scope())));
        // Each of them is a scope token.
        Scope::from_tokens(given.map(|right| right.scope())).unwrap_or_default()
    }
}

rights! {
    AuthorizationServersRead = "authorization_servers:read", "Read authorization servers and their mounts";
    AuthorizationServersWrite = "authorization_servers:write", "Create, change and delete authorization servers and their mounts";
    ResourceServersRead = "resource_servers:read", "Read resource servers";
    ResourceServersWrite = "resource_servers:write", "Create, change and delete resource servers";
    OrganizationsRead = "organizations:read", "Read organizations";
    OrganizationsWrite = "organizations:write", "Create, change and delete organizations";
    ClientsRead = "clients:read", "Read clients";
    ClientsWrite = "clients:write", "Create, change, disable and delete clients";
    CredentialsRead = "credentials:read", "Read what is known of credentials; never a secret";
    CredentialsWrite = "credentials:write", "Create, rotate and revoke credentials of clients";
    CredentialsRotateOwn = "credentials:rotate_own", "Rotate the caller's own credentials";
    GrantsRead = "grants:read", "Read client grants";
    GrantsWrite = "grants:write", "Create, change and delete client grants";
    KeysRead = "keys:read", "Read what is known of API keys; never a key";
    KeysWrite = "keys:write", "Create, change, rotate, revoke and delete API keys";
    KeysVerify = "keys:verify", "Ask whether API keys are valid";
    RolesRead = "roles:read", "Read roles";
    RolesWrite = "roles:write", "Create, change and delete roles";
    RateLimitsTake = "rate_limits:take", "Count anything against rate limits of one's own naming";
    SigningKeysRead = "signing_keys:read", "Read the state of signing keys and token keys";
    SigningKeysWrite = "signing_keys:write", "Rotate signing keys and token keys";
    TokensRevoke = "tokens:revoke", "Revoke tokens by client, subject, credential, key or audience";
    StatusRead = "status:read", "Follow what is revoked, as a verifier does";
    SsfManage = "ssf:manage", "Receive security events: keep a stream of one's own";
    AuditRead = "audit:read", "Read and verify the audit log";
    OperatorsWrite = "operators:write", "Grant rights on this API to clients";
}
