//! Pagination: `limit` with `page` for small sets, or with an opaque `cursor` for any.

use domain::id::OrgId;
use domain::ports::{COUNT_CAP, Organisations, Page, Window};
use domain::problem::FieldErrors;
use serde_json::{Value, json};

use crate::cursor::{Place, Sealed, seal};
use crate::{ApiError, Call, Reply, set};

const MAX_LIMIT: usize = 100;
const DEFAULT_LIMIT: usize = 20;
/// `page` passes over the rows before it one by one; beyond this only a cursor will do.
const MAX_SKIP: usize = 1_000;
const NO_CURSOR: &str = "is not a cursor of this list";

/// Which page a call asks for.
#[derive(Debug, Clone)]
pub struct Paging<'a, O> {
    /// What to ask the store for.
    pub window: Window,
    page: usize,
    org: OrgId,
    /// What a cursor is bound to: the organisation, the list, its order and its filters.
    binding: String,
    organisations: &'a O,
}

impl<'a, O: Organisations> Paging<'a, O> {
    /// Reads `limit`, `page` and `cursor`. `list` names the list, its order and all its filters: a cursor works for nothing else.
    /// The organisation's secret is only read if there is a cursor to check, and in [`reply`](Self::reply) if there is one to give.
    pub async fn of(call: &Call, list: &str, organisations: &'a O, errors: &mut FieldErrors) -> Result<Self, ApiError> {
        let number = |name: &'static str, range: std::ops::RangeInclusive<usize>, errors: &mut FieldErrors| {
            call.query_as(name, errors, |text| {
                let number = text.parse().ok().filter(|number| range.contains(number));
                number.ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()))
            })
        };
        let limit = number("limit", 1..=MAX_LIMIT, errors).unwrap_or(DEFAULT_LIMIT);
        let page = number("page", 1..=usize::MAX, errors);
        let org = call.key.org;
        let binding = format!("{org} {list}");
        let sealed = call.query_as("cursor", errors, |text| Sealed::read(text).ok_or_else(|| NO_CURSOR.to_owned()));
        let mut place = None;
        if let Some(sealed) = sealed {
            place = sealed.open(&organisations.cursor_secret(&org).await?, &binding);
            if place.is_none() {
                errors.add("cursor", NO_CURSOR);
            }
        }
        let skip = page.map_or(0, |page| (page - 1).saturating_mul(limit));
        if page.is_some() && call.query("cursor").is_some() {
            errors.add("page", "cannot be combined with a cursor");
        } else if skip > MAX_SKIP {
            errors.add("page", format!("reaches beyond {MAX_SKIP} rows; follow meta.nextCursor instead"));
        }
        let (window, page) = match place {
            None => (Window { after: None, skip, limit, was_beyond_cap: false }, page.unwrap_or(1)),
            Some(Place { after, page, beyond_cap }) => {
                (Window { after: Some(after), skip, limit, was_beyond_cap: beyond_cap }, usize::try_from(page).unwrap_or(usize::MAX))
            }
        };
        Ok(Self { window, page, org, binding, organisations })
    }

    /// The page as it is sent.
    pub async fn reply<T>(&self, page: &Page<T>, row: impl Fn(&T) -> Value) -> Result<Reply, ApiError> {
        let total = page.total.min(COUNT_CAP);
        let mut meta = json!({"pages": total.div_ceil(self.window.limit as u64)});
        let beyond_cap = page.total > COUNT_CAP;
        if beyond_cap {
            set(&mut meta, "totalIsCapped", Value::Bool(true));
        }
        if let Some(after) = &page.next {
            let place = Place { after: after.clone(), page: u32::try_from(self.page).unwrap_or(u32::MAX).saturating_add(1), beyond_cap };
            let secret = self.organisations.cursor_secret(&self.org).await?;
            set(&mut meta, "nextCursor", Value::from(seal(&secret, &self.binding, &place)));
        }
        let rows: Vec<Value> = page.rows.iter().map(row).collect();
        Ok(Reply { status: 200, body: json!({"data": rows, "total": total, "page": self.page, "limit": self.window.limit, "meta": meta}) })
    }
}
