//! An application on a database of its own, and clients of it.

pub(crate) mod acme_server;
mod app;
mod assertion;
mod collector;
mod database;
mod fixture;
mod http;
mod log;
mod manage;
mod postgres;
mod random;
mod revocation;
mod root_key;
mod scrape;
mod signers;
mod sqlite;
mod stall;
mod timer;
mod token;

pub(crate) use app::{Setup, TestApp, master_key};
pub(crate) use assertion::{Assertion, JWT_BEARER, KeyServer, TestKey};
pub(crate) use collector::{Collector, attribute};
pub(crate) use database::{Database, Engine};
pub(crate) use fixture::{API1, API2, Fixture, TestClient, api, issuer_id, scope};
pub(crate) use http::{Answer, FORM, JSON, Pieces, Request};
pub(crate) use log::CapturedLog;
pub(crate) use manage::{Caller, MANAGEMENT, Managed, every_right, every_right_but};
pub(crate) use random::Dice;
pub(crate) use revocation::by;
pub(crate) use root_key::RootKey;
pub(crate) use scrape::Scrape;
pub(crate) use signers::{RemoteSigners, Service};
pub(crate) use stall::Stall;
pub(crate) use timer::TestTimer;
pub(crate) use token::AccessToken;
