//! `countersign explain --request ID`: what the server noted when it refused a request.

use std::time::Duration;

use crate::cli::Printer;
use crate::cli::api::{ApiArgs, Path};

/// A node writes what it has noted once a second: until then others do not know it.
const PAUSE: Duration = Duration::from_millis(1_500);

pub(super) async fn run(profile: &ApiArgs, request_id: &str, printer: Printer) -> anyhow::Result<()> {
    let api = profile.connect()?;
    let path = Path::of(&["refusals", request_id])?;
    let found = match api.get(&path).await {
        Err(error) if error.is_not_found() => {
            tokio::time::sleep(PAUSE).await;
            api.get(&path).await
        }
        found => found,
    };
    match found {
        Ok(found) => printer.object(&found),
        Err(error) if error.is_not_found() => {
            printer
                .note("Successes are not noted; refusals only within the bounds that the section `refusals` of the settings sets.");
            return Err(error.into());
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
