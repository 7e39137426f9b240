//! Layers, errors and secrets, through the whole of `load`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::testing::{KEY, Layers, MemoryFiles};
use super::*;

const POSTGRES: &str = "[storage]\nurl = \"postgres://cs@db/countersign\"\n[keys]\nmaster_key_file = \"master.key\"\n";

// === Layers ===

#[test]
fn without_layers_the_defaults_hold() {
    let Loaded { config, provenance } = Layers::new().load().unwrap();
    assert_eq!(config.server.listen, ["127.0.0.1:8787".parse().unwrap(), "[::1]:8787".parse().unwrap()]);
    assert_eq!(config.server.base_urls.iter().map(BaseUrl::as_str).collect::<Vec<_>>(), ["http://localhost:8787"]);
    assert_eq!(config.server.drain_timeout, Duration::from_secs(30));
    assert_eq!(config.storage.url, StorageUrl::Sqlite { path: PathBuf::from("countersign.db") });
    assert_eq!(config.storage.poll_interval, Duration::from_millis(500));
    assert_eq!(config.keys.master_key_file(), Some(Path::new("master.key")));
    assert_eq!((config.log.format, config.log.level), (LogFormat::Json, LogLevel::Info));
    assert_eq!(config.cache.clients, 10_000);
    assert!(provenance.0.iter().all(|origin| origin.place == Place::Default));
}

#[test]
fn a_later_layer_overrides_an_earlier_one() {
    let file = Layers::new().file("[log]\nlevel = \"warn\"\n[cache]\nclients = 200\n[tokens]\nbackdate_seconds = 5\n");
    let layers = file
        .variable("COUNTERSIGN__LOG__LEVEL", "debug")
        .variable("COUNTERSIGN__CACHE__CLIENTS", "300")
        .variable("HOME", "/root")
        .variable("COUNTERSIGN_VECTORS", "/vectors")
        .flag("log.level", "trace");
    let Loaded { config, provenance } = layers.load().unwrap();
    assert_eq!((config.log.level, config.cache.clients, config.tokens.backdate_seconds), (LogLevel::Trace, 300, 5));
    let origins =
        ["log.format", "tokens.backdate_seconds", "cache.clients", "log.level"].map(|key| provenance.of(key).unwrap().to_string());
    assert_eq!(
        origins,
        [
            "log.format = json  [default]",
            "tokens.backdate_seconds = 5  [etc/countersign.toml:6:20]",
            "cache.clients = 300  [environment COUNTERSIGN__CACHE__CLIENTS]",
            "log.level = trace  [--set log.level]",
        ]
    );
}

#[test]
fn lists_have_commas_outside_the_file() {
    let layers = Layers::new()
        .variable("COUNTERSIGN__SERVER__LISTEN", "127.0.0.1:0, 127.0.0.1:0")
        .flag("server.base_urls", "https://a.test,https://b.test");
    let config = layers.load().unwrap().config;
    assert_eq!(config.server.listen.len(), 2);
    assert_eq!(config.server.base_urls.iter().map(BaseUrl::as_str).collect::<Vec<_>>(), ["https://a.test", "https://b.test"]);
}

#[test]
fn relative_paths_count_from_the_file_or_the_working_directory() {
    let path = |layers: Layers| match layers.load().unwrap().config.storage.url {
        StorageUrl::Sqlite { path } => path,
        StorageUrl::Postgres { url, .. } => panic!("{url}"),
    };
    assert_eq!(path(Layers::new().file("")), Path::new("etc/countersign.db"));
    assert_eq!(path(Layers::new().file("storage.url = \"sqlite:x.db\"")), Path::new("etc/x.db"));
    assert_eq!(path(Layers::new().file("storage.url = \"sqlite:/x.db\"")), Path::new("/x.db"));
    assert_eq!(path(Layers::new().file("").flag("storage.url", "sqlite:x.db")), Path::new("x.db"));
    assert_eq!(path(Layers::new().file("").variable("COUNTERSIGN__STORAGE__URL", "sqlite:x.db")), Path::new("x.db"));
}

