//! Many clients: whether a server with 100,000 is as quick as one with 100.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::job::Target;
use super::load;
use super::median::Interval;
use super::ours::Ours;
use super::{build, undisturbed, usage};
use crate::temp_folder::TempFolder;
use crate::{print, process, workspace};

const MANY: usize = 100_000;
const FEW: usize = 100;
/// Seconds of each run: long enough for the cache to turn over.
const SECONDS: u32 = 5;
/// How long memory is watched.
const MINUTES: u32 = 10;
/// Pages of the list of clients that are read.
const PAGES: usize = 100;
/// Longest wait of a connection, in milliseconds.
const MOST_WAIT_MILLIS: u32 = 10;
const AUDIENCE: &str = "http://scale.test";

/// Compares many clients with few.
pub(super) fn run(pairs: usize) -> Result<()> {
    let folder = TempFolder::create("scale")?;
    let (ours, files) = start_with_many(folder.path())?;
    let pages = page_times(&ours)?;
    print::line(&format!("pages of 200 clients: median {:.1} ms, slowest {:.1} ms", pages.median, pages.high));
    for pace in [Pace::Even, Pace::Saturated] {
        print::line(&pace.said());
        compare(&ours, &files, pace, pairs)?;
    }
    print::line(&format!("memory after all of it: {} MB", usage::resident_megabytes(ours.id())?));
    Ok(())
}

/// Whether memory stays what it is while many clients get tokens for ten minutes.
pub(super) fn run_memory() -> Result<()> {
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
    let files = Files { folder, clients: folder.join("clients.txt") };
    print::line(&format!("making {MANY} clients"));
    make(&ours, &files, &member(&api, "id")?)?;
    ours.stop()?;
    let ours = Ours::start(&program, folder)?;
    print::line(&format!("ready after {} ms with {MANY} clients", ours.ready_after.as_millis()));
    Ok((ours, files))
}

/// How the load asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// Each connection waits a little before it asks again: what a request takes is not the queue before it.
    Even,
    /// Each connection asks as soon as it has its answer.
    Saturated,
}

impl Pace {
    fn said(self) -> String {
        match self {
            Self::Even => format!("each connection waits 0 to {MOST_WAIT_MILLIS} ms between two requests:"),
            Self::Saturated => "each connection asks again at once:".to_owned(),
        }
    }

    fn script(self) -> String {
        match self {
            Self::Even => format!("function delay() return math.random(0, {MOST_WAIT_MILLIS}) end"),
            Self::Saturated => String::new(),
        }
    }
}

fn compare(ours: &Ours, files: &Files<'_>, pace: Pace, pairs: usize) -> Result<()> {
    let (mut few, mut many) = (Vec::new(), Vec::new());
    for _ in 0..pairs {
        for (count, samples) in [(FEW, &mut few), (MANY, &mut many)] {
            let target = tokens_of(ours, files, pace, count)?;
            samples.push(undisturbed(|| load::run(&target, SECONDS))?.0);
        }
    }
    let of = |samples: &[load::Sample], figure: fn(&load::Sample) -> f64| Interval::of(samples.iter().map(figure).collect()).median;
    for (count, samples) in [(FEW, &few), (MANY, &many)] {
        let (rate, cpu) = (of(samples, |sample| sample.rate), of(samples, |sample| sample.cpu_micros));
        let (p50, p99) = (of(samples, |sample| sample.p50_millis), of(samples, |sample| sample.p99_millis));
        print::line(&format!("  {count} clients: {rate:.0} tokens/s, {cpu:.1} us CPU, p50 {p50:.2} ms, p99 {p99:.2} ms"));
    }
    let ratio = Interval::of(many.iter().zip(&few).map(|(many, few)| many.p99_millis / few.p99_millis).collect());
    print::line(&format!("  p99 with {MANY} over p99 with {FEW}: {:.2} ({:.2} to {:.2})", ratio.median, ratio.low, ratio.high));
    Ok(())
}

struct Files<'a> {
    folder: &'a Path,
    /// A line for each client: its id and its secret.
    clients: std::path::PathBuf,
}

impl Files<'_> {
    fn script(&self, name: &str, text: &str) -> Result<std::path::PathBuf> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

/// Makes the clients, and then a grant for each, over the management API.
fn make(ours: &Ours, files: &Files<'_>, api: &str) -> Result<()> {
    let token = management_token(ours)?;
    let clients = files.clients.display();
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
    let made = fs::read_to_string(&files.clients).context("no client was made")?.lines().count();
    ensure!(made == MANY, "{made} clients were made, not {MANY}");
    Ok(())
}

/// The script ends wrk itself: a stopped thread of wrk leaves its main thread asleep for the whole duration.
fn drive(ours: &Ours, script: &Path) -> Result<()> {
    let mut command = Command::new("wrk");
    command.args(["-t1", "-c64", "-d600s", "--timeout", "30s", "-s"]).arg(script).arg(ours.at("/")?);
    process::read(&mut command).map(drop)
}

/// Token requests of uniformly random clients among the first `count`.
fn tokens_of(ours: &Ours, files: &Files<'_>, pace: Pace, count: usize) -> Result<Target> {
    let clients = files.clients.display();
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
    let header = format!("Authorization: Bearer {}", management_token(ours)?);
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

fn management_token(ours: &Ours) -> Result<String> {
    let form = format!(
        "grant_type=client_credentials&audience={}&client_id={}&client_secret={}",
        ours.value("MANAGEMENT_URL")?,
        ours.value("MGMT_CLIENT_ID")?,
        ours.value("MGMT_CLIENT_SECRET")?
    );
    let said = process::read(Command::new("curl").args(["-sS", "-d", &form, &ours.at("/oauth2/default/v1/token")?]))?;
    member(&said, "access_token")
}

/// The text of a member of a JSON object.
fn member(json: &str, name: &str) -> Result<String> {
    let rest = json.split_once(&format!("\"{name}\":")).map(|(_, rest)| rest.trim_start());
    let text = rest.and_then(|rest| rest.strip_prefix('"')).and_then(|rest| rest.split_once('"'));
    Ok(text.with_context(|| format!("there is no `{name}` in {json}"))?.0.to_owned())
}
