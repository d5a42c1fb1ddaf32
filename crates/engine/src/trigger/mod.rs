//! What starts runs without a call of the API: a schedule ([`cron`]) and a signed HTTP call ([`webhook`]).

pub(crate) mod cron;
pub(crate) mod webhook;