#[test]
fn a_named_file_must_exist() {
    let variables = Vec::new();
    let files = MemoryFiles::new();
    let sources = Sources { file: ConfigFile::Named(Path::new("no.toml")), environment: &variables, flags: &[], files: &files };
    assert_eq!(load(&sources).unwrap_err().to_string(), "no.toml: the configuration file cannot be read: no such file");
    assert!(load(&Sources { file: ConfigFile::Nowhere, ..sources }).is_ok());
}

// === Errors of form ===

#[test]
fn a_wrong_value_names_key_place_value_and_accepted_form() {
    let errors = Layers::new().file("[server]\nlisten = [\"127.0.0.1:1\",\n  \"localhost:8787\"]\n").errors();
    assert_eq!(
        errors,
        ["etc/countersign.toml:3:3: server.listen: `localhost:8787` is not a socket address\n  \
          accepted: a list of socket addresses, such as `127.0.0.1:8787` or `[::1]:8787`\n  \
          fix: write 127.0.0.1:8787 and [::1]:8787"]
    );
}

#[test]
fn each_layer_names_its_place() {
    let layers = Layers::new()
        .file("log.level = \"loud\"")
        .variable("COUNTERSIGN__CACHE__CLIENTS", "99")
        .flag("server.allow_plaintext", "yes");
    assert_eq!(
        layers.errors(),
        [
            "--set server.allow_plaintext: server.allow_plaintext: `yes` is neither `true` nor `false`\n  accepted: `true` or `false`",
            "etc/countersign.toml:1:13: log.level: `loud` is not a log level\n  accepted: one of `error`, `warn`, `info`, `debug`, `trace`",
            "environment COUNTERSIGN__CACHE__CLIENTS: cache.clients: `99` is out of bounds\n  \
             accepted: an integer from 100 to 10000000 (entries)",
        ]
    );
}

#[test]
fn wrong_types_are_named() {
    let file = "[server]\nlisten = \"127.0.0.1:1\"\nallow_plaintext = \"true\"\nbase_urls = [1]\ndrain_timeout_seconds = 1.5\n\
                request_timeout_seconds = \"30\"\n[log]\nlevel = 3\n[storage]\nurl = [\"postgres://a:hunter2@b/c\"]\n";
    let errors = Layers::new().file(file).load().unwrap_err().0;
    let heads: Vec<String> = errors.iter().map(|error| error.to_string().lines().next().unwrap().to_owned()).collect();
    assert_eq!(
        heads,
        [
            "etc/countersign.toml:8:9: log.level: `3` is an integer, not a string",
            "etc/countersign.toml:3:19: server.allow_plaintext: `true` is a string, not a boolean",
            "etc/countersign.toml:4:14: server.base_urls: `1` is an integer, not a list of strings",
            "etc/countersign.toml:5:25: server.drain_timeout_seconds: `1.5` is a float, not an integer",
            "etc/countersign.toml:2:10: server.listen: `127.0.0.1:1` is a string, not a list of strings",
            "etc/countersign.toml:6:27: server.request_timeout_seconds: `30` is a string, not an integer",
            "etc/countersign.toml:10:7: storage.url is a list, not a string",
        ]
    );
}

#[test]
fn integers_have_bounds() {
    for (text, problem) in
        [("601", "is out of bounds"), ("-1", "is out of bounds"), ("99999999999999999999999999", "is out of bounds")]
    {
        let error = Layers::new().flag("server.drain_timeout_seconds", text).load().unwrap_err().0;
        assert_eq!((&*error[0].problem, error[0].value.as_deref()), (problem, Some(text)));
    }
    for text in ["", "1s", "1 ", "0x10"] {
        assert_eq!(
            &*Layers::new().flag("server.drain_timeout_seconds", text).load().unwrap_err().0[0].problem,
            "is not an integer"
        );
    }
    for (text, clients) in [("0x100", 256), ("1_000", 1000), ("+200", 200)] {
        assert_eq!(Layers::new().file(&format!("cache.clients = {text}")).load().unwrap().config.cache.clients, clients);
    }
}

