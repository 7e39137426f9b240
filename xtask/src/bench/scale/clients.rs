//! Whether a server with 100,000 clients is as quick as one with 100.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Files, Pace, compare, drive};
use crate::bench::job::Target;
use crate::bench::median::Interval;
use crate::bench::ours::{Ours, member};
use crate::bench::{build, load, usage};
use crate::temp_folder::TempFolder;
use crate::{print, process, workspace};

const MANY: usize = 100_000;
const FEW: usize = 100;
/// How long memory is watched.
const MINUTES: u32 = 10;
/// Pages of the list of clients that are read.
const PAGES: usize = 100;
const AUDIENCE: &str = "http://scale.test";

/// Compares many clients with few.
pub(in crate::bench) fn run(pairs: usize) -> Result<()> {
    let folder = TempFolder::create("scale")?;
    let (ours, files) = start_with_many(folder.path())?;
    let pages = page_times(&ours)?;
    print::line(&format!("pages of 200 clients: median {:.1} ms, slowest {:.1} ms", pages.median, pages.high));
    compare(pairs, (FEW, MANY, "clients"), |pace, count| tokens_of(&ours, &files, pace, count))?;
    print::line(&format!("memory after all of it: {} MB", usage::resident_megabytes(ours.id())?));
    Ok(())
}

/// Whether memory stays what it is while many clients get tokens for ten minutes.
pub(in crate::bench) fn run_memory() -> Result<()> {
    let folder = TempFolder::create("scale")?;
    let (ours, files) = start_with_many(folder.path())?;
    let target = tokens_of(&ours, &files, Pace::Saturated, MANY)?;
    for minute in 1..=MINUTES {
        let sample = load::run(&target, 60)?;
        let megabytes = usage::resident_megabytes(ours.id())?;
        print::line(&format!("minute {minute}: {:.0} tokens/s, {megabytes} MB", sample.rate));
    }
    Ok(())
}

/// A server that was started on a database with many clients.
fn start_with_many(folder: &Path) -> Result<(Ours, Files<'_>)> {
    build()?;
    let program = workspace::target()?.join("release/countersign");
    let mut ours = Ours::start(&program, folder)?;
    let api = ours.run(&["resource-server", "create", AUDIENCE, "--signing-alg", "ES256", "--scope", "list:users", "--json"])?;
    let files = Files::at(folder);
    print::line(&format!("making {MANY} clients"));
    make(&ours, &files, &member(&api, "id")?)?;
    ours.stop()?;
    let ours = Ours::start(&program, folder)?;
    print::line(&format!("ready after {} ms with {MANY} clients", ours.ready_after.as_millis()));
    Ok((ours, files))
}

/// Makes the clients, and then a grant for each, over the management API.
fn make(ours: &Ours, files: &Files<'_>, api: &str) -> Result<()> {
    let token = ours.management_token()?;
    let clients = files.made.display();
    let create = format!(
        r#"wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer {token}"
local file, made = io.open("{clients}", "w"), 0
local sent = 0
function request() sent = sent + 1; return wrk.format(nil, "/manage/v1/clients", nil, '{{"name":"load ' .. sent .. '"}}') end
function response(status, headers, body)
  if status ~= 201 then io.stderr:write(body, "\n"); os.exit(1) end
  file:write(body:match('"client_id":"([^"]+)"'), " ", body:match('"client_secret":"([^"]+)"'), "\n")
  made = made + 1
  if made == {MANY} then file:close(); os.exit(0) end
end
"#
    );
    drive(ours, &files.script("create.lua", &create)?)?;
    // wrk asks for a request that it does not send: the first grant is made in a second round.
    let grant = format!(
        r#"wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer {token}"
local paths = {{}}
for line in io.lines("{clients}") do paths[#paths + 1] = "/manage/v1/clients/" .. line:match("^(%S+)") .. "/grants" end
local sent, made = 0, 0
function request()
  sent = sent + 1
  return wrk.format(nil, paths[(sent - 1) % #paths + 1], nil, '{{"resource_server_id":"{api}","scope":"list:users"}}')
end
function response(status, headers, body)
  if status == 409 then return end
  if status ~= 201 then io.stderr:write(body, "\n"); os.exit(1) end
  made = made + 1
  if made == #paths then os.exit(0) end
end
"#
    );
    drive(ours, &files.script("grant.lua", &grant)?)?;
    files.check(MANY)
}

/// Token requests of uniformly random clients among the first `count`.
fn tokens_of(ours: &Ours, files: &Files<'_>, pace: Pace, count: usize) -> Result<Target> {
    let clients = files.made.display();
    let script = format!(
        r#"wrk.method = "POST"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
local requests = {{}}
function init(args)
  math.randomseed(os.time())
  for line in io.lines("{clients}") do
    local id, secret = line:match("^(%S+) (%S+)$")
    requests[#requests + 1] = wrk.format(nil, nil, nil,
      "grant_type=client_credentials&audience={AUDIENCE}&scope=list:users&client_id=" .. id .. "&client_secret=" .. secret)
    if #requests == {count} then break end
  end
end
function request() return requests[math.random(#requests)] end
{delay}
"#,
        delay = pace.script()
    );
    let script = files.script("tokens.lua", &script)?;
    Ok(Target { process: ours.id(), url: ours.at("/oauth/token")?, script })
}

/// Milliseconds of each page of the list of clients.
fn page_times(ours: &Ours) -> Result<Interval> {
    let header = format!("Authorization: Bearer {}", ours.management_token()?);
    let (base, mut cursor, mut times) = (ours.at("/manage/v1/clients?limit=200")?, String::new(), Vec::new());
    for _ in 0..PAGES {
        let url = if cursor.is_empty() { base.clone() } else { format!("{base}&cursor={cursor}") };
        let said = process::read(Command::new("curl").args(["-sS", "-H", &header, "-w", "\n%{time_total}", &url]))?;
        let (body, seconds) = said.rsplit_once('\n').context("curl says no time")?;
        times.push(Duration::from_secs_f64(seconds.trim().parse().context("curl's time is no number")?).as_secs_f64() * 1_000.0);
        cursor = member(body, "next_cursor")?;
    }
    let slowest = times.iter().copied().fold(0.0, f64::max);
    Ok(Interval { high: slowest, ..Interval::of(times) })
}
