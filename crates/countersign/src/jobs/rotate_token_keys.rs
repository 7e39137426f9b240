//! Carries out what is due in the life of token keys.

use crate::app::App;
use crate::audit::Actor;
use crate::change::ChangeError;
use crate::token_keys::apply_due;

/// Follows and destroys what is due. Every node may run it at once.
///
/// # Errors
/// [`ChangeError`].
pub async fn rotate_token_keys(app: &App) -> Result<(), ChangeError> {
    let steps = apply_due(app, &Actor::system("rotate_token_keys")).await?;
    if steps > 0 {
        tracing::info!(steps, "token keys were moved on");
    }
    Ok(())
}