#[test]
fn unknown_names_are_errors_with_a_suggestion() {
    let layers = Layers::new()
        .file("listen = []\n[server]\nlistn = []\n[sever]\nx = 1\n[gateway]\n")
        .variable("COUNTERSIGN__SERVER__LISTN", "x")
        .variable("COUNTERSIGN__SERVER_LISTEN", "x")
        .variable("COUNTERSIGN__FROB", "x")
        .flag("log.levl", "x");
    let mut errors = layers.errors();
    errors.sort();
    assert_eq!(
        errors,
        [
            "--set log.levl: log.levl is not a known setting\n  fix: did you mean log.level?",
            "environment COUNTERSIGN__FROB: frob is not a known setting",
            "environment COUNTERSIGN__SERVER_LISTEN: server_listen is not a known setting\n  fix: did you mean COUNTERSIGN__SERVER__LISTEN?",
            "environment COUNTERSIGN__SERVER__LISTN: server.listn is not a known setting\n  fix: did you mean COUNTERSIGN__SERVER__LISTEN?",
            "etc/countersign.toml:1:1: listen is not a known setting\n  fix: did you mean server.listen?",
            "etc/countersign.toml:3:1: server.listn is not a known setting\n  fix: did you mean server.listen?",
            "etc/countersign.toml:4:2: sever is not a known section\n  fix: did you mean server?",
            "etc/countersign.toml:6:2: gateway is not a known section",
        ]
    );
}

#[test]
fn a_file_that_is_no_toml_is_an_error_of_its_own() {
    let errors = Layers::new().file("[log]\nlevel = \"warn\"\nlevel = \"info\"\n[keys]\nmaster_key = hunter2\n").errors();
    assert_eq!(errors[0], "etc/countersign.toml:3:1: level is set twice\n  fix: keep one of the two");
    assert!(errors[1].starts_with("etc/countersign.toml:5:14: is not valid TOML: "), "{errors:?}");
    assert!(!errors.concat().contains("hunter2"));
    assert_eq!(
        Layers::new().file("[log]\n[log]\n").errors(),
        ["etc/countersign.toml:2:2: log is set twice\n  fix: keep one of the two"]
    );
    assert_eq!(
        Layers::new().file("server = 1").errors(),
        ["etc/countersign.toml:1:1: server is not a table\n  fix: write [server] and its settings below it"]
    );
}

#[test]
fn a_byte_order_mark_is_no_error() {
    assert!(Layers::new().file("\u{feff}log.level = \"warn\"\r\n").load().is_ok());
}

#[test]
fn columns_count_characters() {
    let error = &Layers::new().file("log = { format = \"äöü\", level = \"x\" }").load().unwrap_err().0[1];
    assert_eq!(error.place.to_string(), "etc/countersign.toml:1:33");
}

#[test]
fn a_flag_given_twice_is_refused() {
    let layers = Layers::new().flag("server.listen", "127.0.0.1:1").flag("server.listen", "127.0.0.1:2");
    assert!(layers.errors()[0].ends_with("fix: write one --set with commas between the items"));
}

#[test]
fn a_wrong_value_is_an_error_even_where_it_is_overridden() {
    let layers = Layers::new().file("log.level = \"loud\"").flag("log.level", "info");
    assert_eq!(layers.load().unwrap_err().0.len(), 1);
}

