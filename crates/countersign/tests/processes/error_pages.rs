//! The commands of the error pages, against the server that they are written for.

use countersign::error_pages;
use countersign_protocol::ErrorCode;

use crate::support::{Dev, command, run};

#[tokio::test(flavor = "multi_thread")]
async fn each_command_of_a_page_produces_its_code() {
    let folder = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(folder.path(), &["--port", "0"]).await;
    let mut tried = 0;
    for code in ErrorCode::ALL {
        let page = error_pages::page(*code);
        let Some((_, shown)) = page.split_once("```sh\n") else { continue };
        let (shown, _) = shown.split_once("\n```").unwrap();
        let here = shown.replace("http://localhost:8787", &dev.env["BASE_URL"]);
        let here = here.replace("http://localhost:8788", &dev.env["DEMO_API_URL"]);
        let answer = run(command("sh", folder.path()).args(["-c", &here])).await.success();
        assert!(answer.contains(code.as_str()), "{shown}: {answer}");
        tried += 1;
    }
    assert!(tried > 10, "{tried}");
    dev.process.stop().await;
}
