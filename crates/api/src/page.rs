//! Pagination: `limit` with `page` for small sets, or with an opaque `cursor` for any.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::json::sha256_hex_of;
use domain::ports::{COUNT_CAP, Page, Window};
use domain::problem::FieldErrors;
use serde_json::{Value, json};

use crate::{Call, Reply, set};

const MAX_LIMIT: usize = 100;
const DEFAULT_LIMIT: usize = 20;
/// `page` passes over the rows before it one by one; beyond this only a cursor will do.
const MAX_SKIP: usize = 1_000;

/// Which page a call asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging {
    /// What to ask the store for.
    pub window: Window,
    page: usize,
    /// What a cursor is bound to: the organisation, the list and its filters.
    binding: String,
}

impl Paging {
    /// Reads `limit`, `page` and `cursor`. `list` names the list and all its filters: a cursor works for nothing else.
    pub fn of(call: &Call, list: &str, errors: &mut FieldErrors) -> Self {
        let number = |name: &'static str, range: std::ops::RangeInclusive<usize>, errors: &mut FieldErrors| {
            call.query_as(name, errors, |text| {
                let number = text.parse().ok().filter(|number| range.contains(number));
                number.ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()))
            })
        };
        let limit = number("limit", 1..=MAX_LIMIT, errors).unwrap_or(DEFAULT_LIMIT);
        let page = number("page", 1..=usize::MAX, errors);
        let binding = sha256_hex_of(format!("{}\n{list}", call.key.org).as_bytes()).chars().take(16).collect::<String>();
        let cursor =
            call.query_as("cursor", errors, |text| read_cursor(text, &binding).ok_or_else(|| "is not a cursor of this list".to_owned()));
        let skip = page.map_or(0, |page| (page - 1).saturating_mul(limit));
        if page.is_some() && call.query("cursor").is_some() {
            errors.add("page", "cannot be combined with a cursor");
        } else if skip > MAX_SKIP {
            errors.add("page", format!("reaches beyond {MAX_SKIP} rows; follow meta.nextCursor instead"));
        }
        let (after, page) = cursor.map_or((None, page.unwrap_or(1)), |(after, page)| (Some(after), page));
        Self { window: Window { after, skip, limit }, page, binding }
    }

    /// The page as it is sent.
    pub fn reply<T>(&self, page: &Page<T>, row: impl Fn(&T) -> Value) -> Reply {
        let total = page.total.min(COUNT_CAP);
        let mut meta = json!({"pages": total.div_ceil(self.window.limit as u64)});
        if page.total > COUNT_CAP {
            set(&mut meta, "totalIsCapped", Value::Bool(true));
        }
        if let Some(after) = &page.next {
            set(&mut meta, "nextCursor", Value::from(self.cursor_after(after)));
        }
        let rows: Vec<Value> = page.rows.iter().map(row).collect();
        Reply { status: 200, body: json!({"data": rows, "total": total, "page": self.page, "limit": self.window.limit, "meta": meta}) }
    }

    fn cursor_after(&self, after: &str) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}|{}|{after}", self.binding, self.page + 1))
    }
}

fn read_cursor(text: &str, binding: &str) -> Option<(String, usize)> {
    let decoded = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (bound_to, rest) = decoded.split_once('|')?;
    let (page, after) = rest.split_once('|')?;
    // Sort keys are ids and times: anything else was made up.
    let plausible =
        !after.is_empty() && after.len() <= 80 && after.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_#-:.".contains(&byte));
    (bound_to == binding && plausible).then_some((after.to_owned(), page.parse().ok()?))
}