#[test]
fn flags_are_split_at_the_first_equals_sign() {
    assert_eq!(split_flag("a.b=c=d"), Ok(("a.b".to_owned(), "c=d".to_owned())));
    assert_eq!(split_flag("a.b"), Err(InvalidFlag));
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf8_is_refused() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;

    struct Binary;
    impl Environment for Binary {
        fn variables(&self) -> Vec<(OsString, OsString)> {
            vec![("COUNTERSIGN__LOG__LEVEL".into(), OsString::from_vec(vec![0xff]))]
        }
    }
    let files = MemoryFiles::new();
    let errors = load(&Sources { file: ConfigFile::Nowhere, environment: &Binary, flags: &[], files: &files }).unwrap_err();
    assert_eq!(&*errors.0[0].problem, "is not UTF-8");
}

// === Rules of sections ===

#[test]
fn listening_beyond_loopback_needs_an_explicit_setting() {
    let open = Layers::new().variable("COUNTERSIGN__SERVER__LISTEN", "127.0.0.1:1,0.0.0.0:1,[::ffff:127.0.0.1]:1,192.0.2.1:1");
    assert_eq!(
        open.errors()[0],
        "environment COUNTERSIGN__SERVER__LISTEN: server.listen: `0.0.0.0:1` is reachable from other machines, and the server speaks \
         plain HTTP here\n  fix: use tls.listen, or listen on loopback behind a proxy that terminates TLS, or set server.allow_plaintext = true if such a proxy \
         reaches this address over a trusted network"
    );
    let base_url_too = open.errors();
    assert_eq!(base_url_too.len(), 3);
    assert!(base_url_too[2].contains("server.base_urls") && base_url_too[2].contains("0.0.0.0:1"), "{}", base_url_too[2]);
    let open = open.flag("server.base_urls", "https://auth.test");
    assert_eq!(open.errors().len(), 2);
    assert!(open.flag("server.allow_plaintext", "true").load().is_ok());
}

#[test]
fn lists_of_the_server_are_neither_empty_nor_repeat() {
    assert_eq!(&*Layers::new().file("server.listen = []").load().unwrap_err().0[0].problem, "is empty");
    assert_eq!(&*Layers::new().flag("server.base_urls", "").load().unwrap_err().0[0].problem, "is empty");
    assert_eq!(
        &*Layers::new().flag("server.listen", "127.0.0.1:1,127.0.0.1:1").load().unwrap_err().0[0].problem,
        "is listed twice"
    );
    assert_eq!(&*Layers::new().flag("server.base_urls", "http://a,http://a").load().unwrap_err().0[0].problem, "is listed twice");
}

#[test]
fn proxies_are_trusted_by_their_addresses_or_by_their_number() {
    let trusted = |layers: Layers| layers.load().unwrap().config.server.trusted_proxies;
    assert_eq!(trusted(Layers::new()), TrustedProxies::default());
    assert_eq!(trusted(Layers::new().flag("server.trusted_proxy_depth", "2")), TrustedProxies::Nearest(2));
    let networks = Layers::new().flag("server.trusted_proxies", "10.0.0.7,10.1.0.0/16");
    assert!(matches!(trusted(networks), TrustedProxies::Networks(networks) if networks.len() == 2));
    assert_eq!(
        Layers::new().flag("server.trusted_proxies", "10.0.0.7").flag("server.trusted_proxy_depth", "1").errors(),
        ["--set server.trusted_proxy_depth: server.trusted_proxy_depth and server.trusted_proxies are both set\n  \
          fix: keep one of the two: the addresses, if they are known"]
    );
    assert_eq!(Layers::new().flag("server.trusted_proxies", "10.0.0.7,10.0.0.7").errors().len(), 1);
}

#[test]
fn a_base_url_is_refused_with_the_form_to_write() {
    assert_eq!(
        Layers::new().flag("server.base_urls", "https://Auth.example.com:443/").errors(),
        ["--set server.base_urls: server.base_urls: `https://Auth.example.com:443/` has more than scheme, host and port\n  \
          accepted: a list of base URLs, such as `https://auth.example.com`: scheme, host and port only\n  \
          fix: write https://auth.example.com"]
    );
}

