//! A base URL configured with a trailing slash makes some SDKs ask for
//! `//oauth2/..` and `//api/v1/..`; only these are read as one slash.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::Uri;

pub(super) async fn collapse_slashes(mut request: Request, next: Next) -> Response {
    if let Some(uri) = collapsed(request.uri()) {
        *request.uri_mut() = uri;
    }
    next.run(request).await
}

fn collapsed(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_prefix("//").filter(|rest| rest.starts_with("api/v1/") || rest.starts_with("oauth2/"))?;
    let path_and_query = uri.query().map_or_else(|| format!("/{path}"), |query| format!("/{path}?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path_and_query.parse().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_prefixes_are_collapsed() {
        for (from, to) in [
            ("//oauth2/default/v1/token?x=//y", Some("/oauth2/default/v1/token?x=//y")),
            ("//api/v1/apps", Some("/api/v1/apps")),
            ("//oauth/token", None),
            ("//jwks", None),
            ("///oauth2/a", None),
            ("/oauth2//a", None),
        ] {
            let uri: Uri = from.parse().unwrap();
            assert_eq!(collapsed(&uri).map(|uri| uri.to_string()).as_deref(), to, "{from}");
        }
    }
}
