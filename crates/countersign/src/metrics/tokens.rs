//! Tokens issued. Requests that got none are counted by route and code, as all are.

use std::sync::OnceLock;

use countersign_protocol::jose::Algorithm;
use prometheus_client::metrics::counter::Counter;

use super::by_name::ByName;
use super::families::{Description, Families, Labelled};

/// Most authorization servers that are told apart.
const MAX_SERVERS: usize = 200;
/// Most grant types that are told apart; there are fewer.
const MAX_GRANT_TYPES: usize = 16;

static ISSUED: Description = Description {
    name: "countersign_tokens_issued",
    labels: &["authorization_server", "grant_type", "algorithm"],
    help: "Access tokens issued, by signature algorithm or `opaque`; authorization servers beyond the first 200 are counted as `(other)`",
};

/// Tokens issued.
#[derive(Debug)]
pub struct TokenMetrics {
    /// By authorization server, then by grant type.
    issued: ByName<ByName<Issued>>,
}

/// The series of one authorization server and grant type, each resolved when it is
/// first needed.
struct Issued {
    server: String,
    grant_type: String,
    family: Labelled<Counter>,
    by_algorithm: [OnceLock<Counter>; Algorithm::ALL.len()],
    opaque: OnceLock<Counter>,
}

impl TokenMetrics {
    pub(super) fn new(families: &mut Families) -> Self {
        let issued = Labelled::new(&ISSUED, Counter::default);
        families.add_labelled(&issued);
        let of_server = move |server: &str| {
            let (family, server) = (issued.clone(), server.to_owned());
            ByName::new(MAX_GRANT_TYPES, move |grant_type: &str| Issued {
                server: server.clone(),
                grant_type: grant_type.to_owned(),
                family: family.clone(),
                by_algorithm: Default::default(),
                opaque: OnceLock::new(),
            })
        };
        Self { issued: ByName::new(MAX_SERVERS, of_server) }
    }

    /// Counts a token; `None`: an opaque one.
    pub(crate) fn issued(&self, server: &str, grant_type: &'static str, algorithm: Option<Algorithm>) {
        self.issued.with(server, |by_grant_type| by_grant_type.with(grant_type, |issued| issued.count(algorithm)));
    }
}

impl Issued {
    fn count(&self, algorithm: Option<Algorithm>) {
        let Some(algorithm) = algorithm else {
            self.opaque.get_or_init(|| self.family.series(&[&self.server, &self.grant_type, "opaque"])).inc();
            return;
        };
        let series = Algorithm::ALL.iter().zip(&self.by_algorithm).find(|(known, _)| **known == algorithm);
        if let Some((algorithm, issued)) = series {
            issued.get_or_init(|| self.family.series(&[&self.server, &self.grant_type, algorithm.as_str()])).inc();
        }
    }
}