#[test]
fn the_master_key_file_lies_beside_sqlite_and_is_required_with_postgres() {
    let beside = Layers::new().flag("storage.url", "sqlite:/data/x.db").load().unwrap();
    assert_eq!(beside.config.keys.master_key_file(), Some(Path::new("/data/master.key")));
    assert_eq!(
        beside.provenance.of("keys.master_key_file").unwrap().to_string(),
        "keys.master_key_file = /data/master.key  [default]"
    );
    let without = Layers::new().flag("storage.url", "postgres://cs@db/d");
    assert_eq!(
        without.errors(),
        ["--set storage.url: keys.master_key_file is required with PostgreSQL\n  accepted: the path of a file\n  \
          fix: name a file that holds the same key on every node, or set COUNTERSIGN__KEYS__MASTER_KEY in the environment"]
    );
    let with = Layers::new().file(POSTGRES).load().unwrap().config;
    assert_eq!(with.keys.master_key_file(), Some(Path::new("etc/master.key")));
}

#[test]
fn an_authority_for_a_connection_without_tls_is_refused() {
    for url in ["sqlite:x.db", "postgres://cs@db/d", "postgres://cs@db/d?sslmode=prefer"] {
        let layers = Layers::new().flag("storage.url", url).flag("storage.ca_file", "ca.pem").flag("keys.master_key_file", "k");
        assert_eq!(
            layers.errors(),
            ["--set storage.ca_file: storage.ca_file is set although the connection is not TLS\n  \
              fix: add ?sslmode=verify-full to storage.url, or leave this out"],
            "{url}"
        );
    }
    let layers = Layers::new().flag("storage.url", "postgres://cs@db/d?sslmode=verify-full").flag("storage.ca_file", "ca.pem");
    assert!(layers.flag("keys.master_key_file", "k").load().is_ok());
}

// === Secrets ===

#[test]
fn a_secret_comes_from_a_value_or_from_a_file() {
    let value = Layers::new().file(POSTGRES).variable("COUNTERSIGN__STORAGE__PASSWORD", "hunter2").load().unwrap();
    assert_eq!(value.config.storage.password.unwrap().expose(), "hunter2");
    for (name, path) in [("COUNTERSIGN__STORAGE__PASSWORD_FILE", "run/pw"), ("COUNTERSIGN__STORAGE__PASSWORD_FILE", "/run/pw")] {
        let layers = Layers::new().file(POSTGRES).variable(name, path).other_file(path, "hunter2\n");
        assert_eq!(layers.load().unwrap().config.storage.password.unwrap().expose(), "hunter2");
    }
    let key = Layers::new().variable("COUNTERSIGN__KEYS__MASTER_KEY", KEY).load().unwrap().config.keys;
    assert_eq!(load_master_key(&key.master_key, &MemoryFiles::new()).unwrap().expose(), &[7; 32]);
}

#[test]
fn a_secret_file_must_be_there_and_hold_something() {
    let layers = Layers::new().file("storage.password_file = \"pw\"");
    assert_eq!(layers.errors(), ["etc/countersign.toml:1:25: storage.password_file: `etc/pw` cannot be read: no such file"]);
    assert_eq!(layers.other_file("etc/pw", "\n").errors(), ["etc/countersign.toml:1:25: storage.password_file: `etc/pw` is empty"]);
}

#[test]
fn between_a_secret_and_its_file_the_higher_layer_wins() {
    let layers = Layers::new().file("[storage]\npassword = \"low\"").variable("COUNTERSIGN__STORAGE__PASSWORD_FILE", "pw");
    let loaded = layers.other_file("pw", "high").load().unwrap();
    assert_eq!(loaded.config.storage.password.unwrap().expose(), "high");
    assert!(!loaded.provenance.of("storage.password").unwrap().is_set);
    let layers = Layers::new().file("[keys]\nmaster_key_file = \"x\"").variable("COUNTERSIGN__KEYS__MASTER_KEY", KEY);
    assert_eq!(layers.load().unwrap().config.keys.master_key_file(), None);
    let both = Layers::new().file("[storage]\npassword = \"a\"\npassword_file = \"b\"");
    assert_eq!(
        both.errors(),
        ["etc/countersign.toml:3:17: storage.password_file and storage.password are both set\n  fix: keep one of the two"]
    );
}

