//! `/errors/...`.

use countersign_protocol::ErrorCode;

use super::ENGINE;
use crate::support::TestApp;

#[tokio::test]
async fn every_code_has_a_page_of_plain_text() {
    let app = TestApp::start(ENGINE).await;
    for code in ErrorCode::ALL {
        let page = app.get(&format!("/errors/{code}")).send().await;
        assert_eq!((page.status.as_u16(), page.header("content-type")), (200, Some("text/plain; charset=utf-8")), "{code}");
        assert!(String::from_utf8_lossy(&page.body).contains(code.meaning()), "{code}");
    }
    assert_eq!(app.get("/errors/CS-0000").send().await.status, 404);
}

#[tokio::test]
async fn what_cs_3006_says_of_allow_is_true() {
    let app = TestApp::start(ENGINE).await;
    let refused = app.get("/oauth/token").send().await;
    assert_eq!((refused.status.as_u16(), refused.header("countersign-error")), (405, Some("CS-3006")));
    assert_eq!(refused.header("allow"), Some("POST"));
}
