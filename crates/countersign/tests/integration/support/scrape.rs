//! Scrapes: OpenMetrics text, read strictly.

use std::collections::{BTreeMap, BTreeSet};

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

/// A family as its three comment lines describe it.
#[derive(Debug, Default)]
pub(crate) struct ScrapedFamily {
    pub(crate) kind: String,
    pub(crate) help: String,
    /// The names of labels, `le` aside.
    pub(crate) labels: BTreeSet<String>,
}

/// A scrape.
#[derive(Debug)]
pub(crate) struct Scrape {
    pub(crate) families: BTreeMap<String, ScrapedFamily>,
    /// By name and labels as they are written.
    series: BTreeMap<String, f64>,
}

impl Scrape {
    pub(crate) async fn of(router: Router) -> Self {
        let response = router.oneshot(Request::get("/metrics").body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
        let text = response.into_body().collect().await.unwrap().to_bytes();
        Self::parse(std::str::from_utf8(&text).unwrap())
    }

    fn parse(text: &str) -> Self {
        let mut scrape = Self { families: BTreeMap::new(), series: BTreeMap::new() };
        let body = text.strip_suffix("# EOF\n").unwrap();
        let mut current = String::new();
        for line in body.lines() {
            match line.strip_prefix("# ").map(|comment| comment.splitn(3, ' ').collect::<Vec<_>>()).as_deref() {
                Some([keyword, family, rest]) => {
                    let entry = scrape.families.entry((*family).to_owned()).or_default();
                    match *keyword {
                        "HELP" => entry.help = (*rest).to_owned(),
                        "TYPE" => entry.kind = (*rest).to_owned(),
                        "UNIT" => assert!(family.ends_with(&format!("_{rest}")), "{line}"),
                        other => panic!("{other}: {line}"),
                    }
                    current = (*family).to_owned();
                }
                Some(other) => panic!("{other:?}: {line}"),
                None => scrape.sample(&current, line),
            }
        }
        scrape
    }

    fn sample(&mut self, family: &str, line: &str) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(series.starts_with(family), "{line} is not of {family}");
        let labels = series.split_once('{').map_or("", |(_, labels)| labels.strip_suffix('}').unwrap());
        let names = labels.split("\",").filter(|pair| !pair.is_empty()).map(|pair| pair.split_once("=\"").unwrap().0);
        let known = &mut self.families.get_mut(family).unwrap().labels;
        known.extend(names.filter(|name| *name != "le").map(str::to_owned));
        assert!(self.series.insert(series.to_owned(), value.parse().unwrap()).is_none(), "{series} occurs twice");
    }

    /// The value of a series, such as `a_total{b="c"}`; 0 if there is none yet.
    pub(crate) fn value(&self, series: &str) -> f64 {
        self.series.get(series).copied().unwrap_or(0.0)
    }

    /// How many series begin like this.
    pub(crate) fn count(&self, prefix: &str) -> usize {
        self.series.keys().filter(|series| series.starts_with(prefix)).count()
    }

    /// The whole of it, for what must not occur in it.
    pub(crate) fn series_text(&self) -> String {
        self.series.keys().map(|series| format!("{series}\n")).collect()
    }
}
