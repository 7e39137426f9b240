//! Whether a server with 1,000,000 keys is as quick as one with 1,000, and how long an import of as many takes.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{Files, Pace, compare, drive};
use crate::bench::job::Target;
use crate::bench::ours::{Ours, member};
use crate::bench::{build, usage};
use crate::clock::Stopwatch;
use crate::temp_folder::TempFolder;
use crate::{print, workspace};

const MANY: usize = 1_000_000;
const FEW: usize = 1_000;
const CLIENT: &str = "demo-client";
const AUDIENCE: &str = "http://scale.test";

/// Compares many keys with few.
pub(in crate::bench) fn run(pairs: usize) -> Result<()> {
    build()?;
    let folder = TempFolder::create("keys")?;
    let program = workspace::target()?.join("release/countersign");
    let (mut ours, files) = (Ours::start(&program, folder.path())?, Files::at(folder.path()));
    print::line(&format!("making {MANY} keys"));
    let watch = Stopwatch::start();
    make(&ours, &files, &resource_server(&ours)?)?;
    print::line(&format!("made in {} s", watch.elapsed().as_secs()));
    ours.stop()?;
    let ours = Ours::start(&program, folder.path())?;
    print::line(&format!("ready after {} ms with {MANY} keys", ours.ready_after.as_millis()));
    compare(pairs, (FEW, MANY, "keys"), |pace, count| verifications_of(&ours, &files, pace, count))?;
    print::line(&format!("memory after all of it: {} MB", usage::resident_megabytes(ours.id())?));
    Ok(())
}

/// How long an import of many hashes takes.
pub(in crate::bench) fn run_import() -> Result<()> {
    build()?;
    let folder = TempFolder::create("import")?;
    let ours = Ours::start(&workspace::target()?.join("release/countersign"), folder.path())?;
    let api = resource_server(&ours)?;
    let file = folder.path().join("keys.ndjson");
    write_hashes(&file)?;
    let watch = Stopwatch::start();
    let file = file.to_string_lossy();
    let said = ours.run(&["key", "import", &file, "--client", CLIENT, "--resource-server", &api, "--json"])?;
    let seconds = watch.elapsed().as_secs();
    ensure!(said.contains(&format!("\"imported\": {MANY}")) || said.contains(&format!("\"imported\":{MANY}")), "{said}");
    let (rate, megabytes) = (MANY as u64 / seconds.max(1), usage::resident_megabytes(ours.id())?);
    print::line(&format!("{MANY} hashes imported in {seconds} s, {rate} a second; memory {megabytes} MB"));
    Ok(())
}

fn resource_server(ours: &Ours) -> Result<String> {
    member(&ours.run(&["resource-server", "create", AUDIENCE, "--json"])?, "id")
}

/// SHA-256 hashes of keys that nobody knows: as scattered as real ones.
fn write_hashes(path: &Path) -> Result<()> {
    let mut file = BufWriter::new(File::create(path).with_context(|| format!("cannot write {}", path.display()))?);
    let mut state = 0_u64;
    let mut next = || {
        // splitmix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    };
    for _ in 0..MANY {
        let (a, b, c, d) = (next(), next(), next(), next());
        writeln!(file, r#"{{"hash":"{a:016x}{b:016x}{c:016x}{d:016x}","scheme":"sha256"}}"#)?;
    }
    file.flush().context("cannot write the hashes")
}

/// Makes the keys over the management API.
fn make(ours: &Ours, files: &Files<'_>, api: &str) -> Result<()> {
    let (token, made) = (ours.management_token()?, files.made.display());
    let create = format!(
        r#"wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer {token}"
wrk.body = '{{"name":"load","client_id":"{CLIENT}","resource_server_id":"{api}","permissions":["orders.read"]}}'
local file, made = io.open("{made}", "w"), 0
local request_of_all
function init(args) request_of_all = wrk.format(nil, "/manage/v1/keys") end
function request() return request_of_all end
function response(status, headers, body)
  if status ~= 201 then io.stderr:write(body, "\n"); os.exit(1) end
  file:write(body:match('"key":"([^"]+)"'), "\n")
  made = made + 1
  if made == {MANY} then file:close(); os.exit(0) end
end
"#
    );
    drive(ours, &files.script("create.lua", &create)?)?;
    files.check(MANY)
}

/// Verifications of uniformly random keys among the first `count`.
fn verifications_of(ours: &Ours, files: &Files<'_>, pace: Pace, count: usize) -> Result<Target> {
    let (token, made) = (ours.management_token()?, files.made.display());
    let script = format!(
        r#"wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer {token}"
local keys, before, after = {{}}, nil, nil
function init(args)
  math.randomseed(os.time())
  for line in io.lines("{made}") do
    keys[#keys + 1] = line
    if #keys == {count} then break end
  end
  -- Every key is as long.
  wrk.body = '{{"key":"' .. keys[1] .. '"}}'
  before, after = wrk.format():match("^(.*{{\"key\":\").*(\"}})$")
end
function request() return before .. keys[math.random(#keys)] .. after end
{delay}
"#,
        delay = pace.script()
    );
    let script = files.script("verify.lua", &script)?;
    Ok(Target { process: ours.id(), url: ours.at("/manage/v1/keys/verify")?, script })
}