#[test]
fn secrets_are_refused_on_the_command_line() {
    assert_eq!(
        Layers::new().flag("storage.password", "hunter2").errors(),
        [
            "--set storage.password: storage.password must not be given on the command line, which every user of the machine can read\n  \
          fix: set storage.password_file or the environment variable COUNTERSIGN__STORAGE__PASSWORD"
        ]
    );
}

#[test]
fn the_master_key_is_refused_in_the_configuration_file() {
    assert_eq!(
        Layers::new().file(&format!("keys.master_key = \"{KEY}\"")).errors(),
        ["etc/countersign.toml:1:19: keys.master_key must not stand in the configuration file\n  \
          fix: set keys.master_key_file, or COUNTERSIGN__KEYS__MASTER_KEY in the environment"]
    );
}

#[test]
fn a_password_in_the_url_is_refused_and_not_repeated() {
    let errors = Layers::new().variable("COUNTERSIGN__STORAGE__URL", "postgres://cs:hunter2@db/d").load().unwrap_err();
    assert_eq!(
        errors.to_string(),
        "environment COUNTERSIGN__STORAGE__URL: storage.url holds a password\n  \
         accepted: `sqlite:PATH` or `postgres://USER@HOST:PORT/DATABASE`, without a password\n  \
         fix: take it out of the URL and set storage.password_file, or COUNTERSIGN__STORAGE__PASSWORD in the environment"
    );
}

#[test]
fn secrets_are_never_shown() {
    let wrong = [
        Layers::new().file("[keys]\nmaster_key = \"hunter2\""),
        Layers::new().file("[keys]\nmaster_key = [\"hunter2\"]"),
        Layers::new().file("[storage]\npasword = \"hunter2\""),
        Layers::new().file("[storage]\npassword = \"hunter2"),
        Layers::new().variable("COUNTERSIGN__KEYS__MASTER_KEY", "hunter2"),
        Layers::new().variable("COUNTERSIGN__STORAGE__PASWORD", "hunter2"),
        Layers::new().flag("keys.master_key", "hunter2"),
        Layers::new().flag("storage.url", "postgres://cs:hunter2@db/d"),
        Layers::new().flag("storage.url", "postgres://db/d?password=hunter2"),
        Layers::new().flag("server.base_urls", "https://cs:hunter2@auth.example.com"),
    ];
    for layers in wrong {
        let errors = layers.load().unwrap_err();
        let texts = format!("{errors} {errors:?} {}", serde_json::to_string(&errors).unwrap());
        assert!(!texts.contains("hunter2"), "{texts}");
    }
    let right =
        Layers::new().file("[storage]\npassword = \"hunter2\"").variable("COUNTERSIGN__KEYS__MASTER_KEY", KEY).load().unwrap();
    let lines: String = right.provenance.0.iter().map(ToString::to_string).collect();
    let texts = format!("{right:?} {lines} {}", serde_json::to_string(&right.provenance).unwrap());
    assert!(!texts.contains("hunter2") && !texts.contains(KEY) && !texts.contains("7, 7"), "{texts}");
    assert!(lines.contains("storage.password = (secret)  [etc/countersign.toml:2:12]"));
}

#[test]
fn errors_serialise_for_machines() {
    let errors = Layers::new().file("log.level = \"loud\"").load().unwrap_err();
    assert_eq!(
        serde_json::to_value(&errors).unwrap(),
        serde_json::json!([{
            "key": "log.level",
            "place": {"layer": "file", "path": "etc/countersign.toml", "line": 1, "column": 13},
            "value": "loud",
            "problem": "is not a log level",
            "accepted": "one of `error`, `warn`, `info`, `debug`, `trace`",
            "fix": null,
        }])
    );
}
